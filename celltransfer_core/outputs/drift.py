"""Drift of slides: as a table, as sentences, as parts of a report, and as a page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.about import RESEARCH_USE, __version__
from celltransfer_core.outputs.differential import batches_differential
from celltransfer_core.outputs.page import Page
from celltransfer_core.outputs.sentences import percent
from celltransfer_core.pipeline.slide_drift import LEAST_SLIDE, Figure, SlideDrift
from celltransfer_core.pipeline.typed_batch import TypedBatch
from celltransfer_core.plots.drift import between_slides_figure, drift_figure

if TYPE_CHECKING:
    import pandas as pd

ANEW: tuple[Figure, ...] = ("stain", "proportions")
"""If these have drifted, a study with transport to the new slides may be worthwhile."""

_SAID: Mapping[Figure, str] = {
    "stain": "the stain of the nuclei is {distance:.1f} standard deviations from that of "
    "{others} (usual: up to {limit:.1f})",
    "light": "the light is {distance:.1f} standard deviations from that of {others} "
    "(usual: up to {limit:.1f})",
    "proportions": "the proportions of the types differ by {share} of the cells (usual: up to "
    "{usual})",
    "unknown cells": "{share} more of the cells are unlike all types than among {others} "
    "(usual: up to {usual})",
}

OTHER_SLIDES = "the other slides"
"""What the slides of a query are compared with, for :func:`describe_drift`."""

NO_SLIDE_DIFFERS = "No slide differs from the others more than usual."

_OF_STUDY = (
    "Typed with the types learned from the study, without transport, and with the answers of "
    "readers on these cells, if there are any. These cells are not part of what was signed off."
)
_OF_RUN = "Typed with a trained classifier, without any confirmation and without transport."


def drift_table(batches: Mapping[str, TypedBatch]) -> pd.DataFrame:
    """Make the table of drift: one row per slide and figure.

    Parameters
    ----------
    batches : mapping from name to TypedBatch
        In the order in which they were added.

    Returns
    -------
    DataFrame
        batch, slide (empty for all cells of slides without a name or with few cells), figure,
        cells, distance, limit, drifted.
    """
    import pandas as pd

    rows = [
        (name, one.slide, one.figure, one.cells, one.distance, one.limit, one.drifted)
        for name, batch in batches.items()
        for one in batch.drift
    ]
    columns = ["batch", "slide", "figure", "cells", "distance", "limit", "drifted"]
    return pd.DataFrame(rows, columns=columns)


def describe_drift(drift: Sequence[SlideDrift], others: str = "the training cells") -> list[str]:
    """Describe which slides of a batch have drifted, and in which figures.

    Parameters
    ----------
    drift : sequence of SlideDrift
    others : str
        What the slides were compared with.

    Returns
    -------
    list of str
        One sentence per slide that has drifted; cells of small slides are taken together.
    """
    found: dict[str, list[str]] = {}
    for one in (one for one in drift if one.drifted):
        said = _SAID[one.figure].format(
            distance=one.distance,
            limit=one.limit,
            share=percent(one.distance),
            usual=percent(one.limit),
            others=others,
        )
        found.setdefault(one.slide, []).append(said)
    rest = "Other cells" if any(one.slide for one in drift) else "All cells"
    return [f"{slide or rest}: {'; '.join(said)}." for slide, said in found.items()]


def transport_pays(batch: TypedBatch) -> bool:
    """Return whether a batch has drifted so far that a study of its own may be worthwhile.

    Parameters
    ----------
    batch : TypedBatch

    Returns
    -------
    bool
        True if the stain or the proportions of a slide have drifted.
    """
    return any(one.drifted for one in batch.drift if one.figure in ANEW)


def drift_page(title: str, batches: Mapping[str, TypedBatch], *, of_study: bool = True) -> str:
    """Write a page about cells added later: the number of cells of each type, and drift.

    Parameters
    ----------
    title : str
        Title of the study.
    batches : mapping from name to TypedBatch
        At least one.
    of_study : bool
        Whether the cells are batches of a study; otherwise they were typed with the classifier of a
        run, and ``title`` is that of the page.

    Returns
    -------
    str
        HTML that loads no other files. The same batches give the same bytes.
    """
    page = Page({})
    page.add(f"<h1>{html.escape(title)}{': cells added later' if of_study else ''}</h1>")
    page.add(f"<p class=quiet>CellTransfer {__version__}</p>")
    page.text(_OF_STUDY if of_study else _OF_RUN)
    page.add(f"<p class=note><strong>{html.escape(RESEARCH_USE)}</strong></p>")
    page.heading("Cells of each type")
    _add_counts(page, batches, answers=of_study)
    page.heading("Drift")
    _add_drift(page, batches)
    return page.html(title)


def add_batches(page: Page, batches: Mapping[str, TypedBatch]) -> None:
    """Add a section on the batches of a study to its report.

    Parameters
    ----------
    page : Page
    batches : mapping from name to TypedBatch
        At least one.
    """
    page.heading("Cells added later")
    page.text(_OF_STUDY)
    _add_counts(page, batches)
    _add_drift(page, batches)


def add_between_slides(page: Page, drift: Sequence[SlideDrift]) -> None:
    """Add a section on the drift between the slides of a study's query to its report.

    Parameters
    ----------
    page : Page
    drift : sequence of SlideDrift
        From :func:`~celltransfer_core.pipeline.between_slides.drift_between_slides`.
    """
    page.heading("Drift between slides")
    page.text(
        f"Each slide of {LEAST_SLIDE} cells or more is compared with the other slides. Of slides "
        "that are like the others, 1 % exceed each limit by chance."
    )
    for said in describe_drift(drift, OTHER_SLIDES) or [NO_SLIDE_DIFFERS]:
        page.text(said)
    page.figure("between_slides_figure", between_slides_figure(drift))


def _add_counts(page: Page, batches: Mapping[str, TypedBatch], *, answers: bool = True) -> None:
    types = sorted({name for one in batches.values() for name in (*one.types, *one.final)})
    answered = ["answered"] if answers else []
    head = ["batch", "cells", *answered, *types, "flagged", "unlike all types"]
    rows = [_counted(name, one, types, answers=answers) for name, one in batches.items()]
    page.table(head, rows)
    counts = batches_differential(batches)
    if not (counts["slide"] != "").any():
        return
    page.text(
        "Percent of the cells of each slide, with the 95 % interval for counting error. It does "
        "not cover wrong types. Artefacts are not counted."
    )
    rows = []
    for (batch, slide), some in counts.groupby(["batch", "slide"], sort=False):
        said = {
            row.type: f"{row.percent:.0f}<br><small>{row.low:.0f}–{row.high:.0f}</small>"
            for row in some.itertuples()
        }
        names = [html.escape(str(one)) for one in (batch, slide or "other cells")]
        rows.append([*names, f"{some['cells'].sum():,}", *(said.get(one, "") for one in types)])
    page.table(["batch", "slide", "cells", *types], rows)


def _add_drift(page: Page, batches: Mapping[str, TypedBatch]) -> None:
    said = [
        f"{name}: {one}" for name, batch in batches.items() for one in describe_drift(batch.drift)
    ]
    for one in said or ["No slide differs from the training cells more than usual."]:
        page.text(one)
    page.figure("drift_figure", drift_figure({name: b.drift for name, b in batches.items()}))


def _counted(name: str, batch: TypedBatch, types: Sequence[str], *, answers: bool) -> list[str]:
    counts = [int(np.sum(np.array(batch.final) == one)) for one in types]
    answered = [int(batch.answered.sum())] if answers else []
    flags = [int(batch.flagged.sum()), int(batch.unknown.sum())]
    numbers = [batch.query.n_cells, *answered, *counts, *flags]
    return [html.escape(name), *(f"{number:,}" for number in numbers)]
