"""One query cell on the Cells page: its type, confidence and pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from celltransfer_core.data import Dataset
from celltransfer_core.errors import CellTransferError
from celltransfer_core.framing import square
from celltransfer_core.people import Calibration, Review, calibrate, prediction_sets, random_sample
from celltransfer_core.pipeline import RunResult
from celltransfer_core.vocabulary import NONE_TYPE, QUERY
from parts import text
from parts.assets import component
from parts.colours_switch import original_colours
from parts.deciders import show_deciders
from parts.here import Here
from parts.pictures import large_chip, picture_url

LARGE = 2048  # px


def show_cell(
    here: Here, run: RunResult, reviews: Sequence[Review], cell: int, shades: Mapping[str, str]
) -> None:
    """Show one cell and everything known about it."""
    match = run.matches[run.clusters.labels[cell]]
    number = int(run.clusters.names[run.clusters.labels[cell]])
    large_chip(run.types[run.vote.winner[cell]], shades)
    show_picture(here, run, cell)
    flag = ":orange-badge[:material/flag: flagged] " if run.flagged[cell] else ""
    if match.matched_type == NONE_TYPE:
        matched = "which matches no type"
    else:
        sure = "confirmed" if match.confirmed else "proposed"
        matched = f"matched to {text.plain(match.matched_type)} ({sure})"
    found = calibrate(run.updated) if run.updated else None
    confidence, worth = (
        run.vote.confidence[cell],
        "the mean probability that the voters give this type",
    )
    if isinstance(found, Calibration):
        confidence = found.confidence[cell]
        worth = "how often such cells are right, estimated from the cells that readers typed"
    else:
        worth += ", not calibrated"
    st.markdown(
        f"{flag}Agreement **{run.vote.agreement[cell]:.2f}**, confidence {confidence:.2f}. "
        f"Cluster {number}, {matched}.",
        help=f"Agreement: the share of the vote that this type won. Confidence: {worth}.",
    )
    show_deciders(run, cell)
    show_set(run, reviews, cell)


def show_set(run: RunResult, reviews: Sequence[Review], cell: int) -> None:
    """Show which types cannot be ruled out, if the blind sample is large enough."""
    if run.updated is None:
        return
    drawn = random_sample(run.query.cells, reviews, seed=run.config.seed)
    sets = prediction_sets(run.updated, drawn)
    if len(sets.missing) == len(run.types):
        return
    held = text.listed(sets.of(cell, run.types)) or "none of them"
    unknown = text.listed(list(sets.missing))
    st.caption(
        "Types that cannot be ruled out (the set contains the right one for "
        f"{100 * sets.coverage:.0f} % of each type's cells): **{held}**."
        + f" Too few blind answers for: {unknown}."
        * bool(unknown)
    )


def show_picture(here: Here, run: RunResult, cell: int) -> None:
    """Show a cell enlarged, with its size."""
    show_views(here, run, cell)
    crops = run.framing.crops[QUERY]
    nucleus = crops.nuclei[cell] if crops.nuclei is not None else None
    um = _um_per_px(here, run, cell)
    facts = []
    if nucleus is not None:
        extent = f"{nucleus.extent * um:.1f} µm" if um else f"{nucleus.extent:.0f} px"
        facts.append(f"Nucleus diameter {extent}")
    if not um:
        facts.append("No scale bar: enter the µm per pixel on the Data page")
    if facts:
        st.caption("; ".join(facts) + ".")


def show_views(
    here: Here, run: RunResult, cell: int, coming: Sequence[int] = (), *, height: str = "420px"
) -> None:
    """Show a cell in original colours and as encoders see it; both zoom and pan together.

    The view in the colours that the reader chose for all pages comes first. If there is no room for
    both, only this one is shown until the reader switches. ``coming`` are cells whose pictures are
    loaded in advance. The total height is ``height``, a CSS length, so that nothing below moves.
    """
    crops = run.framing.crops[QUERY]
    try:
        high, wide = crops.dataset.read(cell).shape[:2]
    except (CellTransferError, OSError):
        st.error("The image of this cell can no longer be read.")
        return
    whole = field = (0, 0, wide, high)
    nucleus = crops.nuclei[cell] if crops.nuclei is not None else None
    if nucleus is not None:
        left, top, side = square(nucleus)
        field = (left, top, side, side)
    views = [
        {"label": "Original colours", "whole": True, "box": whole},
        {"label": "As the encoders see it", "whole": False, "box": field},
    ]
    if not (run.framing.framed or crops.colours):
        views.pop()
    elif not original_colours():
        views.reverse()
    component("cells", "viewer")(
        key="cells viewer",
        data={
            "cell": run.query.cells[cell],
            "views": [{**view, "url": _address(here, run, cell, view)} for view in views],
            "framed": nucleus is not None,
            "field": field,
            "all": _around(whole, field),
            "um": _um_per_px(here, run, cell),
            "height": height,
            "ahead": [_address(here, run, one, view) for one in coming for view in views],
        },
    )


def show_original(
    here: Here, cells: Dataset, cell: int, role: str, coming: Sequence[int], *, height: str
) -> None:
    """Show a cell that is not part of a run, in original colours; see :func:`show_views`."""
    try:
        high, wide = cells.read(cell).shape[:2]
    except (CellTransferError, OSError):
        st.error("The image of this cell can no longer be read.")
        return
    whole = (0, 0, wide, high)

    def address(one: int) -> str:
        return picture_url(here, cells.cells[one], LARGE, role)

    component("cells", "viewer")(
        key="cells viewer",
        data={
            "cell": cells.cells[cell],
            "views": [
                {"label": "Original colours", "whole": True, "box": whole, "url": address(cell)}
            ],
            "framed": False,
            "field": whole,
            "all": whole,
            "um": cells.cell_scales[cell].um_per_px or 0.0,
            "height": height,
            "ahead": [address(one) for one in coming],
        },
    )


def _address(here: Here, run: RunResult, cell: int, view: Mapping[str, Any]) -> str:
    seen = not view["whole"]
    return picture_url(here, run.query.cells[cell], LARGE, cut=seen, as_seen=seen)


def _around(*boxes: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the bounding box of boxes, each given by left, top, width and height."""
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


def _um_per_px(here: Here, run: RunResult, cell: int) -> float:
    """Return the size of a pixel; 0 if it is not known."""
    # A result from before the scale was known is also shown with the scale.
    known = run.framing.crops[QUERY].dataset.cell_scales[cell].um_per_px
    return known or here.workspace.sets(here.id, QUERY)[0].um_per_px or 0.0
