"""Long work, as pages show it: what is missing, how to begin it, how far it is."""

import time

import streamlit as st

from celltransfer_core.pipeline import drift
from celltransfer_core.studies import (
    CurrentRun,
    Stage,
    Target,
    Workspace,
    cancel,
    current_job,
    load_current,
    start,
    states,
)
from parts.here import Here, attempt
from parts.text import seconds_left

_PHASES = {
    "reading": "Reading the images",
    "framing": "Finding nuclei",
    "drawing the map": "Drawing the map",
    "clusters": "Finding clusters",
    "matches": "Matching clusters to types",
    "vote": "Classifying and voting",
    "evaluate": "Measuring every method",
    "identify shared types": "Finding shared types",
    "few labels": "Measuring with few labelled cells",
    "reader": "Playing a reader",
}


def needs(here: Here, stage: Stage, button: str) -> bool:
    """Show how far the work for a page is; tell whether its result is there.

    With nothing under way there is a button that begins the work; while it runs there are
    progress, time left and a button that cancels.
    """
    state = state_of(here, stage)
    if state == "waiting":
        st.info("Add images first: a reference with known types, and a query to be typed.")
        st.page_link("data.py", icon=":material/upload:")
        return False
    if at_work(here, done=state == "done") or state == "done":
        return state == "done"
    if state == "stale":
        st.warning("Something before this step has changed: its result is out of date.")
    offer_work(here, stage, button)
    return False


def state_of(here: Here, stage: Stage) -> str:
    """Tell how far a stage of the study is."""
    return states(here.workspace, here.id)[stage]


def current_run(here: Here, button: str) -> CurrentRun | None:
    """Return the typed cells, the vote updated with all answers; without any, offer to type them.

    Answers that came after the transport count at once; whether a new one would pay is told.
    """
    found = load_current(here.workspace, here.id)
    if found is None:
        needs(here, "classify", button)
        return None
    if not found.fresh and not at_work(here, done=False):
        moved = drift(found.run)
        if moved.pays:
            st.info(
                "What you confirmed counts in the vote already. The transport was made to other "
                f"proportions ({100 * moved.total_variation:.0f} % of the cells have moved): to "
                "run it again will pay.",
                icon=":material/sync:",
            )
            offer_work(here, "classify", "Run the transport again")
        else:
            st.caption(
                ":material/school: What you confirmed since the last transport counts in the vote "
                "already. Proportions have hardly moved: no need to run it again."
            )
    return found


def at_work(here: Here, *, done: bool) -> bool:
    """Show work that is under way, or why it stopped before it was done."""
    job = current_job(here.workspace, here.id)
    if job and job.active:
        _watch(here.workspace, here.id)
        return True
    if job and job.state in ("failed", "stopped", "cancelled") and not done:
        (st.warning if job.state == "cancelled" else st.error)(job.message)
    return False


def begin(here: Here, target: Target) -> bool:
    """Begin work; tell whether it went, and show why not."""
    return attempt(start, here.workspace, here.id, target)


def offer_work(here: Here, target: Target, button: str) -> None:
    """Offer to begin work."""
    if st.button(
        button, type="primary", icon=":material/play_arrow:", disabled=here.locked
    ) and begin(here, target):
        st.rerun()


@st.fragment(run_every=1.0)
def _watch(workspace: Workspace, study: str) -> None:
    """Show progress until the work has ended."""
    job = current_job(workspace, study)
    if job is None or not job.active:
        st.rerun()
    began = f"{_PHASES.get(job.phase, job.phase[:1].upper() + job.phase[1:]) or 'Starting'}…"
    share = job.done / job.total if job.total else 0.0
    left = ""
    spent = time.time() - job.phase_began
    if job.done and job.total > job.done and spent > 1:
        left = seconds_left(spent / job.done * (job.total - job.done))
        left = f" · about {left} left in this step"
    count = f" {job.done:,} of {job.total:,}" if job.total > 1 else ""
    with st.container(border=True):
        st.progress(min(share, 1.0), text=f"**{began}**{count}{left}")
        st.caption("You can close this page: the work goes on, and what is finished is kept.")
        if job.cancel:
            st.caption("Cancelling…")
        elif st.button("Cancel", icon=":material/stop_circle:"):
            cancel(workspace, job.id)


def reload_current(here: Here) -> CurrentRun:
    """Return the typed cells within a fragment, the vote updated with all answers up to now."""
    found = load_current(here.workspace, here.id)
    if found is None:  # somebody changed what comes before, on another page
        st.rerun(scope="app")
    return found
