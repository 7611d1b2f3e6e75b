"""Filters and sort orders of query cells, from the known properties of each cell.

Known types of the query take no part: a filter never reveals what only :mod:`evaluation
<celltransfer_core.evaluation>` may know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from celltransfer_core.classify.voting import voters_split
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.framing.quality import judge_quality
from celltransfer_core.people.calibration import (
    CALIBRATED_FROM,
    Calibration,
    NotYet,
    calibrate,
)
from celltransfer_core.people.reviews import Review, final_types, last_answers
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.types import Bools, Float64, Floats, Ints, Labels
from celltransfer_core.vocabulary import ARTEFACT, UNSURE

Reviewed = Literal["any", "no", "yes", "me", "others"]
REVIEWED: tuple[Reviewed, ...] = get_args(Reviewed)

CellOrder = Literal[
    "least agreement",
    "most agreement",
    "most divided voters",
    "least confident",
    "most confident",
    "central first",
    "predicted type",
    "final type",
    "cluster",
    "slide",
    "patient",
    "flagged first",
    "last answered",
    "like the pinned",
    "by hash",
]
CELL_ORDERS: tuple[CellOrder, ...] = get_args(CellOrder)

WHOLE = (0.0, 1.0)
"""The full range, which excludes nothing."""


@dataclass(frozen=True)
class CellFilter:
    """Conditions on query cells, all of which must hold; empty conditions exclude no cell."""

    types: tuple[str, ...] = ()
    """Predicted types."""
    final: tuple[str, ...] = ()
    """Final types of cells: types, ``none``, ``artefact`` or ``disputed``."""
    reviewed: Reviewed = "any"
    """Reviewed by anyone, by the reader (``me``) or by someone else."""
    changed: bool = False
    """Whether the reader's own answer differs from the prediction."""
    flagged: bool = False
    unknown: bool = False
    """Whether cells are far from all cells typed by people."""
    must_find: bool = False
    """Whether cells are or may be of a type that must not be missed."""
    clusters: tuple[int, ...] = ()
    """Displayed cluster numbers."""
    slides: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    agreement: tuple[float, float] = WHOLE
    """Lower and upper bound, both included; also for the next attribute."""
    confidence: tuple[float, float] = WHOLE
    """Calibrated confidence; without effect until there is a calibration."""
    divided: float = 0.0
    """Least share of pairs of voters that disagree."""
    faults: tuple[str, ...] = ()
    """Faults of images, see :data:`~celltransfer_core.framing.quality.FAULTS`."""
    file: str = ""
    """Part of a file name; case is ignored."""


@dataclass(frozen=True)
class CellFacts:
    """Known properties of m query cells, one array per property, each of shape (m,)."""

    query: Dataset
    predicted: Labels
    final: Labels
    """See :class:`~celltransfer_core.people.reviews.FinalTypes`, also for the next attribute."""
    answered: Labels
    time: Labels
    mine: Labels
    """Last answer of the reader; empty without one."""
    others: Bools
    """Whether someone else answered."""
    clusters: Ints
    """Displayed number of each cell's cluster."""
    centrality: Float64
    agreement: Float64
    divided: Float64
    calibration: Calibration | NotYet
    flagged: Bools
    unknown: Bools
    must_find: Bools
    faults: Mapping[str, Bools]


def faults_of(result: RunResult) -> dict[str, Bools]:
    """Find faults in the images of query cells.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict from a fault to ndarray of bool, shape (m,)
        Faults that no cell has are omitted. The faults do not depend on answers.
    """
    quality = judge_quality(result.framing, result.reference, result.query)
    return {fault: of for fault, of in quality.faults.items() if of.any()} if quality else {}


def cell_facts(
    result: RunResult, reviews: Sequence[Review], reader: str, faults: Mapping[str, Bools]
) -> CellFacts:
    """Collect the known properties of every query cell.

    Parameters
    ----------
    result : RunResult
        Of m query cells.
    reviews : sequence of Review
    reader : str
        The reader for whom cells are filtered; some filters use this reader's own answers.
    faults : mapping
        From :func:`faults_of`.

    Returns
    -------
    CellFacts
    """
    cells, vote = result.query.cells, result.vote
    predicted = np.array(result.types)[vote.winner]
    settled = final_types(cells, predicted.tolist(), reviews)
    answers = last_answers(reviews)
    nobody: Bools = np.zeros(len(cells), dtype=bool)
    mine = [
        answers[cell][reader].answer if reader in answers.get(cell, ()) else "" for cell in cells
    ]
    return CellFacts(
        query=result.query,
        predicted=predicted,
        final=settled.final,
        answered=settled.reviewed,
        time=settled.time,
        mine=np.array(mine, dtype=str),
        others=np.array([bool(answers.get(cell, {}).keys() - {reader}) for cell in cells]),
        clusters=result.clusters.names[result.clusters.labels],
        centrality=result.clusters.centrality,
        # An agreement shown as 0.60 counts as 0.60.
        agreement=np.round(vote.agreement, 6),
        divided=voters_split(vote.choices),
        calibration=calibrate(result.updated) if result.updated else NotYet(CALIBRATED_FROM),
        flagged=result.flagged,
        unknown=result.updated.unknown if result.updated else nobody,
        must_find=np.any([nobody, *(result.seen_as(name) for name in result.to_show)], axis=0),
        faults=faults,
    )


def fitting_cells(facts: CellFacts, wanted: CellFilter) -> Bools:
    """Find the query cells that fit every condition.

    Parameters
    ----------
    facts : CellFacts
        Of m cells.
    wanted : CellFilter
        Types, clusters, slides and faults that do not exist match no cell.

    Returns
    -------
    ndarray of bool, shape (m,)
    """
    query = facts.query
    fits = _within(facts.agreement, wanted.agreement) & (facts.divided >= wanted.divided)
    if isinstance(facts.calibration, Calibration):
        fits &= _within(np.round(facts.calibration.confidence, 6), wanted.confidence)
    for values, names in ((facts.predicted, wanted.types), (facts.final, wanted.final)):
        if names:
            fits &= np.isin(values, list(names))
    if wanted.clusters:
        fits &= np.isin(facts.clusters, list(wanted.clusters))
    for of_file, names in ((query.slide, wanted.slides), (query.patient, wanted.patients)):
        if names:
            fits &= _with_file(query, np.isin(of_file or [""] * len(query.files), list(names)))
    if wanted.file:
        part = wanted.file.casefold()
        fits &= _with_file(query, np.array([part in name.casefold() for name in query.files]))
    if wanted.reviewed != "any":
        fits &= _reviewed(facts, wanted.reviewed)
    if wanted.changed:
        fits &= ~np.isin(facts.mine, ["", UNSURE, ARTEFACT]) & (facts.mine != facts.predicted)
    for is_wanted, which in (
        (wanted.flagged, facts.flagged),
        (wanted.unknown, facts.unknown),
        (wanted.must_find, facts.must_find),
    ):
        if is_wanted:
            fits &= which
    if wanted.faults:
        none = np.zeros(len(fits), dtype=bool)
        fits &= np.any([facts.faults.get(fault, none) for fault in wanted.faults], axis=0)
    return fits


def _within(values: Float64, limits: tuple[float, float]) -> Bools:
    return np.asarray((values >= limits[0]) & (values <= limits[1]), dtype=bool)


def _reviewed(facts: CellFacts, by: Reviewed) -> Bools:
    if by == "me":
        return np.asarray(facts.mine != "", dtype=bool)
    if by == "others":
        return facts.others
    return np.asarray((facts.answered != "") == (by == "yes"), dtype=bool)


def _with_file(query: Dataset, files: Bools) -> Bools:
    """Find the cells of these files; copies of a file are one cell."""
    found: Bools = np.zeros(query.n_cells, dtype=bool)
    found[query.cell_index[files]] = True
    return found


def sort_cells(
    facts: CellFacts,
    cells: Ints,
    order: CellOrder = "least agreement",
    alike: Floats | None = None,
) -> Ints:
    """Sort query cells.

    Parameters
    ----------
    facts : CellFacts
        Of m cells.
    cells : ndarray of int64
        Cells to sort.
    order : str
        One of :data:`CELL_ORDERS`. Within a type, cluster, slide or patient, cells with the least
        agreement come first; the same order applies if there is no calibration or no pinned cell.
        Ties are broken by hash.
    alike : ndarray of float, shape (m,), optional
        See :func:`~celltransfer_core.pipeline.likeness.likeness`.

    Returns
    -------
    ndarray of int64
    """
    doubt = facts.agreement[cells]
    return cells[np.lexsort((doubt, _ranks(facts, order, alike)[cells]))]


def _ranks(facts: CellFacts, order: CellOrder, alike: Floats | None) -> Labels:
    """Return the keys by which cells are sorted in ascending order."""
    agreement, query = facts.agreement, facts.query
    calibrated = facts.calibration if isinstance(facts.calibration, Calibration) else None
    confidence = calibrated.confidence if calibrated else agreement
    ranks: dict[CellOrder, Labels] = {
        "least agreement": agreement,
        "most agreement": -agreement,
        "most divided voters": -facts.divided,
        "least confident": confidence,
        "most confident": -confidence,
        "central first": -facts.centrality,
        "predicted type": facts.predicted,
        "final type": facts.final,
        "cluster": facts.clusters,
        "flagged first": ~facts.flagged,
        "like the pinned": agreement if alike is None else -alike,
        "by hash": np.arange(len(agreement)),
    }
    if order == "last answered":
        return -np.unique(facts.time, return_inverse=True)[1]
    if order in ("slide", "patient"):
        of_file = query.slide if order == "slide" else query.patient
        # The first of a cell's files by name, as elsewhere: copies of a file are one cell.
        first = np.unique(query.cell_index, return_index=True)[1]
        return np.array(of_file or [""] * len(query.files))[first]
    return ranks[order]
