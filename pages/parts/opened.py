"""The open study in the navigation; errors in it are shown and do not stop the page."""

from dataclasses import dataclass

import streamlit as st

from celltransfer_core.errors import CellTransferError, StudyError
from celltransfer_core.studies import Steps, Study, Workspace, steps_of
from parts import text
from parts.navigation import STEPS, close_study
from parts.reader import STUDY, remembered
from parts.study_types import has_labels


@dataclass(frozen=True)
class Opened:
    """The open study, if there is one, and its progress."""

    study: Study | None = None
    steps: Steps | None = None
    """Progress of each step; None if unknown."""
    pulse: str = ""
    """State before anything of the study was shown."""
    labelled: bool = False
    """Whether the query's types are known, so that accuracy can be measured."""
    problem: str = ""
    """Why the progress is unknown."""
    gone: str = ""
    """Why a requested study was not opened."""


def open_chosen(space: Workspace) -> Opened:
    """Open the study given by the address, the session or the last visit, if it still exists."""
    st.session_state[STEPS] = {}
    # Streamlit drops the query on a change of page; the session remembers, and the address shows it
    asked = st.query_params.get("study")
    first = st.session_state.setdefault("visit", "first") == "first"
    st.session_state["visit"] = "begun"
    if asked and asked != st.session_state.get("study"):
        st.session_state["study"] = asked
    elif first and not st.session_state.get("study"):
        st.session_state["study"] = _last(space)
    if not st.session_state.get("study"):
        return Opened()
    with space.one_look():
        return _look_at(space, st.session_state["study"])


def _last(space: Workspace) -> str:
    """Return the study of this browser's last visit, if it exists; it was not requested now."""
    last = remembered(STUDY)
    try:
        return space.study(last).id if last else ""
    except CellTransferError:
        return ""


def _look_at(space: Workspace, chosen: str) -> Opened:
    try:
        study = space.study(chosen)
    except StudyError as error:
        close_study()
        return Opened(gone=str(error))
    except CellTransferError as error:
        return Opened(problem=str(error))
    st.query_params["study"] = study.id
    pulse = ""
    try:
        pulse = space.pulse(study.id)
        steps = st.session_state[STEPS][study.id] = steps_of(space, study.id)
        return Opened(study, steps, pulse, has_labels(space, study.id))
    except Exception as error:
        return Opened(study, pulse=pulse, problem=text.reason(error))
