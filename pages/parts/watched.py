"""The folder on the server that is watched for a study: chosen, shown and stopped on Data."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from celltransfer_core.studies import BATCH, Watch, Workspace, current_job, now
from celltransfer_core.vocabulary import and_more
from celltransfer_core.web import (
    EVERY,
    import_roots,
    offered_folders,
    unsaved_problem,
    watch_folder,
)
from parts import text
from parts.clicks import clicked
from parts.here import Here, attempt
from parts.reader import when_named

_LATE = 6 * EVERY  # seconds without a check after which the panel says so


def is_watched(here: Here) -> bool:
    """Tell whether a folder is watched for a study."""
    return here.workspace.watched(here.id) is not None


def show_watched(here: Here) -> None:
    """Show the watched folder of a study, if there is one."""
    watch = here.workspace.watched(here.id)
    if watch is None:
        return
    with st.container(border=True):
        st.markdown("**Watched folder**")
        _follow(here.workspace, watch)
        stop = "Stop watching"
        if clicked(st.button, stop, key="stop watching", icon=":material/stop:") and attempt(
            here.workspace.stop_watching, here.id
        ):
            st.rerun()


def offer_watching(here: Here) -> None:
    """Offer to watch a folder that may be imported from, unless one is watched."""
    roots = import_roots()
    if not roots or is_watched(here):
        return
    with st.container(border=True):
        st.markdown("**Watched folder**")
        st.caption(
            "New files in a folder on the server are added and typed automatically, also while no "
            "page is open. Each sub-folder becomes a batch; files in the folder itself form a "
            "batch with its name. Files that are there already are added too."
        )
        chosen = st.selectbox(
            "Folder on the server",
            _folders(roots),
            index=None,
            accept_new_options=True,
            placeholder="Choose a folder, or enter its path",
            help="Your administrator lists the folders that may be imported from: "
            + text.listed([str(root) for root in roots]),
            key="folder to watch",
        )
        label, icon = "Watch this folder", ":material/visibility:"
        if clicked(st.button, label, key="watch folder", icon=icon, disabled=not chosen):
            _ask_or_begin(here, chosen)


def _ask_or_begin(here: Here, folder: str) -> None:
    """Begin to watch a folder under the reader's name, which is asked for first."""
    if not here.reader:
        when_named(lambda name: _begin(here.of(name), folder))
        st.rerun()
    elif _begin(here, folder):
        st.rerun()


@st.cache_data(ttl=30, show_spinner=False)
def _folders(roots: Sequence[Path]) -> list[str]:  # noqa: ARG001
    return list(offered_folders())


def _begin(here: Here, folder: str) -> bool:
    return attempt(watch_folder, here.workspace, here.id, folder, here.reader)


@st.fragment(run_every=EVERY / 2)
def _follow(workspace: Workspace, begun: Watch) -> None:
    """Show what is watched, and what the last check found."""
    watch = workspace.watched(begun.study)
    if watch is None or watch.since != begun.since:  # somebody else stopped it
        st.rerun(scope="app")
    st.markdown(
        f"{text.plain(watch.folder)}  \nWatched since {text.when(watch.since)} by "
        f"{text.plain(watch.who)} · {_checked(watch)}"
    )
    st.caption(_added(watch))
    job = current_job(workspace, watch.study)
    if job and job.active and job.target == BATCH:
        st.caption("The new cells are being typed: the progress is at the top of this page.")
    waited = _age(watch.checked or watch.since)
    if problem := unsaved_problem(workspace, watch.study) or watch.problem:
        st.warning(
            f"{text.sentence(problem)}  \nThis is tried again automatically; no file is lost.",
            icon=":material/warning:",
        )
    elif waited > _LATE:
        st.warning(
            f"It has not been checked for {text.seconds_left(waited)}. A check of many files takes "
            "longer; otherwise the app, its disk or the folder's disk does not respond.",
            icon=":material/warning:",
        )


def _checked(watch: Watch) -> str:
    """Say when it was last checked."""
    if watch.checked is None:
        return "not checked yet" if _age(watch.since) > _LATE else "first check within seconds"
    return f"last checked {text.seconds_left(_age(watch.checked))} ago"


def _added(watch: Watch) -> str:
    """Say what was added last."""
    if not watch.added:
        return "No file has been added yet. A file is added once it no longer changes."
    batches, left_out = watch.added["batches"], watch.added["left_out"]
    parts = [f"{text.count(cells, 'cell')} to {name}" for name, cells in sorted(batches.items())]
    told = [f"Added last, {text.when(watch.added['at'])}: {text.plain(and_more(parts))}."]
    if not parts:
        told = [f"Last files, {text.when(watch.added['at'])}: none can be used."]
    if left_out:
        most = max(left_out, key=lambda one: (left_out[one], one))
        reason = f"most: {most}" if len(left_out) > 1 else most
        listed = ", listed with the batch" if parts else ""  # which exists from its first image on
        told.append(
            f"{text.count(sum(left_out.values()), 'file')} left out ({text.plain(reason)}){listed}."
        )
    return " ".join(told)


def _age(at: str) -> float:
    """Return the seconds since a moment."""
    moments = (dt.datetime.fromisoformat(one) for one in (now(), at))
    return max(0.0, (next(moments) - next(moments)).total_seconds())
