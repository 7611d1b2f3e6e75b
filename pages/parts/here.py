"""The reader and the open study: a record that a page makes once and passes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from celltransfer_core.data import Dataset
from celltransfer_core.errors import CellTransferError
from celltransfer_core.pipeline import NearestSets
from celltransfer_core.studies import Study, Workspace, load_prepared, mended_reference
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
        """Options of the study that differ from the default configuration."""
        return self.study.options

    def of(self, reader: str) -> "Here":
        """Return the same of another reader, such as one who has just given a name."""
        return replace(self, reader=reader)

    def pooled(self, role: str) -> Dataset | None:
        """Return the cells of all sets of a role, with the labels that count."""
        if role == REFERENCE:
            return mended_reference(self.workspace, self.id)
        return self.workspace.pooled(self.id, role)

    def used(self, role: str) -> Dataset | None:
        """Return the cells of a role that results are indexed by.

        These are the pooled cells, unless one of several reference sets is used alone.
        """
        if role == REFERENCE and self.nearest:
            return load_prepared(self.workspace, self.id).reference
        return self.pooled(role)

    @property
    def nearest(self) -> NearestSets | None:
        """The choice of one of several reference sets, if it is used alone."""
        prepared = load_prepared(self.workspace, self.id)
        found = prepared.nearest if prepared else None
        return found if found and found.alone else None

    def change_options(self, **options: Any) -> bool:
        """Change some of the study's options; return whether it worked, and show why not.

        Options that are not given stay unchanged; None resets one.
        """
        return attempt(self.workspace.change_options, self.id, **options)

    def decide(self, kind: str, payload: Mapping[str, Any]) -> bool:
        """Save a decision under the reader's name; return whether it worked, and show why not."""
        return self.decide_all(kind, [payload])

    def decide_all(self, kind: str, payloads: Sequence[Mapping[str, Any]]) -> bool:
        """Save several decisions, all or none; return whether it worked, and show why not.

        A reader without a name is asked for it first.
        """
        if not self.reader:
            return when_named(lambda name: self.of(name).decide_all(kind, payloads))
        return attempt(self.workspace.decide_all, self.id, kind, payloads, self.reader)

    def undo(self, kind: str) -> tuple[Decision, ...]:
        """Undo the reader's last decision or group of decisions; show why if it fails."""
        try:
            return self.workspace.undo(self.id, kind, self.reader)
        except CellTransferError as error:
            st.error(text.sentence(error))
            return ()

    def own_decisions(self, kind: str | None = None) -> list[Decision]:
        """List the reader's current decisions, in order of time."""
        return [one for one in self.workspace.decisions(self.id, kind) if one.who == self.reader]

    def mark_seen(self) -> None:
        """Prevent a redraw of the page for what the reader just decided."""
        st.session_state["pulse"] = self.workspace.pulse(self.id)


def attempt(call: Callable[..., object], *arguments: object, **options: object) -> bool:
    """Do something that may fail for a reason the user can fix; return whether it worked."""
    try:
        call(*arguments, **options)
    except CellTransferError as error:
        st.error(text.sentence(error))
        return False
    return True


def readable(here: Here, role: str) -> Dataset | None:
    """Return the cells of all sets of a role; None while one of its sets cannot be read.

    The error is shown next to that set, and must not hide the rest of the page.
    """
    try:
        return here.pooled(role)
    except CellTransferError:
        return None


def open_workspace() -> Workspace:
    """Open the workspace once per server, so that pages and routes share what was read."""
    return current_workspace()


def open_page(title: str, caption: str) -> Here:
    """Write a page's header; without an open study, link to where one is opened, and stop."""
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
            "its results cannot be changed. To change them, duplicate the study. New cells can be "
            "added on Data.",
            icon=":material/lock:",
        )
    return here
