"""Long work, as pages show it: what is missing, how to begin it, how far it is."""

import streamlit as st

from celltransfer_core.pipeline import drift
from celltransfer_core.studies import (
    CurrentRun,
    Stage,
    Target,
    Workspace,
    cancel,
    current_job,
    has_first_vote,
    load_current,
    silence,
    start,
    states,
)
from celltransfer_core.studies.records import Job
from celltransfer_core.studies.work_list import GRACE
from parts.here import Here, attempt
from parts.text import plain, seconds_left

_PHASES = {
    "reading": "Reading the images",
    "framing": "Finding nuclei",
    "drawing the map": "Drawing the map",
    "clusters": "Finding clusters",
    "matches": "Matching clusters to types",
    "vote": "Classifying and voting",
    "checking the reference": "Checking the reference",
    "evaluate": "Measuring every method",
    "identify shared types": "Finding shared types",
    "few labels": "Measuring with few labelled cells",
    "reader": "Playing a reader",
}


_LONG = 15.0  # seconds without a sign of life after which a page says so

_SILENT = {
    "queued": "It has been starting for {silent}: the machine may be busy. After two minutes it "
    "is given up; nothing is lost if you cancel.",
    "running": "No sign of life for {silent}: a long step may hold everything, or the machine or "
    "its disk is busy. You can wait, or cancel and begin again: what is finished is kept.",
}

COMING = ":material/hourglass_top: Transport is being computed; the vote will be updated."

CHANGED = "Something before this step has changed: its result is out of date."


def needs(here: Here, stage: Stage, button: str, stale: str = CHANGED) -> bool:
    """Show how far the work for a page is; tell whether its result is there.

    With nothing under way there is a button that begins the work; while it runs there are
    progress, time left and a button that cancels. ``stale`` says why a result is out of date.
    """
    state = state_of(here, stage)
    if state == "waiting":
        st.info("Add images first: a reference with known types, and a query to be typed.")
        st.page_link("data.py", icon=":material/upload:")
        return False
    if at_work(here, done=state == "done") or state == "done":
        return state == "done"
    if state == "stale":
        st.warning(stale)
    offer_work(here, stage, button)
    return False


def state_of(here: Here, stage: Stage) -> str:
    """Tell how far a stage of the study is."""
    return states(here.workspace, here.id)[stage]


def current_run(here: Here, button: str) -> CurrentRun | None:
    """Return the typed cells, the vote updated with all answers; without any, offer to type them.

    Answers that came after the transport count at once; whether a new one would pay is told, and
    that one is missing.
    """
    found = load_current(here.workspace, here.id)
    if found is None:
        needs(here, "classify", button)
        return None
    if found.fresh:
        return found
    if at_work(here, done=False):
        if found.lacks_transport and state_of(here, "classify") == "running":
            st.caption(COMING)
    else:
        offer_transport(here, found)
    return found


def offer_transport(here: Here, found: CurrentRun) -> None:
    """Tell whether another transport would pay, or the first one, and offer it."""
    moved = drift(found.run)
    if found.lacks_transport:
        st.info(
            "What you confirmed counts in the vote already. With confirmed clusters transport "
            "counts too, and it is not computed yet.",
            icon=":material/sync:",
        )
        offer_work(here, "classify", "Compute the transport")
    elif moved.pays:
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


def at_work(here: Here, *, done: bool) -> bool:
    """Show work that is under way, or why it stopped before it was done."""
    job = current_job(here.workspace, here.id)
    if job and job.active:
        _watch(here.workspace, here.id, has_first_vote(here.workspace, here.id))
        return True
    if job and job.state in ("failed", "stopped", "cancelled") and not done:
        _show_end(job)
    return False


def _show_end(job: Job) -> None:
    """Tell why work ended before it was done, and what to do."""
    message = plain(job.message)
    if job.state == "cancelled":
        st.warning(message, icon=":material/stop_circle:")
    elif job.state == "stopped":
        st.error(message, icon=":material/error:")
    else:
        st.error(
            f"**The work ended at an error.** {message}  \nWhat was finished is kept: mend the "
            "cause, then begin again.",
            icon=":material/error:",
        )


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
def _watch(workspace: Workspace, study: str, voted: bool) -> None:
    """Show progress until the work has ended, or has given a first vote."""
    job = current_job(workspace, study)
    if job is None or not job.active or has_first_vote(workspace, study) != voted:
        st.rerun()
    share = job.done / job.total if job.total else 0.0
    with st.container(border=True):
        st.progress(min(share, 1.0), text=_progress_of(job))
        if job.cancel:
            st.caption(f"It ends within {GRACE:.0f} seconds or so; what is finished is kept.")
            return
        if (silent := silence(job)) > _LONG:
            st.warning(_SILENT[job.state].format(silent=seconds_left(silent)))
        else:
            st.caption("You can close this page: the work goes on, and what is finished is kept.")
        if st.button("Cancel", icon=":material/stop_circle:"):
            attempt(cancel, workspace, job.id)


def _progress_of(job: Job) -> str:
    """Write what a job does, how far that is, and how long it takes yet."""
    if job.cancel:
        return "**Stopping…**"
    began = _PHASES.get(job.phase, job.phase[:1].upper() + job.phase[1:]) or "Starting"
    count = f" {job.done:,} of {job.total:,}" if job.total > 1 else ""
    left = ""
    spent = job.beat - job.phase_began
    if job.done and job.total > job.done and spent > 1:
        left = seconds_left(spent / job.done * (job.total - job.done))
        left = f" · about {left} left in this step"
    return f"**{began}…**{count}{left}"


def reload_current(here: Here) -> CurrentRun:
    """Return the typed cells within a fragment, the vote updated with all answers up to now."""
    found = load_current(here.workspace, here.id)
    if found is None:  # somebody changed what comes before, on another page
        st.rerun(scope="app")
    return found
