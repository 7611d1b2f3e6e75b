"""What a person's minute is worth: a reader played with the query's own labels.

The reader confirms every cluster with the type of most of its cells, and keeps a type that no
cluster is called if one of the few cells that are most like it is of that type. Then the reader
answers cell after cell with its true type, in the order of the product's own queue, of the smallest
margin, or at random; now and then wrongly, if so wished. After every few answers the vote that
these words taught is scored. Labels are read here for the reader's answers and for the scores, and
reach the vote only as words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from celltransfer_core.errors import DataError
from celltransfer_core.evaluation.metrics import counted, majority_types, reliability, score
from celltransfer_core.evaluation.result import ASKING_ORDERS, AskingOrder, Point, Reading
from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.people.calibration import Calibration, calibrate
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
"""Cells that the reader answers, and after how many figures are taken."""

REPEATS = 3
"""Readers, each with random samples, orders and errors of their own."""

DRAWS = 3
"""Reference subsets in a transport, as in ``run``."""

_SEED = 30_000  # seed words from here on are the reader's own


def play_reader(
    prepared: Prepared,
    named: Named,
    truth: Labels,
    *,
    errors: float = 0.0,
    repeats: int = REPEATS,
    answers: int = MOST_ANSWERS,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Reading:
    """Play readers, and score the vote that they update_vote.

    Parameters
    ----------
    prepared : Prepared
    named : Named
    truth : ndarray of str, shape (m,)
        Types of the query's cells; empty where not known.
    errors : float
        Probability that an answer, on a cluster or a cell, is another type of the query's, and that
        a type is kept or left out wrongly.
    repeats : int
    answers : int
    cache : Cache, optional
        Keeps what the voters say.
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
        raise DataError(f"--reader-errors cannot be {errors}; it takes 0 to below 1.")
    prepared = replace(prepared, config=replace(prepared.config, draws=DRAWS))
    shared = np.where(np.isin(truth, prepared.types), truth, "")
    shared = np.where(counted(shared), shared, "")
    figures: dict[tuple[AskingOrder, int], list[tuple[float, ...]]] = {}
    told: list[tuple[Float64, Float64, Bools]] = []
    runs: dict[tuple[tuple[Confirmation, ...], tuple[str, ...]], tuple[RunResult, VoteUpdater]] = {}
    done = 0
    for repeat in range(repeats):
        reader = _Reader(
            truth, errors, np.random.default_rng([prepared.config.seed, _SEED, repeat])
        )
        words = reader.on_clusters(named, prepared.types)
        confirmed = named.confirm(words)
        keep = reader.on_types(confirmed, prepared.types)
        if (words, keep) not in runs:
            asked = replace(prepared, config=replace(prepared.config, keep=keep))
            found = transfer(asked, confirmed, cache=cache, workers=workers)
            runs[words, keep] = found, vote_updater(found)
        run, teacher = runs[words, keep]
        for order in ASKING_ORDERS:
            progress("reader", done, repeats * len(ASKING_ORDERS))
            last = _answer(run, teacher, reader, order, answers, repeat, shared, figures)
            done += 1
            if order == "queue":
                told.append(_told(last, shared))
    progress("reader", done, done)
    points = tuple(
        Point(order, step, *_means(np.array(rows))) for (order, step), rows in figures.items()
    )
    confidence, raw, right = (np.concatenate(parts) for parts in zip(*told, strict=True))
    return Reading(points, errors, repeats, reliability(confidence, right), reliability(raw, right))


def _means(rows: Float64) -> list[float]:
    """Average each figure over the repeats that have it; NaN where every cell was typed."""
    count = (~np.isnan(rows)).sum(axis=0)
    found = np.divide(
        np.nansum(rows, axis=0), count, out=np.full(len(count), np.nan), where=count > 0
    )
    return [float(value) for value in found]


class _Reader:
    """Answers with the true type, or, once in a while, with another one of the query's."""

    def __init__(self, truth: Labels, errors: float, rng: np.random.Generator) -> None:
        self.truth = truth
        self.errors = errors
        self.rng = rng
        self.types = sorted(set(truth.tolist()) - {""})
        slips = rng.random(len(truth)) < errors
        # Drawn for every cell at once: a cell's answer does not depend on when it is asked.
        self.said = np.array(
            [
                self._other(name) if slip and name else name
                for name, slip in zip(truth.tolist(), slips, strict=True)
            ]
        )

    def _other(self, name: str) -> str:
        others = [one for one in self.types if one != name]
        return str(self.rng.choice(others)) if others else name

    def on_clusters(self, named: Named, types: Sequence[str]) -> tuple[Confirmation, ...]:
        """Name every cluster that has a labelled cell."""
        words = []
        majority = majority_types(named.clusters.labels, self.truth)
        for name, answer in zip(named.clusters.names, majority, strict=True):
            if not answer:
                continue
            if self.rng.random() < self.errors:
                answer = self._other(answer)
            said = answer if answer in types else NONE_TYPE
            words.append(Confirmation(int(name), said, by="reader"))
        return tuple(words)

    def on_types(self, named: Named, types: Sequence[str]) -> tuple[str, ...]:
        """Keep types that no cluster is called, where the cells most like them hold one."""
        called = {match.matched_type for match in named.matches}
        return tuple(
            name
            for name, cells in zip(types, named.alike, strict=True)
            if name not in called
            and (name in self.truth[cells]) != (self.rng.random() < self.errors)
        )


def _answer(
    run: RunResult,
    teacher: VoteUpdater,
    reader: _Reader,
    order: AskingOrder,
    answers: int,
    repeat: int,
    shared: Labels,
    figures: dict[tuple[AskingOrder, int], list[tuple[float, ...]]],
) -> UpdatedVote:
    """Answer cell after cell, noting figures on the way."""
    cells, reviews = run.query.cells, list[Review]()
    drawn = sample_order(cells, _SEED + repeat)
    taught = teacher.update(annotations_of(run.matches, cells, reviews))
    for step in range(min(answers, len(cells)) + 1):
        if step % STEP == 0:
            figures.setdefault((order, step), []).append(_figures(taught, shared))
        if step == min(answers, len(cells)):
            break
        cell, blind = _next(run, taught, reviews, order, repeat, drawn)
        word = str(reader.said[cell]) or UNSURE
        # Far apart in a made-up time that grows, as their order is all that counts.
        time = f"2000-01-01T00:{step // 60:02}:{step % 60:02}+00:00"
        reviews.append(Review(cells[cell], word, "reader", time, blind))
        taught = teacher.update(annotations_of(run.matches, cells, reviews))
    return taught


def _next(
    run: RunResult,
    taught: UpdatedVote,
    reviews: Sequence[Review],
    order: AskingOrder,
    repeat: int,
    drawn: Ints,
) -> tuple[int, bool]:
    cells = run.query.cells
    if order == "queue":
        queue = review_queue(cells, taught.vote, run.clusters.labels, reviews, seed=repeat)
        return int(queue.cells[0]), bool(queue.blind[0])
    seen = {one.cell for one in reviews}
    left = np.array([cell not in seen for cell in cells])
    if order == "random":
        return int(drawn[left[drawn]][0]), False
    return int(np.where(left, taught.vote.margin, np.inf).argmin()), False


def _figures(taught: UpdatedVote, shared: Labels) -> tuple[float, ...]:
    """Score all cells, and those nobody typed: accuracy and balanced accuracy of each."""
    predicted = np.array(taught.types)[taught.vote.winner]
    typed = np.zeros(len(predicted), dtype=bool)
    final = predicted.astype(object)
    for cell, name in taught.words.cells:
        typed[cell], final[cell] = True, name
    found = []
    for cells, said in (
        (np.ones(len(typed), dtype=bool), final.astype(str)),
        (~typed, predicted),
    ):
        if not counted(shared[cells]).any():
            found += [np.nan, np.nan]
            continue
        scored = score(shared[cells], said[cells])
        found += [scored.accuracy, scored.balanced_accuracy]
    return tuple(found)


def _told(taught: UpdatedVote, shared: Labels) -> tuple[Float64, Float64, Bools]:
    """Collect confidence, calibrated and raw, and what was right, of cells nobody typed."""
    rest = shared != ""
    rest[[cell for cell, _ in taught.words.cells]] = False
    right = np.array(taught.types)[taught.vote.winner] == shared
    found = calibrate(taught)
    confidence = found.confidence if isinstance(found, Calibration) else taught.vote.confidence
    return confidence[rest], taught.vote.confidence[rest], right[rest]
