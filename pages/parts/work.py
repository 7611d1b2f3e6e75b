"""Jobs on pages: what is missing, how to start it, and its progress."""

import math

import streamlit as st

from celltransfer_core.pipeline import drift
from celltransfer_core.studies import (
    CurrentRun,
    Outlook,
    Stage,
    Target,
    Workspace,
    arrived,
    cancel,
    current_job,
    load_current,
    outlook_of,
    silence,
    start,
    states,
)
from celltransfer_core.studies.records import Job
from celltransfer_core.studies.work_list import GRACE
from parts.clicks import clicked
from parts.here import Here, attempt
from parts.navigation import go, main_button
from parts.reader import ask_outside
from parts.text import plain, seconds_left

_PHASES = {
    "reading": "Reading the images",
    "framing": "Finding nuclei",
    "trying fields": "Comparing fields of view",
    "colour": "Comparing colours",
    "drawing the cells": "Drawing the cells",
    "drawing the map": "Drawing the map",
    "clusters": "Finding clusters",
    "matches": "Matching clusters to types",
    "vote": "First vote",
    "checking the reference": "Checking the reference",
    "evaluate": "Measuring every method",
    "identify shared types": "Finding shared types",
    "few labels": "Measuring with few labelled cells",
    "reader": "Simulating a reader",
}


_SOON = 2.0  # seconds
_LONG = 15.0  # seconds without a sign of life after which a page says so

_SILENT = {
    "queued": (
        "It has been starting for {silent}: the machine may be busy. It is stopped after two "
        "minutes; you can cancel without losing anything."
    ),
    "running": (
        "No progress for {silent}: a long step may be running, or the machine or its disk is "
        "busy. You can wait, or cancel and start again: finished work is kept."
    ),
}

COMING = ":material/hourglass_top: Transport is being computed; the vote will be updated."

CHANGED = "An earlier step has changed: this result is out of date."


def needs(here: Here, stage: Stage, button: str, stale: str = CHANGED) -> bool:
    """Show the progress of the work for a page; return whether its result exists.

    If no job is running, there is a button that starts it; while it runs, there are its progress,
    the time left and a button to cancel. ``stale`` says why a result is out of date.
    """
    state = state_of(here, stage)
    if state == "waiting":
        st.info("Add images first: a reference with known types, and a query to be typed.")
        if main_button("Add images", icon=":material/upload:"):
            go("data")
        return False
    if at_work(here, done=state == "done") or state == "done":
        return state == "done"
    if state == "stale":
        st.warning(stale)
    offer_work(here, stage, button)
    return False


def state_of(here: Here, stage: Stage) -> str:
    """Return the state of a stage of the study."""
    return states(here.workspace, here.id)[stage]


def current_run(here: Here, button: str) -> CurrentRun | None:
    """Return the typed cells, with the vote updated with all answers, or offer to type them.

    Answers given after the transport count at once. The page says if a new transport would help or
    if there is none.
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
    """Offer the first or another transport if it would help; otherwise say that it would not."""
    moved = drift(found.run)
    if found.lacks_transport:
        st.info(
            "Your confirmations already count in the vote. With confirmed clusters transport "
            "counts too, but it has not been computed yet.",
            icon=":material/sync:",
        )
        offer_work(here, "classify", "Compute the transport", aside=True)
    elif moved.pays:
        st.info(
            "Your confirmations already count in the vote. The transport was computed for other "
            f"proportions ({100 * moved.total_variation:.1f} % of the cells have changed type): "
            "running it again is worthwhile.",
            icon=":material/sync:",
        )
        offer_work(here, "classify", "Run the transport again", aside=True)
    else:
        st.caption(
            ":material/school: Confirmations since the last transport already count in the vote. "
            "Proportions have hardly changed: no need to run it again."
        )


def at_work(here: Here, *, done: bool) -> bool:
    """Show a running job, or why it ended early."""
    job = current_job(here.workspace, here.id)
    if job and job.active:
        _watch(here.workspace, here.id, arrived(here.workspace, here.id))
        return True
    if job and job.state in ("failed", "stopped", "cancelled") and not done:
        _show_end(job)
    return False


def _show_end(job: Job) -> None:
    """Show why a job ended early, and what to do."""
    message = plain(job.message)
    if job.state == "cancelled":
        st.warning(message, icon=":material/stop_circle:")
    elif job.state == "stopped":
        st.error(message, icon=":material/error:")
    else:
        st.error(
            f"**The work stopped with an error.** {message}  \nFinished work is kept: fix the "
            "cause, then start again.",
            icon=":material/error:",
        )


def begin(here: Here, target: Target) -> bool:
    """Start a job; return whether it worked, and show why not."""
    return attempt(start, here.workspace, here.id, target)


def offer_work(here: Here, target: Target, button: str, *, aside: bool = False) -> None:
    """Offer to start a job with the page's main button, or with a button in place if ``aside``."""
    draw = st.button if aside else main_button
    if draw(button, icon=":material/play_arrow:", disabled=here.locked) and begin(here, target):
        st.rerun()


def lead_to_review(here: Here, note: str = "", *, quiet: bool = False) -> None:
    """Link to the review; a transport required by confirmed clusters is computed meanwhile.

    ``note`` and ``quiet`` are those of ``main_button``.
    """
    label, icon = "Continue: review the uncertain cells", ":material/arrow_forward:"
    if not main_button(label, icon=icon, key="following", note=note, quiet=quiet):
        return
    found = load_current(here.workspace, here.id)
    pays = found is None or found.lacks_transport or (not found.fresh and drift(found.run).pays)
    if not pays or here.locked or begin(here, "classify"):
        go("review")


@st.fragment(run_every=1.0)
def _watch(workspace: Workspace, study: str, there: frozenset[str]) -> None:
    """Show progress until the job has ended or has a result that the page can show."""
    job = current_job(workspace, study)
    if job is None or not job.active or arrived(workspace, study) != there:
        st.rerun()
    silent = silence(job)
    outlook = outlook_of(job, silent)
    with st.container(border=True):
        st.progress(min(outlook.share, 1.0) if outlook else 0.0, text=_promise(job, outlook))
        if job.cancel:
            st.caption(f"It ends within about {GRACE:.0f} seconds; finished work is kept.")
            return
        if phase := _phase_of(job, outlook):
            st.caption(phase)
        if silent > _LONG:
            st.warning(_SILENT[job.state].format(silent=seconds_left(silent)))
        else:
            st.caption("You can close this page: the work continues, and finished work is kept.")
        if clicked(st.button, "Cancel", key="cancel work", icon=":material/stop_circle:"):
            attempt(cancel, workspace, job.id)


def _promise(job: Job, outlook: Outlook | None) -> str:
    """Write how much longer the whole job takes."""
    if job.cancel:
        return "**Stopping…**"
    if outlook is None:
        return "**Starting…**"
    if outlook.left < _SOON:
        return "**Almost done**"
    # Rounded, so as not to suggest precision to the second.
    return f"**About {seconds_left(5 * math.ceil(outlook.left / 5))} left**"


def _phase_of(job: Job, outlook: Outlook | None) -> str:
    """Write a job's current phase and its progress."""
    if not job.phase:
        return ""
    name = _PHASES.get(job.phase, job.phase[:1].upper() + job.phase[1:])
    count = f": {job.done:,} of {job.total:,}" if job.total > 1 else ""
    number = f"Step {outlook.number} of {outlook.of} · " if outlook and outlook.of > 1 else ""
    return f"{number}{plain(name)}{count}"


def map_follows(here: Here) -> None:
    """Say that the map is being computed, and show it when ready; or offer to compute it."""
    job = current_job(here.workspace, here.id)
    if job and job.active:
        _wait_for_map(here.workspace, here.id)
    else:
        st.caption("The map of the cells has not been computed yet.")
        offer_work(here, "embed", "Compute the map", aside=True)


@st.fragment(run_every=1.0)
def _wait_for_map(workspace: Workspace, study: str) -> None:
    job = current_job(workspace, study)
    if job is None or not job.active or "map" in arrived(workspace, study):
        st.rerun()
    st.info(
        "The map will follow in some seconds; the results do not depend on it.",
        icon=":material/scatter_plot:",
    )


def reload_current(here: Here) -> CurrentRun:
    """Return the typed cells within a fragment, with the vote updated with all answers so far."""
    ask_outside()
    found = load_current(here.workspace, here.id)
    if found is None:  # an earlier step was changed on another page
        st.rerun(scope="app")
    return found
