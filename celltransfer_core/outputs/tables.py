"""Tables of a run: predictions, answers, clusters, matches, and differential counts of slides.

Turns a :class:`celltransfer_core.pipeline.result.RunResult`, with the readers' answers where
needed, into a DataFrame with one row per file, answer, cluster, or slide and type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.people.calibration import Calibration, calibrate, prediction_sets
from celltransfer_core.people.queue import random_sample
from celltransfer_core.people.reviews import Review, final_types
from celltransfer_core.people.updated import KINDS, UpdatedVote
from celltransfer_core.pipeline.contents import cluster_hashes
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.types import Ints
from celltransfer_core.vocabulary import QUERY

if TYPE_CHECKING:
    import pandas as pd

TAKEN_FIRST = ("file", "final_type", "decided_by", "confidence", "flagged")
"""The first columns of a study's table of cells, those that users need most."""

BY_PREDICTION = "prediction"
"""Value of decided_by if no reader decided a cell's final type."""


def predictions_table(result: RunResult) -> pd.DataFrame:
    """Make the table of predictions: one row per file of the query.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        file, predicted_type, agreement, confidence, flagged, cluster, matched_type; then sha256,
        slide, patient, framed, nucleus_extent (in µm where the pixel size of every reference and
        query cell is known, else in px), one column ``vote:VOTER`` per voter and one ``share:TYPE``
        per type with its share of the vote: the mean of the voters' probabilities, weighted by
        their weights in the cell. Shares sum to one over the types, and that of predicted_type is
        its confidence. It is the largest unless the type that most votes name differs from the
        likeliest on average.

        Where the vote was updated with answers, ensemble_type is the type before; say:ensemble,
        say:cluster, say:neighbours, say:discriminant and say:typed are the weights of the voters in
        each cell, :attr:`UpdatedVote.cell_weights`; distance is the distance to the nearest
        annotated cell, and unknown marks cells far from all of them; calibrated_confidence is empty
        while too few cells are typed; see :func:`celltransfer_core.people.calibration.calibrate`.
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
    shares = result.probabilities
    for number, name in enumerate(result.types):
        columns[f"share:{name}"] = shares[cell, number]
    if updated:
        columns |= _update_columns(updated, cell)
    for name, shown in result.to_show.items():
        columns[f"may_be:{name}"] = shown[cell]
    return pd.DataFrame(columns).sort_values("file", ignore_index=True)


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
    """Make the table of predictions and answers: one row per file of the query.

    Parameters
    ----------
    result : RunResult
    reviews : sequence of Review
        In the order they were made.

    Returns
    -------
    DataFrame
        The columns of :func:`predictions_table`; then reviewed_type (empty where nobody answered),
        final_type, reviewed_by and reviewed_at; see
        :func:`celltransfer_core.people.reviews.final_types`, and decided_by: the readers whose
        answers make the final type, :data:`BY_PREDICTION` if it is the prediction, or empty if
        readers dispute it. Where the vote was updated with answers, not_ruled_out has the types of
        the prediction set, joined by ``|``; see
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
    table["decided_by"] = final.deciders(BY_PREDICTION)[cell]
    if result.updated:
        drawn = random_sample(result.query.cells, reviews, seed=result.config.seed)
        sets = prediction_sets(result.updated, drawn)
        left = ["|".join(compress(result.types, held)) for held in sets.holds.tolist()]
        table["not_ruled_out"] = np.array(left)[cell]
    return table


def cells_table(result: RunResult, reviews: Sequence[Review]) -> pd.DataFrame:
    """Make the table of typed cells for download: one row per file of the query.

    Parameters
    ----------
    result : RunResult
    reviews : sequence of Review
        In the order they were made.

    Returns
    -------
    DataFrame
        All columns of :func:`reviewed_table`, with :data:`TAKEN_FIRST` before the others.
    """
    table = reviewed_table(result, reviews)
    return table[[*TAKEN_FIRST, *(name for name in table if name not in TAKEN_FIRST)]]


def reviews_table(query: Dataset, reviews: Sequence[Review]) -> pd.DataFrame:
    """List every answer of every reader, including those that were changed later.

    Parameters
    ----------
    query : Dataset
    reviews : sequence of Review

    Returns
    -------
    DataFrame
        file, sha256, type, reader, time, blind, chance (the probability with which the queue drew
        the cell, empty if it was chosen in another way), and the source of imported answers; the
        oldest first. Answers on cells that no longer exist are left out.
    """
    import pandas as pd

    files = dict(zip(query.cells, query.first_file, strict=True))
    rows = [
        (files[r.cell], r.cell, r.answer, r.reader, r.time, r.blind, _chance(r), r.source)
        for r in reviews
        if r.cell in files
    ]
    columns = ["file", "sha256", "type", "reader", "time", "blind", "chance", "source"]
    table = pd.DataFrame(rows, columns=columns)
    return table if any(r.source for r in reviews) else table.drop(columns="source")


def _chance(review: Review) -> str:
    # Kept as text: six decimals are too few when one of many cells is drawn.
    return "" if review.chance is None else f"{review.chance:.6g}"


def clusters_table(result: RunResult) -> pd.DataFrame:
    """Make the table of clusters: one row per file of the query.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        file, cluster, centrality, and sha256 of the image, so that a replaced image is noticed.
    """
    import pandas as pd

    cell = result.query.cell_index
    clusters = result.clusters
    return pd.DataFrame(
        {
            "file": result.query.files,
            "cluster": clusters.names[clusters.labels][cell],
            "centrality": clusters.centrality[cell],
            "sha256": result.query.sha256,
        }
    ).sort_values("file", ignore_index=True)


def matches_table(result: RunResult) -> pd.DataFrame:
    """Make the table of matches: one row per cluster.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        cluster, cells, matched_type, score, runner_up, runner_up_score, tsne_type, reason,
        confirmed, by, and sha256 of the cluster's cells; see
        :func:`celltransfer_core.pipeline.contents.cluster_hashes`. A score is the share of votes
        that the cluster gives to the type, or p of A.2 if ``config.naming`` is ``"scores"``. Change
        matched_type (a type, or "none"), set confirmed to true, and pass the file to ``--matches``.
    """
    import pandas as pd

    table = pd.DataFrame([asdict(match) for match in result.matches])
    table["cluster"] = result.clusters.names
    table["sha256"] = cluster_hashes(result.clusters, result.query.cells)
    return table
