"""Tables of differential counts of slides: of a run and its answers, and of later batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.people.composition import ESTIMATED_FROM, Inference, with_counting
from celltransfer_core.people.counting import USUAL_COUNTS, count_limits
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.pipeline.typed_batch import TypedBatch
from celltransfer_core.types import Bools
from celltransfer_core.vocabulary import ARTEFACT, DISPUTED

if TYPE_CHECKING:
    import pandas as pd


def differential_table(
    result: RunResult, counted: Sequence[str] | None = None, inference: Inference | None = None
) -> pd.DataFrame:
    """Count the types on each slide.

    Parameters
    ----------
    result : RunResult
    counted : sequence of str, length m, optional
        Type to count each query cell as, such as ``final_types(…).final``; the predicted type by
        default. Artefacts are not counted; disputed cells have a separate row.
    inference : Inference, optional
        What the answers say about all cells; see
        :func:`celltransfer_core.pipeline.inferred.infer_run`.

    Returns
    -------
    DataFrame
        slide, patient, type, cells, percent, low, high: percent of the slide's cells with its 95 %
        Wilson interval, which covers counting error, not wrong types. Then drawn, the number of
        answered cells of the slide that were drawn at random; estimate, estimate_low,
        estimate_high: percent of the type as corrected by these answers, with the 95 % interval
        that covers counting and typing errors; count_100_low, count_100_high, and the same for 200:
        how many cells of the type a manual count of 100 or 200 cells may find (Rümke). The last
        seven are empty if fewer than :data:`ESTIMATED_FROM` cells of a slide were drawn. If no
        table names slides, there is one group with an empty slide.
    """
    import pandas as pd

    counted = result.predicted if counted is None else counted
    slide = result.query.cell_slides
    rows = [
        {**row, **_estimated(inference, row["type"], slide == row["slide"], total)}
        for row, total in _count(result.query, result.types, counted)
    ]
    return pd.DataFrame(rows, columns=[*_COUNTED, *_estimated(None, "", slide == "", 0)])


def batches_differential(batches: Mapping[str, TypedBatch]) -> pd.DataFrame:
    """Count the final types on each slide of cells that a classifier typed.

    Parameters
    ----------
    batches : mapping from name to TypedBatch
        In the order in which they were added.

    Returns
    -------
    DataFrame
        batch, slide, patient, type, cells, percent, low, high: percent of the slide's cells with
        its 95 % Wilson interval, which covers counting error, not wrong types. Then flagged: the
        number of these cells that need review. Artefacts are not counted.
    """
    import pandas as pd

    rows = []
    for name, batch in batches.items():
        final, slide, flagged = np.array(batch.final), batch.query.cell_slides, batch.flagged
        for row, _ in _count(batch.query, batch.types, batch.final):
            these = (final == row["type"]) & (slide == row["slide"])
            rows.append({"batch": name, **row, "flagged": int(flagged[these].sum())})
    return pd.DataFrame(rows, columns=["batch", *_COUNTED, "flagged"])


_COUNTED = ("slide", "patient", "type", "cells", "percent", "low", "high")


def _count(
    query: Dataset, types: Sequence[str], counted: Sequence[str]
) -> Iterator[tuple[dict[str, Any], int]]:
    """Count types by slide; yield each row, and the number of cells of its slide."""
    from scipy.stats import binomtest

    # Copies of an image count as one cell.
    first = np.unique(query.cell_index, return_index=True)[1]
    patient = np.array(query.patient or [""] * len(query.files))[first]
    slide, names = query.cell_slides, np.array(counted)
    real = names != ARTEFACT
    kinds = [*types, *sorted(set(names[real].tolist()) - set(types))]
    for name in np.unique(slide[real]).tolist():
        inside = real & (slide == name)
        total = int(inside.sum())
        patients = sorted(set(patient[inside].tolist()) - {""})
        for kind in kinds:
            count = int((names[inside] == kind).sum())
            interval = binomtest(count, total).proportion_ci(method="wilson")
            low, high = 100 * interval.low, 100 * interval.high
            values = (name, ";".join(patients), kind, count, 100 * count / total, low, high)
            yield dict(zip(_COUNTED, values, strict=True)), total


def _estimated(
    inference: Inference | None, kind: str, inside: Bools, cells: int
) -> dict[str, float]:
    """Estimate the share of a type on a slide with the given number of cells."""
    found = inference.of_type(kind, inside) if inference else None
    columns: dict[str, float] = {"drawn": found.draws if found else 0}
    known = bool(found and found.draws >= ESTIMATED_FROM and kind != DISPUTED)
    low, high = with_counting(found, cells) if found and known else (math.nan, math.nan)
    columns["estimate"] = 100 * found.value if found and known else math.nan
    columns |= {"estimate_low": 100 * low, "estimate_high": 100 * high}
    for count in USUAL_COUNTS:
        limits = count_limits(low, high, count) if known else (math.nan, math.nan)
        columns |= {f"count_{count}_low": limits[0], f"count_{count}_high": limits[1]}
    return columns


def with_estimates(table: pd.DataFrame) -> pd.DataFrame:
    """Replace counts with estimates where there are any, for plotting.

    Parameters
    ----------
    table : DataFrame
        From :func:`differential_table`.

    Returns
    -------
    DataFrame
        The same rows; percent, low and high are those of the estimate where it is known.
    """
    pairs = {"percent": "estimate", "low": "estimate_low", "high": "estimate_high"}
    return table.assign(**{old: table[new].fillna(table[old]) for old, new in pairs.items()})
