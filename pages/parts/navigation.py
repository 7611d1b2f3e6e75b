"""Ways from page to page, and how far a study is."""

from typing import NamedTuple

import streamlit as st

from celltransfer_core.studies import Study, current_job, states
from parts import text
from parts.here import open_workspace

_STEPS = {
    "embed": ("embeddings", "Let the encoders look at the cells"),
    "clusters": ("clusters", "Find clusters of cells that look alike"),
    "matches": ("matches", "Match the clusters to types"),
    "classify": ("classify", "Type every cell"),
}


class NextStep(NamedTuple):
    """What a study waits for."""

    page: str
    task: str
    state: str
    """How far the study is, in a few words."""


def next_step(study: Study) -> NextStep:
    """Tell how far a study is and what comes next."""
    try:
        return _next_step(study)
    except Exception as error:  # one study that cannot be read does not hide the others
        return NextStep("data", "See what is wrong", text.reason(error))


def _next_step(study: Study) -> NextStep:
    space = open_workspace()
    reached = states(space, study.id, read=False)
    if study.signed:
        return NextStep("export", "Take the table away", f"signed off by {study.signed_by}")
    if "waiting" in reached.values():
        return NextStep("data", "Add a reference and a query", "waits for images")
    job = current_job(space, study.id)
    for stage, (page, task) in _STEPS.items():
        if reached[stage] == "done":
            continue
        if reached[stage] == "running":
            return NextStep(page, task, "at work")
        if job and job.state == "failed":
            return NextStep(page, task, "stopped at an error")
        changed = "settings changed, to be computed again" if reached[stage] == "stale" else ""
        return NextStep(page, task, changed or f"next: {task[:1].lower()}{task[1:]}")
    if not space.decisions(study.id, "match"):
        return NextStep("matches", "Confirm what the clusters are", "typed, no match confirmed")
    reviewed = len({d.payload.get("cell") for d in space.decisions(study.id, "review")})
    return NextStep("review", "Review the doubtful cells", f"typed, {reviewed:,} cells reviewed")


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
    go("data", open_workspace().create(name).id)


def lead_on(page: str, label: str) -> None:
    """Lead on to the next step, at a page's end."""
    st.divider()
    if st.button(label, type="primary", icon=":material/arrow_forward:", key="following"):
        go(page)
