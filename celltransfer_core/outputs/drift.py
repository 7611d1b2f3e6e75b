"""Drift of the slides that came after a study: as a table, as sentences, and as a page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.about import RESEARCH_USE, __version__
from celltransfer_core.outputs.page import Page
from celltransfer_core.pipeline.slide_drift import Figure, SlideDrift
from celltransfer_core.pipeline.typed_batch import TypedBatch
from celltransfer_core.plots.colours import type_colours
from celltransfer_core.plots.drift import drift_figure

if TYPE_CHECKING:
    import pandas as pd

ANEW: tuple[Figure, ...] = ("stain", "proportions")
"""Where these have drifted, a transport of the new slides themselves may pay."""

_SAID: Mapping[Figure, str] = {
    "stain": "the stain of the nuclei is {distance:.1f} standard deviations from what was taught "
    "(usual: up to {limit:.1f})",
    "light": "the light is {distance:.1f} standard deviations from what was taught (usual: up to "
    "{limit:.1f})",
    "proportions": "{distance:.0%} of the cells are of other types than was usual (up to "
    "{limit:.0%})",
    "unknown cells": "{distance:.0%} more cells are unlike all types than was usual (up to "
    "{limit:.0%})",
}


def drift_table(batches: Mapping[str, TypedBatch]) -> pd.DataFrame:
    """Make the table of drift: one row a slide and figure.

    Parameters
    ----------
    batches : mapping from name to TypedBatch
        In the order in which they came.

    Returns
    -------
    DataFrame
        batch, slide (empty for all cells whose slide has no name, or few cells), figure, cells,
        distance, limit, drifted.
    """
    import pandas as pd

    rows = [
        (name, one.slide, one.figure, one.cells, one.distance, one.limit, one.drifted)
        for name, batch in batches.items()
        for one in batch.drift
    ]
    columns = ["batch", "slide", "figure", "cells", "distance", "limit", "drifted"]
    return pd.DataFrame(rows, columns=columns)


def describe_drift(drift: Sequence[SlideDrift]) -> list[str]:
    """Say which slides of a batch have drifted, and in what.

    Parameters
    ----------
    drift : sequence of SlideDrift

    Returns
    -------
    list of str
        A sentence a slide; none for slides that are as usual.
    """
    found: dict[str, list[str]] = {}
    for one in (one for one in drift if one.drifted):
        said = _SAID[one.figure].format(distance=one.distance, limit=one.limit)
        found.setdefault(one.slide, []).append(said)
    return [f"{slide or 'All cells'}: {'; '.join(said)}." for slide, said in found.items()]


def transport_pays(batch: TypedBatch) -> bool:
    """Tell whether a batch has drifted so that it deserves a study of its own.

    Parameters
    ----------
    batch : TypedBatch

    Returns
    -------
    bool
        Whether stain or proportions of a slide have.
    """
    return any(one.drifted for one in batch.drift if one.figure in ANEW)


def drift_page(title: str, batches: Mapping[str, TypedBatch]) -> str:
    """Write a page of the cells that came after a study: how many of each type, and the drift.

    Parameters
    ----------
    title : str
        Of the study.
    batches : mapping from name to TypedBatch
        One at least.

    Returns
    -------
    str
        HTML that loads nothing. The same batches give the same bytes.
    """
    types = sorted({name for one in batches.values() for name in one.types})
    page = Page(type_colours(types))
    page.add(f"<h1>{html.escape(title)}: cells added since</h1>")
    page.add(f"<p class=quiet>CellTransfer {__version__}</p>")
    page.text(
        "Typed by what the study had taught, without a word and without a transport. They are no "
        "part of what was signed off."
    )
    page.add(f"<p class=note><strong>{html.escape(RESEARCH_USE)}</strong></p>")
    page.heading("Cells of each type")
    head = ["batch", "cells", *types, "flagged", "unknown"]
    page.table(head, [_counted(name, one, types) for name, one in batches.items()])
    page.heading("Drift")
    said = [
        f"{name}: {one}" for name, batch in batches.items() for one in describe_drift(batch.drift)
    ]
    for one in said or ["No slide lies farther from what was taught than is usual."]:
        page.text(one)
    page.figure("drift_figure", drift_figure({name: b.drift for name, b in batches.items()}))
    return page.html(title)


def _counted(name: str, batch: TypedBatch, types: Sequence[str]) -> list[str]:
    counts = [int(np.sum(np.array(batch.predicted) == one)) for one in types]
    numbers = [batch.query.n_cells, *counts, int(batch.flagged.sum()), int(batch.unknown.sum())]
    return [html.escape(name), *(f"{number:,}" for number in numbers)]
