"""Navigation between pages, and the progress of a study."""

from collections.abc import Mapping
from typing import NamedTuple

import streamlit as st

from celltransfer_core.studies import Step, Steps, Study, steps_of
from parts import text
from parts.dock import main_button
from parts.here import open_workspace

TASKS: Mapping[Step, str] = {
    "data": "Type my cells",
    "embeddings": "Compute the embeddings",
    "clusters": "Find clusters of similar cells",
    "matches": "Match the clusters to types",
    "classify": "Type every cell",
    "review": "Review the uncertain cells",
    "export": "Sign off and download the table",
}
"""The task of each step."""

STEPS = "steps"
"""Session key of the open study's progress when the page run started."""


class NextStep(NamedTuple):
    """The next step of a study."""

    page: str
    task: str
    state: str
    """Progress of the study, in a few words."""


def next_step(study: Study) -> NextStep:
    """Return a study's progress and next step, consistent with the sidebar for the open one.

    Other studies are only checked briefly.
    """
    known: Mapping[str, Steps] = st.session_state.get(STEPS, {})
    try:
        found = known.get(study.id) or steps_of(open_workspace(), study.id, read=False)
    except Exception as error:  # an unreadable study does not hide the others
        return NextStep("data", "See what is wrong", text.reason(error))
    step, mark = found.next, found.marks[found.next]
    if study.signed:
        return NextStep("export", "Download the table", f"signed off by {study.signed_by}")
    if found.marks["data"].state != "done":
        return NextStep("data", "Add a reference and a query", "waits for images")
    task = TASKS[step]
    if step == "matches" and mark.of:
        done = f"{mark.done} of {text.count(mark.of, 'cluster')} answered" if mark.done else ""
        return NextStep(
            step, "Confirm the types of the clusters", f"typed, {done or 'no match confirmed'}"
        )
    if step == "review":
        return NextStep(step, task, f"typed, {mark.done} of {mark.of} cells reviewed")
    if step == "export":
        return NextStep(step, task, "typed, confirmed and reviewed")
    return NextStep(step, task, _computing(found, f"next: {task[:1].lower()}{task[1:]}"))


def _computing(found: Steps, otherwise: str) -> str:
    """Describe the state of the computation in a few words."""
    reached = {mark.state for mark in found.marks.values()}
    said = {
        "running": "running",
        "failed": "stopped by an error",
        "stale": "settings changed, needs to be computed again",
    }
    return next((words for state, words in said.items() if state in reached), otherwise)


def go(page: str, study: str | None = None) -> None:
    """Go to a page, and to a study if one is given."""
    if study is not None:
        open_study(study)
    st.switch_page(f"{page}.py")


def open_study(study: str) -> None:
    """Open a study; the address shows it."""
    st.session_state["study"] = study
    st.query_params["study"] = study


def close_study() -> None:
    """Close the open study."""
    del st.session_state["study"]
    st.query_params.clear()


def begin_study(name: str) -> None:
    """Create a study, and go to the page where its images are added."""
    st.session_state["begun"] = made = open_workspace().create(name).id
    go("data", made)


def lead_on(page: str, label: str, note: str = "", *, quiet: bool = False) -> None:
    """Link to the next step with the page's main button; see ``main_button``."""
    icon = ":material/arrow_forward:"
    if main_button(label, icon=icon, key="following", note=note, quiet=quiet):
        go(page)


def lead_to_next(study: Study, page: str) -> None:
    """Link to the study's next step with the page's main button, unless it is this page."""
    step = next_step(study)
    if step.page != page:
        lead_on(step.page, f"Continue: {step.task[:1].lower()}{step.task[1:]}")
