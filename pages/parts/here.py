"""Who looks at which study: one record that a page makes once and hands to all that it calls."""

import getpass
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import streamlit as st

from celltransfer_core.data import Dataset
from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import Study, Workspace, mended_reference
from celltransfer_core.studies.records import MAX_NAME, Decision, one_form
from celltransfer_core.vocabulary import REFERENCE
from celltransfer_core.web import current_workspace, person
from parts import text
from parts.assets import component

_NAME_COOKIE = "celltransfer_reader"
_LONGEST_NAME = 60  # characters


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
        return attempt(self.workspace.decide, self.id, kind, payload, self.reader)

    def decide_all(self, kind: str, payloads: Sequence[Mapping[str, Any]]) -> bool:
        """Keep several decisions, all or none; tell whether it went, and show why not."""
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
    """Write a page's head; without an open study, say where to get one and stop."""
    chosen = st.session_state.get("study")
    if not chosen:
        st.info("No study is open. Open or begin one on the Studies page.")
        st.page_link("studies.py", icon=":material/folder_open:")
        st.stop()
    workspace = open_workspace()
    here = Here(workspace, workspace.study(chosen), reader_name())
    st.title(title)
    st.caption(caption)
    if here.study.drawn:
        st.caption(":material/draw: Demo study: the cells are **drawn**, not photographed.")
    if here.study.signed:
        st.info(
            f"Signed off by {text.plain(here.study.signed_by)} on {here.study.signed[:10]}: "
            "nothing can be changed. Duplicate the study to go on.",
            icon=":material/lock:",
        )
    return here


def reader_name() -> str:
    """Return the name that decisions are kept under, and found again."""
    signed_in = st.user.get("is_logged_in")
    given = person(st.user) if signed_in else st.session_state.get("reader", "")
    return one_form(given)[:MAX_NAME].strip() or _account()


def _account() -> str:
    """Return the name of the account that the app runs under."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container an account may have none
        return "unnamed"


def ask_reader() -> None:
    """Ask for the name that decisions are kept under; the browser remembers it."""
    if "reader" not in st.session_state:
        kept = unquote(st.context.cookies.get(_NAME_COOKIE, ""))
        st.session_state["reader"] = one_form(kept)[:_LONGEST_NAME] or _account()
    # Set anew in every run: a button that leads to another page would clear it otherwise.
    st.session_state["reader"] = st.session_state["reader"]
    st.text_input(
        "Your name",
        key="reader",
        max_chars=_LONGEST_NAME,
        help="Decisions are kept under this name. This browser remembers it.",
    )
    data = {"name": st.session_state["reader"], "cookie": _NAME_COOKIE}
    component("reader", "reader")(key="reader kept", data=data)
