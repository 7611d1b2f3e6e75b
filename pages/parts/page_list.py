"""All pages as listed in the sidebar: the steps with their marks, and other pages."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from celltransfer_core.studies import Mark, Step, Steps
from parts import text
from parts.navigation import main_button

MAIN_STEPS: Mapping[Step, str] = {
    "data": "Data",
    "matches": "Matches",
    "review": "Review",
    "export": "Export",
}
"""The user's steps in order; everything between them is computed."""

COMPUTED: Mapping[Step, str] = {
    "embeddings": "Embeddings",
    "clusters": "Clusters",
    "classify": "Classify",
}

_ICONS = {
    "done": ":material/check_circle:",
    "partly": ":material/clock_loader_40:",
    "open": ":material/radio_button_unchecked:",
    "stale": ":material/update:",
    "running": ":material/hourglass_top:",
    "failed": ":material/error:",
    "next": ":material/arrow_circle_right:",
}
_WORDS = {
    "done": "Done.",
    "partly": "Partly done.",
    "open": "Not done yet.",
    "stale": "Out of date: an earlier step has changed.",
    "running": "Running.",
    "failed": "Stopped by an error.",
    "next": "Next.",
}


def run_through(steps: Steps | None, *, labelled: bool) -> Any:
    """Declare all pages and return the requested one.

    ``labelled`` tells whether the query's types are known. A page that cannot be used yet is not
    listed; opened by its address, it says what it needs.
    """
    icon = ":material/{}:".format

    def page(name: str, title: str, mark: str, *, listed: bool = True, **more: Any) -> Any:
        seen = "visible" if listed else "hidden"
        return st.Page(f"{name}.py", title=title, icon=icon(mark), visibility=seen, **more)

    asked = urlsplit(st.context.url or "").path.rstrip("/").rpartition("/")[2]
    # The start page has no name in its address; addresses with one are redirected.
    apart = {"url_path": "home"} if asked == "start" else {}
    looked_at = [
        *(_step(one, heading, steps) for one, heading in COMPUTED.items()),
        page("cells", "Cells", "grid_view"),
        page("answers", "Answers", "rule"),
        page("evaluate", "Evaluate", "analytics", listed=labelled),
    ]
    return st.navigation(
        {
            "": [
                page("start", "Start", "home", default=True, **apart),
                page("studies", "Studies", "folder_open"),
                page("compare", "Compare", "compare_arrows", listed=asked == "compare"),
            ],
            "Steps": [
                _step(one, f"{number} · {heading}", steps)
                for number, (one, heading) in enumerate(MAIN_STEPS.items(), 1)
            ],
            "Views": looked_at,
            "More": [page("help", "Help", "help"), *_elsewhere(asked)],
        },
        expanded=True,
    )


def _step(step: Step, heading: str, steps: Steps | None) -> Any:
    """Declare the page of a step, with its mark and the mark's meaning."""
    mark = steps.marks[step] if steps else Mark()
    is_next = steps is not None and steps.next == step
    state = "next" if is_next and mark.state not in ("running", "failed", "done") else mark.state
    counted = f" · {mark.done} of {mark.of}" if mark.of and mark.state != "done" else ""
    return st.Page(
        f"{step}.py", title=f"{heading}{counted}", icon=_ICONS[state], help=_WORDS[state]
    )


def _elsewhere(asked: str) -> list[Any]:
    """Declare a page for an unknown address, to redirect to the start or to say so."""
    known = {
        *MAIN_STEPS,
        *COMPUTED,
        "",
        "studies",
        "compare",
        "cells",
        "answers",
        "evaluate",
        "help",
    }
    if asked in known:
        return []

    def show() -> None:
        if asked == "start":
            st.switch_page("start.py")
        st.title("Page not found")
        st.markdown(
            f"This app has no page **{text.plain(asked)}**. All pages are listed in the sidebar."
        )
        if main_button("Go to the start", icon=":material/home:"):
            st.switch_page("start.py")

    return [st.Page(show, title="Page not found", url_path=asked, visibility="hidden")]
