"""Ways from page to page, and how far a study is."""

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
"""What is to be done at each step."""

STEPS = "steps"
"""Where the session keeps how far the open study was when the page was begun."""


class NextStep(NamedTuple):
    """What a study waits for."""

    page: str
    task: str
    state: str
    """How far the study is, in a few words."""


def next_step(study: Study) -> NextStep:
    """Tell how far a study is and what comes next: as the sidebar marks it, if it is the open one.

    A study among many is only glanced at.
    """
    known: Mapping[str, Steps] = st.session_state.get(STEPS, {})
    try:
        found = known.get(study.id) or steps_of(open_workspace(), study.id, read=False)
    except Exception as error:  # one study that cannot be read does not hide the others
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
    """Tell how what is computed stands, in a few words."""
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
    """Make a study the open one; the address shows it."""
    st.session_state["study"] = study
    st.query_params["study"] = study


def close_study() -> None:
    """Leave no study open."""
    del st.session_state["study"]
    st.query_params.clear()


def begin_study(name: str) -> None:
    """Begin a study and go to where its images are added."""
    st.session_state["begun"] = made = open_workspace().create(name).id
    go("data", made)


def lead_on(page: str, label: str, note: str = "", *, quiet: bool = False) -> None:
    """Lead on to the next step, by the page's main button; see ``main_button``."""
    icon = ":material/arrow_forward:"
    if main_button(label, icon=icon, key="following", note=note, quiet=quiet):
        go(page)


def lead_to_next(study: Study, page: str) -> None:
    """Lead to what the study waits for, by the page's main button; not to the page itself."""
    step = next_step(study)
    if step.page != page:
        lead_on(step.page, f"Continue: {step.task[:1].lower()}{step.task[1:]}")
