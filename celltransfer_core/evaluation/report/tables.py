"""An evaluation as tables, one per file; figures are in percent."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from celltransfer_core.evaluation.metrics import majority_types
from celltransfer_core.evaluation.result import Evaluation, Reading

if TYPE_CHECKING:
    import pandas as pd


def reader_table(reading: Reading) -> pd.DataFrame:
    """Tabulate figures of simulated readers by their number of answers.

    Parameters
    ----------
    reading : Reading

    Returns
    -------
    DataFrame
        order, answers, accuracy, balanced_accuracy, accuracy_untyped, balanced_accuracy_untyped.
        Types with fewer than six scored cells are left out.
    """
    import pandas as pd

    return pd.DataFrame([asdict(point) for point in reading.points])


def calibration_table(reading: Reading) -> pd.DataFrame:
    """Tabulate confidence and accuracy of cells that nobody typed, after the last answer.

    Parameters
    ----------
    reading : Reading

    Returns
    -------
    DataFrame
        calibrated, bin, cells, confidence, accuracy (percent).
    """
    import pandas as pd

    return pd.DataFrame(
        [
            (calibrated, place, int(cells), confidence, accuracy)
            for calibrated, found in ((True, reading.calibration), (False, reading.uncalibrated))
            for place, (cells, confidence, accuracy) in enumerate(
                zip(found.cells, found.confidence, found.accuracy, strict=True)
            )
        ],
        columns=["calibrated", "bin", "cells", "confidence", "accuracy"],
    )


def results_table(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate the figures of every method.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        First ``method, ot, filtering, accuracy, f1, balanced_accuracy``; then deviations over
        subsets, 95 % intervals, calibration error, the gain of the alignment over none and over
        centring with its p value, cells, and the recall of every type.
    """
    import pandas as pd

    gains = {(gain.method, gain.ot, gain.filtering, gain.base): gain for gain in evaluation.gains}
    types = sorted({name for row in evaluation.rows for name in row.recall})
    records = []
    for row in evaluation.rows:
        record: dict[str, Any] = {
            "method": row.method,
            "ot": row.ot,
            "filtering": row.filtering,
            "accuracy": row.accuracy,
            "f1": row.f1,
            "balanced_accuracy": row.balanced_accuracy,
            "accuracy_std": row.deviation[0],
            "f1_std": row.deviation[1],
            "balanced_accuracy_std": row.deviation[2],
            "accuracy_low": row.accuracy_interval[0],
            "accuracy_high": row.accuracy_interval[1],
            "balanced_accuracy_low": row.balanced_interval[0],
            "balanced_accuracy_high": row.balanced_interval[1],
            "calibration_error": row.calibration_error,
        }
        for base in ("none", "centre"):
            gain = gains.get((*row.key, base))
            record[f"gain_over_{base}"] = gain.accuracy if gain else np.nan
            record[f"f1_gain_over_{base}"] = gain.f1 if gain else np.nan
            record[f"balanced_gain_over_{base}"] = gain.balanced_accuracy if gain else np.nan
            record[f"p_over_{base}"] = gain.p if gain else np.nan
        record["cells"] = len(evaluation.scored)
        record |= {f"recall_{name}": row.recall.get(name, np.nan) for name in types}
        records.append(record)
    return pd.DataFrame(records)


def ensemble_predictions_table(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate the predictions of every ensemble for every cell, with its true type.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        ``file, true_type``, then a column for each ensemble, alignment and filtering.
    """
    import pandas as pd

    query = evaluation.prepared.query
    columns: dict[str, Any] = {"file": query.first_file, "true_type": evaluation.truth}
    for (method, ot, filtering), prediction in evaluation.predictions.items():
        if prediction.agreement is not None:
            columns[f"{method} {ot} {filtering}"] = prediction.predicted
    return pd.DataFrame(columns).sort_values("file", kind="stable")


def low_label_table(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate the low-label curve.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        ``cells`` per type (``all`` for the whole reference), then figures in percent.
    """
    import pandas as pd

    table = pd.DataFrame([asdict(point) for point in evaluation.low_label])
    if len(table):
        table["cells"] = [str(cells) if cells else "all" for cells in table["cells"]]
    return table


def identification_table(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate how well shared types were found (Tables 1 and 2).

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        One row per clustering method, before and after the t-SNE vote.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "clusters": one.clusters,
                "graph": one.graph,
                "correction": one.correction,
                "accuracy": one.found.accuracy,
                "global_accuracy": one.found.global_accuracy,
                "cluster_accuracy": one.found.cluster_accuracy,
                "found": ", ".join(one.found.predicted),
                "n_clusters": one.n_clusters,
            }
            for one in evaluation.identification
        ]
    )


class MatchedCluster(NamedTuple):
    """A cluster's matched type, and the type of most of its cells."""

    cluster: int
    cells: int
    matched_type: str
    score: float
    most_are: str
    """Type of most of its labelled cells; empty without any."""
    verdict: str
    """``right``, ``wrong``, or empty without labelled cells."""


def matched_clusters(evaluation: Evaluation) -> list[MatchedCluster]:
    """List each cluster's matched type and the type of most of its cells.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    list of MatchedCluster
        Empty if ``reader`` is the only filtering.
    """
    named = evaluation.named.get("true") or evaluation.named.get("false")
    if named is None:
        return []
    majority = majority_types(named.clusters.labels, evaluation.truth)
    return [
        MatchedCluster(
            int(number),
            match.cells,
            match.matched_type,
            match.score,
            truth,
            "" if not truth else ("right" if match.matched_type == truth else "wrong"),
        )
        for number, match, truth in zip(named.clusters.names, named.matches, majority, strict=True)
    ]


def curves_table(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate accuracy and errors caught by the share of cells kept.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    DataFrame
        By ensemble: share of the cells kept, their accuracy, errors caught among the others.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            dict(
                zip(
                    (
                        "method",
                        "ot",
                        "filtering",
                        "share_kept",
                        "accuracy_kept",
                        "share_reviewed",
                        "errors_caught",
                    ),
                    (*key, share, kept, 1 - share, caught),
                    strict=True,
                )
            )
            for key, curve in evaluation.curves.items()
            for share, kept, caught in zip(
                curve.share, curve.accuracy_kept, curve.errors_caught, strict=True
            )
        ]
    )
