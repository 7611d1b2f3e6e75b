"""What every page shares: the workspace, the study at hand, names, pictures, progress."""

import getpass
import html
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.pipeline import drift
from celltransfer_core.plots import type_colours
from celltransfer_core.studies import (
    CurrentRun,
    Stage,
    Study,
    Target,
    Workspace,
    cancel,
    current_job,
    load_current,
    stages,
    start,
    states,
    study_labels,
)
from celltransfer_core.web import image_url

ASSETS = Path(__file__).parents[1] / "assets"
THUMBNAIL = 72  # px
_NAME_COOKIE = "celltransfer_reader"
_LONGEST_NAME = 60  # characters

# What the pages can link to: filled by main.py, which alone knows the navigation.
PAGES: dict[str, st.Page] = {}


@st.cache_resource
def component(folder: str, name: str) -> Callable[..., Any]:
    """Register a part of a page that is written in JavaScript."""
    style = ASSETS / folder / f"{folder}.css"
    return st.components.v2.component(
        f"celltransfer_{name}",
        css=style.read_text(encoding="utf-8") if style.is_file() else None,
        js=(ASSETS / folder / f"{name}.js").read_text(encoding="utf-8"),
    )


@st.cache_resource
def _workspace(folder: str) -> Workspace:  # noqa: ARG001
    return Workspace()


def workspace() -> Workspace:
    """Open the workspace, once a server."""
    from celltransfer_core.runtime import home

    return _workspace(str(home()))


def study() -> Study:
    """Return the study at hand; without one, say where to get one and stop."""
    chosen = st.session_state.get("study")
    if not chosen:
        st.info("No study is open. Open or begin one on the Studies page.")
        st.page_link(PAGES["studies"], icon=":material/folder_open:")
        st.stop()
    return workspace().study(chosen)


def reader() -> str:
    """Return the name that decisions are kept under."""
    if st.user.get("is_logged_in"):
        return str(st.user.get("email") or st.user.get("name") or "reader")
    return st.session_state.get("reader") or "reader"


def ask_reader() -> None:
    """Ask for the name that decisions are kept under; the browser remembers it."""
    if "reader" not in st.session_state:
        kept = unquote(st.context.cookies.get(_NAME_COOKIE, ""))
        st.session_state["reader"] = " ".join(kept.split())[:_LONGEST_NAME] or getpass.getuser()
    # Said anew in every run: a button that leads to another page would clear it otherwise.
    st.session_state["reader"] = st.session_state["reader"]
    st.text_input(
        "Your name",
        key="reader",
        max_chars=_LONGEST_NAME,
        help="Decisions are kept under this name. This browser remembers it.",
    )
    data = {"name": st.session_state["reader"], "cookie": _NAME_COOKIE}
    component("reader", "reader")(key="reader kept", data=data)


def title(text: str, what: str) -> Study:
    """Write a page's head; return the study at hand."""
    here = study()
    st.title(text)
    st.caption(what)
    if here.drawn:
        st.caption(":material/draw: Demo study: the cells are **drawn**, not photographed.")
    if here.signed:
        st.info(
            f"Signed off by {here.signed_by} on {here.signed[:10]}: nothing can be changed. "
            "Duplicate the study to go on.",
            icon=":material/lock:",
        )
    return here


def reference_types(study_id: str) -> list[str]:
    """List the types of a study's reference."""
    reference = workspace().pooled(study_id, "reference")
    return sorted(set(reference.cell_labels.tolist())) if reference else []


def named_types(study_id: str) -> list[str]:
    """List the types that people named beside the reference's, in the order they were named."""
    return stages.named_types(workspace(), study_id)


def colours(study_id: str) -> Mapping[str, str]:
    """Return the colour of each type of a study, those that people named among them."""
    return type_colours(reference_types(study_id), named_types(study_id))


def labelled(study_id: str) -> bool:
    """Tell whether the query came with types that the reference has: then they can be compared."""
    space = workspace()
    sets = space.sets(study_id)
    return _labelled(space, study_id, tuple((s.id, s.revision, *s.mapping.items()) for s in sets))


@st.cache_data(max_entries=32, show_spinner=False)
def _labelled(_space: Workspace, study_id: str, sets: tuple[object, ...]) -> bool:  # noqa: ARG001
    try:
        reference = _space.pooled(study_id, "reference")
        labels = study_labels(_space, study_id)
    except CellTransferError:  # the Data page tells what is wrong with a set
        return False
    return reference is not None and bool(np.isin(labels, reference.cell_labels).any())


def chip(name: str, shades: Mapping[str, str]) -> str:
    """Write a type's name with its colour beside it, as HTML."""
    shade = shades.get(name, "#8A8A8A")
    return (
        "<span style='white-space:nowrap'><span style='display:inline-block;width:.75em;"
        f"height:.75em;border-radius:50%;background:{shade};margin-right:.4em'></span>"
        f"{html.escape(name)}</span>"
    )


def pictures(
    study_id: str,
    cells: Sequence[str],
    *,
    titles: Sequence[str] = (),
    size: int = THUMBNAIL,
    cut: bool = True,
    outline: bool = False,
    role: str = "query",
) -> None:
    """Show cells side by side; they load as they come into view.

    ``cells`` are hashes; ``titles`` are read out, and shown when the mouse rests on a cell.
    """
    space = workspace()
    tiles = []
    for number, cell in enumerate(cells):
        says = html.escape(titles[number] if titles else f"cell {cell[:8]}", quote=True)
        url = image_url(space, study_id, cell, size=2 * size, cut=cut, outline=outline, role=role)
        tiles.append(
            f"<img src='{url}' width='{size}' height='{size}' loading='lazy' alt='{says}' "
            f"title='{says}' style='object-fit:contain;border-radius:4px;background:#8881'>"
        )
    st.html(f"<div style='display:flex;flex-wrap:wrap;gap:4px'>{''.join(tiles)}</div>")


def say(call: object, *arguments: object, **options: object) -> bool:
    """Do something that may go wrong for a reason the user can mend; tell whether it went."""
    try:
        call(*arguments, **options)  # type: ignore[operator]
    except CellTransferError as error:
        st.error(str(error))
        return False
    return True


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


def needs(here: Study, stage: Stage, button: str, *, note: str = "") -> bool:
    """Show how far the work for a page is; tell whether its result is there.

    With nothing under way there is a button that begins the work; while it runs there are
    progress, time left and a button that cancels; a page without a result stops here.
    """
    state = states(workspace(), here.id)[stage]
    if state == "waiting":
        st.info("Add images first: a reference with known types, and a query to be typed.")
        st.page_link(PAGES["data"], icon=":material/upload:")
        return False
    if at_work(here, done=state == "done") or state == "done":
        return state == "done"
    if state == "stale":
        st.warning("Something before this step has changed: its result is out of date.")
    if note:
        st.markdown(note)
    begin(here, stage, button)
    return False


def taught(here: Study, button: str) -> CurrentRun | None:
    """Return the typed cells as people's words update_vote them; without any, offer to type them.

    Annotations that came after the transport count at once; whether a new one would pay is said.
    """
    found = load_current(workspace(), here.id)
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
            begin(here, "classify", "Run the transport again")
        else:
            st.caption(
                ":material/school: What you confirmed since the last transport counts in the vote "
                "already. Proportions have hardly moved: no need to run it again."
            )
    return found


def at_work(here: Study, *, done: bool) -> bool:
    """Show work that is under way, or why it stopped before it was done."""
    job = current_job(workspace(), here.id)
    if job and job.active:
        _watch(here.id)
        return True
    if job and job.state in ("failed", "stopped", "cancelled") and not done:
        (st.warning if job.state == "cancelled" else st.error)(job.message)
    return False


def begin(here: Study, target: Target, button: str) -> None:
    """Offer to begin work."""
    if st.button(
        button, type="primary", icon=":material/play_arrow:", disabled=bool(here.signed)
    ) and say(start, workspace(), here.id, target):
        st.rerun()


@st.fragment(run_every=1.0)
def _watch(study_id: str) -> None:
    space = workspace()
    job = current_job(space, study_id)
    if job is None or not job.active:
        st.rerun()
    began = f"{_PHASES.get(job.phase, job.phase[:1].upper() + job.phase[1:]) or 'Starting'}…"
    share = job.done / job.total if job.total else 0.0
    left = ""
    spent = time.time() - job.phase_began
    if job.done and job.total > job.done and spent > 1:
        left = f" · about {_seconds(spent / job.done * (job.total - job.done))} left in this step"
    count = f" {job.done:,} of {job.total:,}" if job.total > 1 else ""
    with st.container(border=True):
        st.progress(min(share, 1.0), text=f"**{began}**{count}{left}")
        st.caption("You can close this page: the work goes on, and what is finished is kept.")
        if job.cancel:
            st.caption("Cancelling…")
        elif st.button("Cancel", icon=":material/stop_circle:"):
            cancel(space, job.id)


def _seconds(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
