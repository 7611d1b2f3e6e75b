"""The expected accuracy: a sentence, a bar, and what to do if it is poor."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.outputs import describe_expected, describe_poor
from celltransfer_core.people import COVERED, WARNED_BELOW, Expected, Inference, Review
from celltransfer_core.pipeline import RunResult, expected_accuracy
from parts import text

NOTE = (
    "Learned from pairs of laboratories with known types: the share of cells that was typed "
    "correctly at the same level of agreement. The range is meant to contain the true value "
    "{covered} times in 100. Types that the reference lacks cannot be foreseen: their cells are "
    "not counted until answers name them. The dotted line is at {limit} %."
)


def show_expected(
    run: RunResult, reviews: Sequence[Review], inference: Inference | None = None
) -> None:
    """Show the expected accuracy, and warn if it is poor."""
    expected = expected_accuracy(run, reviews, inference=inference)
    if expected is None:
        return
    told = text.plain(describe_expected(expected))
    note = NOTE.format(covered=round(100 * COVERED), limit=round(100 * WARNED_BELOW))
    st.markdown(f":material/query_stats: {told}", help=note)
    st.html(bar_of(expected))
    if poor := describe_poor(expected):
        st.warning(text.plain(poor), icon=":material/warning:")


def bar_of(expected: Expected) -> str:
    """Draw the range on a scale from 0 to 100 %, with the best estimate and the warning limit."""
    low, value, high = (100 * one for one in (expected.low, expected.value, expected.high))
    label = f"From {low:.0f} to {high:.0f} %, best estimate {value:.0f} %"
    colour = "#c2410c" if expected.warns else "#0f766e"
    limit = 100 * WARNED_BELOW
    parts = (
        ("left:0;width:100%;top:7px;height:6px;border-radius:3px;background:#94a3b8;opacity:.4"),
        (
            f"left:{low:.1f}%;width:{max(high - low, 0.8):.1f}%;top:4px;height:12px;"
            f"border-radius:4px;background:{colour}"
        ),
        f"left:calc({value:.1f}% - 2px);width:4px;top:0;height:20px;background:currentColor",
        f"left:{limit:.0f}%;top:0;height:20px;border-left:2px dotted currentColor",
    )
    bars = "".join(f'<div style="position:absolute;{style}"></div>' for style in parts)
    scale = "".join(f"<span>{mark}</span>" for mark in ("0 %", "50 %", "100 %"))
    return (
        f'<div role="img" aria-label="{label}" style="max-width:36rem">'
        f'<div style="position:relative;height:20px">{bars}</div>'
        '<div style="display:flex;justify-content:space-between;font-size:.75rem">'
        f"{scale}</div></div>"
    )
