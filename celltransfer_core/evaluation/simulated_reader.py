"""The effect of a reader's answers, measured with simulated readers.

A simulated reader knows the query's labels. It confirms every cluster with the type of most of its
cells, and keeps a type that no cluster is matched to if one of the few cells most similar to it is
of that type. Then it types cells one by one, in the order of the review queue, by the smallest
margin, or at random, optionally with errors. The updated vote is scored at intervals. The labels
are used only for the reader's answers and for the scores; they reach the vote only as answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from celltransfer_core.errors import DataError
from celltransfer_core.evaluation.metrics import (
    counted,
    majority_types,
    reliability,
    score,
    shared_labels,
)
from celltransfer_core.evaluation.result import ASKING_ORDERS, AskingOrder, Point, Reading
from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.people.calibration import Calibration, calibrate
from celltransfer_core.people.composition import infer
from celltransfer_core.people.queue import review_queue, sample_order
from celltransfer_core.people.reviews import Review
from celltransfer_core.people.updated import UpdatedVote, annotations_of
from celltransfer_core.people.updater import VoteUpdater
from celltransfer_core.pipeline.result import Named, Prepared, RunResult
from celltransfer_core.pipeline.runs import transfer
from celltransfer_core.pipeline.updates import vote_updater
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Bools, Float64, Ints, Labels, Progress, silent
from celltransfer_core.vocabulary import NONE_TYPE, UNSURE

MOST_ANSWERS, STEP = 50, 5
"""Cells that a reader types, and the number of answers between two measurements."""

REPEATS = 3
"""Simulated readers, each with separate random samples, orders and errors."""

DRAWS = 3
"""Reference subsets in a transport, as in ``run``."""

_SEED = 30_000  # seed words from here on are for readers


def simulate_reader(
    prepared: Prepared,
    named: Named,
    truth: Labels,
    *,
    errors: float = 0.0,
    repeats: int = REPEATS,
    answers: int = MOST_ANSWERS,
    left_out: Bools | None = None,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Reading:
    """Simulate readers, and score the vote that is updated with their answers.

    Parameters
    ----------
    prepared : Prepared
    named : Named
    truth : ndarray of str, shape (m,)
        Types of the query's cells; empty where not known.
    errors : float
        Probability that an answer on a cluster or a cell is a wrong type of the query, and that a
        type is kept or left out wrongly.
    repeats : int
        Number of readers.
    answers : int
        Number of cells that each reader types.
    left_out : ndarray of bool, shape (m,), optional
        Query cells that are excluded from figures, such as those that are also in the reference.
    cache : Cache, optional
        Keeps the voters' predictions.
    workers : int, optional
    progress : callable

    Returns
    -------
    Reading

    Raises
    ------
    DataError
        If the probability is not in [0, 1), or no type has enough labelled cells.
    """
    if not 0 <= errors < 1:
        raise DataError(f"--reader-errors cannot be {errors}; it takes a number from 0 to below 1.")
    prepared = replace(prepared, config=replace(prepared.config, draws=DRAWS))
    shared = shared_labels(truth, prepared.types)
    if left_out is not None:
        shared = np.where(left_out, "", shared)
    figures: dict[tuple[AskingOrder, int], list[tuple[float, ...]]] = {}
    calibrated: list[tuple[Float64, Float64, Bools]] = []
    runs: dict[tuple[tuple[Confirmation, ...], tuple[str, ...]], tuple[RunResult, VoteUpdater]] = {}
    done = 0
    for repeat in range(repeats):
        rng = np.random.default_rng([prepared.config.seed, _SEED, repeat])
        reader = SimulatedReader(truth, errors, rng)
        confirmations = reader.on_clusters(named, prepared.types)
        confirmed = named.confirm(confirmations)
        keep = reader.on_types(confirmed, prepared.types)
        if (confirmations, keep) not in runs:
            keeping = replace(prepared, config=replace(prepared.config, keep=keep))
            found = transfer(keeping, confirmed, cache=cache, workers=workers)
            runs[confirmations, keep] = found, vote_updater(found)
        run, updater = runs[confirmations, keep]
        for order in ASKING_ORDERS:
            progress("reader", done, repeats * len(ASKING_ORDERS))
            last = _answer(run, updater, reader, order, answers, repeat, shared, figures)
            done += 1
            if order == "queue":
                calibrated.append(_calibrated(last, shared))
    progress("reader", done, done)
    points = tuple(
        Point(order, step, *_means(np.array(rows))) for (order, step), rows in figures.items()
    )
    confidence, raw, right = (np.concatenate(parts) for parts in zip(*calibrated, strict=True))
    return Reading(points, errors, repeats, reliability(confidence, right), reliability(raw, right))


def _means(rows: Float64) -> list[float]:
    """Average each figure over the repeats that have it; NaN if every cell was typed."""
    count = (~np.isnan(rows)).sum(axis=0)
    found = np.divide(
        np.nansum(rows, axis=0), count, out=np.full(len(count), np.nan), where=count > 0
    )
    return [float(value) for value in found]


class SimulatedReader:
    """A reader who answers with the true type or, by error, with another type of the query.

    Parameters
    ----------
    truth : ndarray of str, shape (m,)
        Types of the query's cells; empty where not known.
    errors : float
        Probability of an error.
    rng : numpy.random.Generator

    Attributes
    ----------
    answers : ndarray of str, shape (m,)
        Answer on each cell; empty if its type is not known.
    """

    def __init__(self, truth: Labels, errors: float, rng: np.random.Generator) -> None:
        self.truth = truth
        self.errors = errors
        self.rng = rng
        self.types = sorted(set(truth.tolist()) - {""})
        slips = rng.random(len(truth)) < errors
        # Drawn for every cell at once: a cell's answer does not depend on when it is asked.
        self.answers = np.array(
            [
                self._other(name) if slip and name else name
                for name, slip in zip(truth.tolist(), slips, strict=True)
            ]
        )

    def _other(self, name: str) -> str:
        others = [one for one in self.types if one != name]
        return str(self.rng.choice(others)) if others else name

    def on_clusters(self, named: Named, types: Sequence[str]) -> tuple[Confirmation, ...]:
        """Confirm every cluster that has labelled cells.

        Parameters
        ----------
        named : Named
        types : sequence of str
            Types of the reference.

        Returns
        -------
        tuple of Confirmation
        """
        confirmations = []
        majority = majority_types(named.clusters.labels, self.truth)
        for name, answer in zip(named.clusters.names, majority, strict=True):
            if not answer:
                continue
            if self.rng.random() < self.errors:
                answer = self._other(answer)
            known = answer if answer in types else NONE_TYPE
            confirmations.append(Confirmation(int(name), known, by="reader"))
        return tuple(confirmations)

    def on_types(self, named: Named, types: Sequence[str]) -> tuple[str, ...]:
        """Keep types without a matched cluster if the cells most similar to them include the type.

        Parameters
        ----------
        named : Named
        types : sequence of str
            Types of the reference.

        Returns
        -------
        tuple of str
        """
        matched = {match.matched_type for match in named.matches}
        return tuple(
            name
            for name, cells in zip(types, named.alike, strict=True)
            if name not in matched
            and (name in self.truth[cells]) != (self.rng.random() < self.errors)
        )


def _answer(
    run: RunResult,
    updater: VoteUpdater,
    reader: SimulatedReader,
    order: AskingOrder,
    answers: int,
    repeat: int,
    shared: Labels,
    figures: dict[tuple[AskingOrder, int], list[tuple[float, ...]]],
) -> UpdatedVote:
    """Type cells one by one, and compute figures at intervals."""
    cells, reviews = run.query.cells, list[Review]()
    drawn = sample_order(cells, _SEED + repeat)
    updated = updater.update(annotations_of(run.matches, cells, reviews))
    for step in range(min(answers, len(cells)) + 1):
        if step % STEP == 0:
            figures.setdefault((order, step), []).append(
                (
                    *_figures(updated, shared),
                    *_estimated(run, updated, reviews, reader, repeat),
                    *_flagged(run, updated, reader.truth),
                )
            )
        if step == min(answers, len(cells)):
            break
        cell, blind, chance = _next(run, updated, reviews, order, repeat, drawn)
        answer = str(reader.answers[cell]) or UNSURE
        # Only the order of the times matters.
        time = f"2000-01-01T00:{step // 60:02}:{step % 60:02}+00:00"
        reviews.append(Review(cells[cell], answer, "reader", time, blind, chance))
        updated = updater.update(annotations_of(run.matches, cells, reviews))
    return updated


def _next(
    run: RunResult,
    updated: UpdatedVote,
    reviews: Sequence[Review],
    order: AskingOrder,
    repeat: int,
    drawn: Ints,
) -> tuple[int, bool, float | None]:
    """Choose the next cell: its index, whether it is blind, and its probability if it was drawn."""
    cells = run.query.cells
    if order == "queue":
        queue = review_queue(cells, updated.vote, run.clusters.labels, reviews, seed=repeat)
        chance = float(queue.chances[0])
        return int(queue.cells[0]), bool(queue.blind[0]), None if np.isnan(chance) else chance
    typed = {review.cell for review in reviews}
    left = np.array([cell not in typed for cell in cells])
    if order == "random":
        return int(drawn[left[drawn]][0]), False, 1 / float(left.sum())
    return int(np.where(left, updated.vote.margin, np.inf).argmin()), False, None


def _figures(updated: UpdatedVote, shared: Labels) -> tuple[float, ...]:
    """Score all cells, and those that nobody typed: accuracy and balanced accuracy of each."""
    predicted = np.array(updated.types)[updated.vote.winner]
    typed = np.zeros(len(predicted), dtype=bool)
    final = predicted.astype(object)
    for cell, name in updated.annotations.cells:
        typed[cell], final[cell] = True, name
    found = []
    for cells, names in (
        (np.ones(len(typed), dtype=bool), final.astype(str)),
        (~typed, predicted),
    ):
        if not counted(shared[cells]).any():
            found += [np.nan, np.nan]
            continue
        scored = score(shared[cells], names[cells])
        found += [scored.accuracy, scored.balanced_accuracy]
    return tuple(found)


def _estimated(
    run: RunResult,
    updated: UpdatedVote,
    reviews: Sequence[Review],
    reader: SimulatedReader,
    seed: int,
) -> tuple[float, ...]:
    """Compare the estimated accuracy with the true one of the vote, over cells of known type.

    Returns the true accuracy, the estimate, its interval and whether the interval contains the true
    accuracy, in percent; NaN if too few cells were drawn.
    """
    known = reader.truth != ""
    predicted = np.array(updated.types)[updated.vote.winner]
    true = 100 * float(np.mean(predicted[known] == reader.truth[known])) if known.any() else np.nan
    inference = infer(
        run.query.cells, updated.types, updated.probabilities, updated.vote, reviews, seed=seed
    )
    found = inference.right(known)
    if inference.missing_draws or np.isnan(found.value):
        return true, np.nan, np.nan, np.nan, np.nan
    low, high = 100 * found.low, 100 * found.high
    return true, 100 * found.value, low, high, 100 * float(low - 1e-9 <= true <= high + 1e-9)


def _flagged(run: RunResult, updated: UpdatedVote, truth: Labels) -> tuple[float, ...]:
    """Compare the expected errors among unflagged cells that nobody typed with the true ones.

    Returns, in percent: flagged cells, errors caught, wrong cells among the unflagged, the estimate
    of the latter with its interval, and whether the interval contains it. NaN if there are no such
    cells.
    """
    flags = replace(run, types=updated.types, vote=updated.vote, updated=updated).flags
    known = (truth != "") & ~updated.typed
    wrong = np.array(updated.types)[updated.vote.winner] != truth
    left = known & ~flags.flagged
    caught = float(np.mean(flags.flagged[known & wrong])) if (known & wrong).any() else np.nan
    flagged = float(np.mean(flags.flagged[known])) if known.any() else np.nan
    if not left.any():
        return 100 * flagged, 100 * caught, np.nan, np.nan, np.nan, np.nan, np.nan
    true, errors = float(np.mean(wrong[left])), flags.errors
    low, high = errors.low / errors.cells, errors.high / errors.cells
    holds = float(low - 1e-9 <= true <= high + 1e-9)
    figures = (flagged, caught, true, errors.share, low, high, holds)
    return tuple(100 * figure for figure in figures)


def _calibrated(updated: UpdatedVote, shared: Labels) -> tuple[Float64, Float64, Bools]:
    """Collect calibrated and raw confidence, and correctness, of the cells that nobody typed."""
    rest = shared != ""
    rest[[cell for cell, _ in updated.annotations.cells]] = False
    right = np.array(updated.types)[updated.vote.winner] == shared
    found = calibrate(updated)
    confidence = found.confidence if isinstance(found, Calibration) else updated.vote.confidence
    return confidence[rest], updated.vote.confidence[rest], right[rest]
