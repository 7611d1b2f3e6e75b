"""Tables of a run: predictions, answers, clusters, matches, and differential counts of slides.

A :class:`celltransfer_core.pipeline.result.RunResult` goes in, with the readers' answers where
they count; a DataFrame comes out, one row a file, answer, cluster, or slide and type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.classify.voting import cell_weights
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.neighbors.knn import normalized_entropy
from celltransfer_core.people.calibration import Calibration, calibrate, prediction_sets
from celltransfer_core.people.queue import random_sample
from celltransfer_core.people.reviews import Review, final_types
from celltransfer_core.people.updated import KINDS, UpdatedVote
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.types import Float64, Ints
from celltransfer_core.vocabulary import ARTEFACT, QUERY

if TYPE_CHECKING:
    import pandas as pd


def predictions_table(result: RunResult) -> pd.DataFrame:
    """Make the table of predictions: one row a file of the query.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        file, predicted_type, agreement, confidence, flagged, cluster, matched_type; then sha256,
        slide, patient, framed, nucleus_extent (in µm where the pixel size of every reference and
        query cell is known, else in px), one column ``vote:VOTER`` a voter and one ``share:TYPE``
        a type with its part of the vote: the mean of the voters' probabilities by their weights in
        the cell. Shares sum to one over the types, and that of predicted_type is its confidence.
        It is the largest but where the type that the voters name first is another than the
        likeliest on average.

        Where the vote was updated with answers, ensemble_type is the type before; say:ensemble,
        say:cluster, say:neighbours, say:discriminant and say:typed are the weights of the voters
        in each cell, :attr:`UpdatedVote.cell_weights`; distance is that to the nearest annotated
        cell, and unknown marks cells far from all of them; calibrated_confidence is empty as long
        as too few cells are typed, see :func:`celltransfer_core.people.calibration.calibrate`.
    """
    import pandas as pd

    query = result.query
    cell = query.cell_index
    crops = result.framing.crops[QUERY]
    framed = result.framing.framed
    names = np.array(result.types)
    updated = result.updated
    columns: dict[str, object] = {
        "file": query.files,
        "predicted_type": names[result.vote.winner][cell],
        "agreement": result.vote.agreement[cell],
        "confidence": result.vote.confidence[cell],
        "flagged": result.flagged[cell],
        "cluster": result.clusters.names[result.clusters.labels][cell],
        "matched_type": np.array(result.matched)[cell],
        "sha256": query.sha256,
        "slide": query.slide or "",
        "patient": query.patient or "",
        "framed": (
            result.framing.nuclei[QUERY].found[cell] if framed else np.zeros(len(cell), dtype=bool)
        ),
        "nucleus_extent": crops.extents[cell],
    }
    voters = [voter.name for voter in result.voters] + ([*KINDS[1:]] if updated else [])
    for name, choices in zip(voters, result.vote.choices, strict=True):
        columns[f"vote:{name}"] = names[choices][cell]
    shares = updated.probabilities if updated else _ensemble_shares(result)
    for number, name in enumerate(result.types):
        columns[f"share:{name}"] = shares[cell, number]
    if updated:
        columns |= _update_columns(updated, cell)
    return pd.DataFrame(columns).sort_values("file", ignore_index=True)


def _ensemble_shares(result: RunResult) -> Float64:
    """Compute the mean of the voters' probabilities as they count in the vote, shape (m, T)."""
    weights = np.array([voter.weight for voter in result.voters])
    probabilities = np.stack([voter.probabilities for voter in result.voters])
    counted = cell_weights(weights, 1 - normalized_entropy(probabilities))
    return np.einsum("vn,vnt->nt", counted, probabilities)


def _update_columns(updated: UpdatedVote, cell: Ints) -> dict[str, object]:
    """Make the columns that only an updated vote has; ``cell`` is the cell of each file."""
    found = calibrate(updated)
    names = np.array(updated.types)
    return {
        "ensemble_type": names[updated.ensemble.winner][cell],
        **{f"say:{kind}": updated.cell_weights[cell, number] for number, kind in enumerate(KINDS)},
        "distance": updated.distance[cell],
        "unknown": updated.unknown[cell],
        "calibrated_confidence": (
            found.confidence[cell] if isinstance(found, Calibration) else np.nan
        ),
    }


def reviewed_table(result: RunResult, reviews: Sequence[Review]) -> pd.DataFrame:
    """Make the table of predictions and answers: one row a file of the query.

    Parameters
    ----------
    result : RunResult
    reviews : sequence of Review
        In the order they were made.

    Returns
    -------
    DataFrame
        The columns of :func:`predictions_table` as they are; then reviewed_type (empty where
        nobody answered), final_type, reviewed_by and reviewed_at, see
        :func:`celltransfer_core.people.reviews.final_types`. Where the vote was updated with
        answers, not_ruled_out has the types of the prediction set, joined by ``|``, see
        :func:`celltransfer_core.people.calibration.prediction_sets`; types with too few cells in
        the random sample are always among them.
    """
    table = predictions_table(result)
    final = final_types(result.query.cells, result.predicted, reviews)
    cell = np.searchsorted(result.query.cells, table["sha256"].tolist())
    table["reviewed_type"] = final.reviewed[cell]
    table["final_type"] = final.final[cell]
    table["reviewed_by"] = final.reader[cell]
    table["reviewed_at"] = final.time[cell]
    if result.updated:
        drawn = random_sample(result.query.cells, reviews, seed=result.config.seed)
        sets = prediction_sets(result.updated, drawn)
        left = ["|".join(compress(result.types, held)) for held in sets.holds.tolist()]
        table["not_ruled_out"] = np.array(left)[cell]
    return table


def reviews_table(query: Dataset, reviews: Sequence[Review]) -> pd.DataFrame:
    """List every answer of every reader, also those that were changed later.

    Parameters
    ----------
    query : Dataset
    reviews : sequence of Review

    Returns
    -------
    DataFrame
        file, sha256, type, reader, time, blind; the oldest first. Answers on cells that are no
        longer there are left out.
    """
    import pandas as pd

    files = dict(zip(query.cells, query.first_file, strict=True))
    rows = [
        (files[r.cell], r.cell, r.answer, r.reader, r.time, r.blind)
        for r in reviews
        if r.cell in files
    ]
    return pd.DataFrame(rows, columns=["file", "sha256", "type", "reader", "time", "blind"])


def clusters_table(result: RunResult) -> pd.DataFrame:
    """Make the table of clusters: one row a file of the query.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        file, cluster, centrality.
    """
    import pandas as pd

    cell = result.query.cell_index
    clusters = result.clusters
    return pd.DataFrame(
        {
            "file": result.query.files,
            "cluster": clusters.names[clusters.labels][cell],
            "centrality": clusters.centrality[cell],
        }
    ).sort_values("file", ignore_index=True)


def matches_table(result: RunResult) -> pd.DataFrame:
    """Make the table of matches: one row a cluster.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        cluster, cells, matched_type, score, runner_up, runner_up_score, tsne_type, reason,
        confirmed, by. Change matched_type (a type, or "none"), set confirmed to true, and hand
        the file back with ``--matches``.
    """
    import pandas as pd

    table = pd.DataFrame([asdict(match) for match in result.matches])
    table["cluster"] = result.clusters.names
    table["confirmed"] = table["confirmed"].map({True: "true", False: "false"})
    return table


def differential_table(result: RunResult, counted: Sequence[str] | None = None) -> pd.DataFrame:
    """Count the types on every slide.

    Parameters
    ----------
    result : RunResult
    counted : sequence of str, length m, optional
        Type to count each query cell as, such as ``final_types(…).final``; the predicted type by
        default. Artefacts are no cells and not counted; disputed cells have a row of their own.

    Returns
    -------
    DataFrame
        slide, patient, type, cells, percent, low, high: percent of the slide's cells with its 95 %
        Wilson interval, which covers chance in counting, not wrong types. One group with an empty
        slide where no table names slides.
    """
    import pandas as pd
    from scipy.stats import binomtest

    query = result.query
    # Copies of an image are one cell.
    first = np.unique(query.cell_index, return_index=True)[1]
    slide = np.array(query.slide or [""] * len(query.files))[first]
    patient = np.array(query.patient or [""] * len(query.files))[first]
    types = np.array(result.predicted if counted is None else counted)
    real = types != ARTEFACT
    kinds = [*result.types, *sorted(set(types[real].tolist()) - set(result.types))]
    rows = []
    for name in np.unique(slide[real]):
        inside = real & (slide == name)
        total = int(inside.sum())
        patients = sorted(set(patient[inside].tolist()) - {""})
        for kind in kinds:
            count = int((types[inside] == kind).sum())
            interval = binomtest(count, total).proportion_ci(method="wilson")
            rows.append(
                {
                    "slide": name,
                    "patient": ";".join(patients),
                    "type": kind,
                    "cells": count,
                    "percent": 100 * count / total,
                    "low": 100 * interval.low,
                    "high": 100 * interval.high,
                }
            )
    columns = ["slide", "patient", "type", "cells", "percent", "low", "high"]
    return pd.DataFrame(rows, columns=columns)
