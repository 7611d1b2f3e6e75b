"""Who looks at which study: one record that a page makes once and hands to all that it calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from celltransfer_core.data import Dataset
from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import Study, Workspace, mended_reference
from celltransfer_core.studies.records import Decision
from celltransfer_core.vocabulary import REFERENCE
from celltransfer_core.web import current_workspace
from parts import text
from parts.dock import main_button
from parts.reader import reader_name, when_named


@dataclass(frozen=True)
class Here:
    """The workspace, the open study as it was when the page was drawn, and the reader's name."""

    workspace: Workspace
    study: Study
    reader: str

    @property
    def id(self) -> str:
        """The study's id."""
        return self.study.id

    @property
    def locked(self) -> bool:
        """Whether the study is signed off, so that nothing can be changed."""
        return bool(self.study.signed)

    @property
    def options(self) -> Mapping[str, Any]:
        """What the study sets otherwise than the default configuration."""
        return self.study.options

    def of(self, reader: str) -> "Here":
        """Return the same of another reader, such as one who has just given a name."""
        return replace(self, reader=reader)

    def pooled(self, role: str) -> Dataset | None:
        """Return the cells of all sets of a role, with the labels that count."""
        if role == REFERENCE:
            return mended_reference(self.workspace, self.id)
        return self.workspace.pooled(self.id, role)

    def change_options(self, **options: Any) -> bool:
        """Change some of the study's options; tell whether it went, and show why not.

        Those that are not given stay as anybody left them; None takes one back.
        """
        return attempt(self.workspace.change_options, self.id, **options)

    def decide(self, kind: str, payload: Mapping[str, Any]) -> bool:
        """Keep a decision under the reader's name; tell whether it went, and show why not."""
        return self.decide_all(kind, [payload])

    def decide_all(self, kind: str, payloads: Sequence[Mapping[str, Any]]) -> bool:
        """Keep several decisions, all or none; tell whether it went, and show why not.

        Who has no name yet is asked for it first.
        """
        if not self.reader:
            return when_named(lambda name: self.of(name).decide_all(kind, payloads))
        return attempt(self.workspace.decide_all, self.id, kind, payloads, self.reader)

    def undo(self, kind: str) -> tuple[Decision, ...]:
        """Take back what the reader decided last, at one stroke; show why it did not go."""
        try:
            return self.workspace.undo(self.id, kind, self.reader)
        except CellTransferError as error:
            st.error(text.sentence(error))
            return ()

    def own_decisions(self, kind: str | None = None) -> list[Decision]:
        """List the reader's own decisions that stand, in the order of time."""
        return [one for one in self.workspace.decisions(self.id, kind) if one.who == self.reader]

    def mark_seen(self) -> None:
        """Keep the page from being drawn anew for what the reader just decided."""
        st.session_state["pulse"] = self.workspace.pulse(self.id)


def attempt(call: Callable[..., object], *arguments: object, **options: object) -> bool:
    """Do something that may go wrong for a reason the user can mend; tell whether it went."""
    try:
        call(*arguments, **options)
    except CellTransferError as error:
        st.error(text.sentence(error))
        return False
    return True


def readable(here: Here, role: str) -> Dataset | None:
    """Return the cells of all sets of a role; none while one of its sets cannot be read.

    What is wrong stands beside that set, and must not hide the rest of the page.
    """
    try:
        return here.pooled(role)
    except CellTransferError:
        return None


def open_workspace() -> Workspace:
    """Open the workspace, once a server: what pages have read, routes need not read again."""
    return current_workspace()


def open_page(title: str, caption: str) -> Here:
    """Write a page's head; without an open study, lead to where one is opened, and stop."""
    chosen = st.session_state.get("study")
    if not chosen:
        st.title(title)
        st.info("No study is open. Open or create one on the Studies page.")
        if main_button("Choose a study", icon=":material/folder_open:"):
            st.switch_page("studies.py")
        st.stop()
    workspace = open_workspace()
    here = Here(workspace, workspace.study(chosen), reader_name())
    st.title(title)
    st.caption(caption)
    if here.study.drawn:
        st.caption(":material/draw: Demo study: the cells are **synthetic**, not photographed.")
    if here.study.signed:
        st.info(
            f"Signed off by {text.plain(here.study.signed_by)} on {here.study.signed[:10]}: "
            "nothing can be changed. New cells can be added on Data. Duplicate the study to "
            "continue.",
            icon=":material/lock:",
        )
    return here
