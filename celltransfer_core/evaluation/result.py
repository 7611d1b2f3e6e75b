"""Results of measurements on a pair of sets (5): predictions, figures, gains, curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from celltransfer_core.evaluation.metrics import Curve, Identified, Reliability
from celltransfer_core.evaluation.protocol import Protocol
from celltransfer_core.pipeline.result import Named, Prepared
from celltransfer_core.types import Bools, Float64, Ints, Labels


@dataclass(frozen=True)
class Prediction:
    """Types that one method gives to the query cells, without having seen their labels."""

    method: str
    ot: str
    filtering: str
    predicted: Labels
    """Shape (m,); empty for cells of no subset."""
    agreement: Float64 | None = None
    """Agreement of an ensemble, shape (m,)."""
    confidence: Float64 | None = None
    """Confidence of an ensemble, shape (m,)."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Method, alignment and filtering."""
        return self.method, self.ot, self.filtering


@dataclass(frozen=True)
class Row:
    """Figures of one method, in percent."""

    method: str
    ot: str
    filtering: str
    accuracy: float
    f1: float
    balanced_accuracy: float
    deviation: tuple[float, float, float]
    """Standard deviations of the three figures over the parts."""
    accuracy_interval: tuple[float, float]
    balanced_interval: tuple[float, float]
    recall: Mapping[str, float]
    calibration_error: float
    """Calibration error of an ensemble's confidence; NaN for others."""
    of_part: tuple[float, ...]
    """Accuracy of each part."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Method, alignment and filtering."""
        return self.method, self.ot, self.filtering


@dataclass(frozen=True)
class Gain:
    """Gain of an alignment over a simpler one, in percentage points."""

    method: str
    ot: str
    filtering: str
    base: str
    """The simpler alignment: ``none`` or ``centre``."""
    accuracy: float
    f1: float
    balanced_accuracy: float
    p: float
    """P value of Wilcoxon's test on the parts' accuracies, Holm-corrected over the methods."""


@dataclass(frozen=True)
class Identification:
    """Shared types found with one way of clustering (5.1)."""

    clusters: str
    """``mixture``, ``louvain`` or ``node-degree``."""
    graph: str
    """``geodesic`` (eq. 7) or ``knn`` (A.1's ablation)."""
    correction: bool
    """Whether the t-SNE vote decided the type of each cluster."""
    found: Identified
    n_clusters: int
    """Number of clusters in all subsets together."""


@dataclass(frozen=True)
class LowLabel:
    """Figures with few labelled reference cells, means over the repeats, in percent."""

    cells: int
    """Cells per type; 0 stands for all."""
    ot: str
    filtering: str
    accuracy: float
    balanced_accuracy: float
    deviation: float
    """Standard deviation of the accuracy over the repeats."""


AskingOrder = Literal["queue", "margin", "random"]
ASKING_ORDERS: tuple[AskingOrder, ...] = get_args(AskingOrder)


@dataclass(frozen=True)
class Point:
    """Figures after a number of answers, means over the repeats, in percent."""

    order: AskingOrder
    answers: int
    """Number of answered cells; 0 when only clusters are confirmed."""
    accuracy: float
    """Accuracy on all cells; cells that the reader typed count with the reader's type."""
    balanced_accuracy: float
    accuracy_untyped: float
    """Accuracy of the vote on the cells that nobody typed."""
    balanced_accuracy_untyped: float
    accuracy_vote: float = math.nan
    """Accuracy of the vote on all cells; a cell's own answer does not enter its vote."""
    estimated_accuracy: float = math.nan
    """The same, estimated only from answers on drawn cells; NaN if there are too few."""
    estimated_low: float = math.nan
    estimated_high: float = math.nan
    """Its 95 % interval."""
    interval_holds: float = math.nan
    """Percent of the repeats whose interval contains the true accuracy of the vote."""
    flagged: float = math.nan
    """Flagged share of the cells that nobody typed, in percent."""
    errors_caught: float = math.nan
    """Percent of the wrong cells among them that are flagged; NaN if none is wrong."""
    errors_unflagged: float = math.nan
    """Percent of wrong cells among the unflagged cells that nobody typed."""
    expected_errors: float = math.nan
    """The same, as estimated without knowing the true types."""
    expected_low: float = math.nan
    expected_high: float = math.nan
    """Its 95 % interval."""
    errors_within: float = math.nan
    """Percent of the repeats whose interval contains the true number."""


@dataclass(frozen=True)
class Reading:
    """The effect of simulated readers' answers."""

    points: tuple[Point, ...]
    errors: float
    repeats: int
    calibration: Reliability
    """Reliability of calibrated confidence on cells that nobody typed.

    Measured after the last answer of the queue, pooled over the repeats.
    """
    uncalibrated: Reliability
    """Reliability of the same cells' confidence before calibration."""


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured on a pair of sets."""

    prepared: Prepared
    protocol: Protocol
    named: Mapping[str, Named]
    """Clusters and their types, by filtering."""
    truth: Labels
    """True types, shape (m,); empty if a cell does not count."""
    scored: Ints
    """Cells that figures are computed on."""
    own_parts: bool
    """Whether every part has separate transports; if not, all share those of the whole query."""
    predictions: Mapping[tuple[str, str, str], Prediction]
    rows: tuple[Row, ...]
    gains: tuple[Gain, ...]
    identification: tuple[Identification, ...]
    low_label: tuple[LowLabel, ...]
    curves: Mapping[tuple[str, str, str], Curve]
    """Curves of the ensembles, by method, alignment and filtering."""
    reliability: Mapping[tuple[str, str, str], Reliability]
    notes: tuple[str, ...]
    """Notes that are needed to interpret the figures."""
    neighbours: Mapping[tuple[str, str], Ints] = field(default_factory=dict)
    """Nearest reference cells of each query cell over all voters, by alignment and filtering.

    Shape (m, 5); −1 if there are fewer.
    """
    reading: Reading | None = None
    """The effect of a reader's answers, if readers were simulated."""
    leaked: Bools | None = None
    """Query cells that are also in the reference and therefore not scored, shape (m,)."""
