"""How things are put into words: names, sizes, times, how far a study is and what comes next."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import common
import streamlit as st

from celltransfer_core.pipeline import RunResult
from celltransfer_core.studies import Study, current_job, processes

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")

_STEPS = {
    "embed": ("embeddings", "Let the encoders look at the cells"),
    "clusters": ("clusters", "Find clusters of cells that look alike"),
    "matches": ("matches", "Match the clusters to types"),
    "classify": ("classify", "Type every cell"),
}


class NextStep(NamedTuple):
    """What a study waits for."""

    page: str
    says: str
    state: str
    """How far the study is, in a few words."""


def plain(text: str) -> str:
    """Escape a text that somebody typed, so that Markdown shows it as it is."""
    return _MARKS.sub(r"\\\1", text)


def size(count: float) -> str:
    """Write a number of bytes."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def count(number: int, what: str) -> str:
    """Write a number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def may_be_slips(clusters: Sequence[str]) -> str:
    """Tell which clusters' names are to be looked at again."""
    named = ", ".join(clusters)
    if len(clusters) > 1:
        return f"the names of clusters {named}: they may be slips"
    return f"the name of cluster {named}: it may be a slip"


KINDS = {
    "ensemble": "the encoders",
    "cluster": "its cluster's confirmed type",
    "neighbours": "neighbours in confirmed clusters",
    "discriminant": "what tells the types apart in this set",
    "typed": "cells that people typed",
}


def who_decided(run: RunResult, cell: int) -> None:
    """Tell whose words made a cell's type, and how far it is from all that people named."""
    if run.taught is None:
        return
    shares = dict(zip(KINDS, run.taught.say[cell].tolist(), strict=True))
    told = ", ".join(
        f"{100 * share:.0f} % {KINDS[kind]}"
        for kind, share in sorted(shares.items(), key=lambda item: -item[1])
        if share >= 0.005
    )
    st.caption(f"Who decided: {told}.")
    distance = run.taught.distance[cell]
    if run.taught.unknown[cell]:
        st.markdown(
            f":red-badge[:material/help: unlike everything named] Its nearest named cell is "
            f"{distance:.1f} times as far as neighbours usually are; it is said from "
            f"{run.taught.unknown_above:.1f} on. Is it a type that is not here?"
        )


def when(time: str) -> str:
    """Write a time as the reader's own clock shows it."""
    moment = dt.datetime.fromisoformat(time)
    zone = st.context.timezone
    return f"{moment.astimezone(ZoneInfo(zone) if zone else None):%Y-%m-%d %H:%M}"


def next_step(study: Study) -> NextStep:
    """Say how far a study is and what comes next."""
    space = common.workspace()
    states = processes.states(space, study.id)
    if study.signed:
        return NextStep("export", "Take the table away", f"signed off by {study.signed_by}")
    if "waiting" in states.values():
        return NextStep("data", "Add a reference and a query", "waits for images")
    job = current_job(space, study.id)
    for stage, (page, says) in _STEPS.items():
        if states[stage] == "done":
            continue
        if states[stage] == "running":
            return NextStep(page, says, "at work")
        if job and job.state == "failed":
            return NextStep(page, says, "stopped at an error")
        changed = "settings changed, to be computed again" if states[stage] == "stale" else ""
        return NextStep(page, says, changed or f"next: {says[:1].lower()}{says[1:]}")
    if not space.decisions(study.id, "match"):
        return NextStep("matches", "Confirm what the clusters are", "typed, no match confirmed")
    reviewed = len({d.payload.get("cell") for d in space.decisions(study.id, "review")})
    return NextStep("review", "Review the doubtful cells", f"typed, {reviewed:,} cells reviewed")


def go(page: str, study: str | None = None) -> None:
    """Go to a page, and to a study if one is given."""
    if study is not None:
        st.session_state["study"] = study
        st.query_params["study"] = study
    st.switch_page(common.PAGES[page])


def begin(name: str) -> None:
    """Begin a study and go to where its images are added."""
    go("data", common.workspace().create(name).id)


def following(page: str, label: str) -> None:
    """Lead on to the next step, at a page's end."""
    st.divider()
    if st.button(label, type="primary", icon=":material/arrow_forward:", key="following"):
        go(page)
