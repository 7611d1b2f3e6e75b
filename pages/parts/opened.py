"""The open study as the navigation shows it: what is wrong with it is said, and ends no page."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from celltransfer_core.errors import CellTransferError, StudyError
from celltransfer_core.studies import STAGES, Study, Workspace, processes
from parts import text
from parts.navigation import close_study
from parts.study_types import has_labels


@dataclass(frozen=True)
class Opened:
    """The open study, if there is one, and how far it is."""

    study: Study | None = None
    states: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(("data", *STAGES, "reviewed", "signed"), "waiting")
    )
    """Of each step."""
    pulse: str = ""
    """As it was before anything of it was shown."""
    labelled: bool = False
    """Whether the query's types are known, so that results can be measured."""
    problem: str = ""
    """Why that cannot be told."""


def open_chosen(space: Workspace) -> Opened:
    """Open the study that the session or the address names; one that is gone is closed."""
    # Streamlit drops the query on a change of page; the session remembers, and the address shows it
    asked = st.query_params.get("study")
    if asked and asked != st.session_state.get("study"):
        st.session_state["study"] = asked
    if not st.session_state.get("study"):
        return Opened()
    with space.one_look():
        return _look_at(space, st.session_state["study"])


def _look_at(space: Workspace, chosen: str) -> Opened:
    try:
        study = space.study(chosen)
    except StudyError as error:
        close_study()
        st.toast(text.sentence(error))
        return Opened()
    except CellTransferError as error:
        return Opened(problem=str(error))
    st.query_params["study"] = study.id
    pulse = ""
    try:
        pulse = space.pulse(study.id)
        return Opened(study, _states(space, study), pulse, has_labels(space, study.id))
    except Exception as error:
        return Opened(study, pulse=pulse, problem=text.reason(error))


def _states(space: Workspace, study: Study) -> dict[str, str]:
    reached = processes.states(space, study.id)
    return {
        "data": "next" if reached["embed"] == "waiting" else "done",
        "reviewed": "done" if space.count_decisions(study.id, "review") else "waiting",
        "signed": "done" if study.signed else "waiting",
        **reached,
    }
