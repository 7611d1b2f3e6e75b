"""One query cell on the Cells page: its type, how sure it is, and its pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.framing import draw_cut
from celltransfer_core.people import Calibration, Review, calibrate, prediction_sets, random_sample
from celltransfer_core.pipeline import RunResult
from celltransfer_core.vocabulary import NONE_TYPE, QUERY
from parts import text
from parts.assets import component
from parts.deciders import show_deciders
from parts.here import Here
from parts.pictures import large_chip, picture_url

LARGE = 1024  # px


def show_cell(
    here: Here, run: RunResult, reviews: Sequence[Review], cell: int, shades: Mapping[str, str]
) -> None:
    """Show one cell and all that is known of it."""
    match = run.matches[run.clusters.labels[cell]]
    number = int(run.clusters.names[run.clusters.labels[cell]])
    large_chip(run.types[run.vote.winner[cell]], shades)
    flag = ":orange-badge[:material/flag: flagged] " if run.flagged[cell] else ""
    if match.matched_type == NONE_TYPE:
        matched = "which fits none of the types"
    else:
        sure = "confirmed" if match.confirmed else "proposed"
        matched = f"matched to {text.plain(match.matched_type)} ({sure})"
    found = calibrate(run.updated) if run.updated else None
    confidence, worth = run.vote.confidence[cell], "the mean probability that voters give it"
    if isinstance(found, Calibration):
        confidence = found.confidence[cell]
        worth = "how often such cells are right, as typed cells tell"
    else:
        worth += ", not calibrated"
    st.markdown(
        f"{flag}Agreement **{run.vote.agreement[cell]:.2f}**, confidence {confidence:.2f}. "
        f"Cluster {number}, {matched}.",
        help=f"Agreement: the share of the vote that this type won. Confidence: {worth}.",
    )
    show_deciders(run, cell)
    show_set(run, reviews, cell)
    show_picture(here, run, cell)


def show_set(run: RunResult, reviews: Sequence[Review], cell: int) -> None:
    """Tell which types cannot be ruled out, where the blind sample is large enough."""
    if run.updated is None:
        return
    drawn = random_sample(run.query.cells, reviews, seed=run.config.seed)
    sets = prediction_sets(run.updated, drawn)
    if len(sets.missing) == len(run.types):
        return
    held = text.listed(sets.of(cell, run.types)) or "none of them"
    unknown = text.listed(list(sets.missing))
    st.caption(
        f"Cannot be ruled out (right for {100 * sets.coverage:.0f} % of each type's cells): "
        f"**{held}**." + f" Too few blind answers to say of: {unknown}." * bool(unknown)
    )


def show_picture(here: Here, run: RunResult, cell: int) -> None:
    """Show a cell large: as the encoders see it, and its whole field in original colours."""
    crops = run.framing.crops[QUERY]
    sha = run.query.cells[cell]
    # A result from before the scale was known is shown with it all the same.
    known = crops.dataset.cell_scales[cell].um_per_px
    scale = known or here.workspace.sets(here.id, QUERY)[0].um_per_px or 0
    try:
        image, seen = crops.dataset.read(cell), crops[cell]
    except (CellTransferError, OSError):
        st.error("The image of this cell cannot be read any more.")
        return
    nucleus = crops.nuclei[cell] if crops.nuclei is not None else None
    field: dict[str, Any] = {
        "label": "Whole image, original colours",
        "url": picture_url(here, sha, LARGE),
        "um": max(image.shape) * scale,
    }
    if nucleus is not None:
        field = {
            "label": field["label"],
            "plain": field,
            "url": picture_url(here, sha, LARGE, outline=True),
            "um": max(draw_cut(image, nucleus).shape) * scale,
        }
    cut = {
        "label": "As the encoders see it",
        "url": picture_url(here, sha, LARGE, cut=True),
        "um": max(seen.shape) * scale,
    }
    component("cells", "viewer")(key="cells viewer", data={"views": [cut, field]})
    height, width = image.shape[:2]
    facts = [f"{width} x {height} px"]
    if nucleus is not None:
        extent = f"{nucleus.extent * scale:.1f} µm" if scale else f"{nucleus.extent:.0f} px"
        facts.append(f"nucleus {extent} across")
    if not scale:
        facts.append("no scale bar: say the µm per pixel on the Data page")
    st.caption("; ".join(facts) + ".")
