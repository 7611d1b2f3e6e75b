"""TODO celltransfer_core/people/queue.py."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from celltransfer_core.classify.voting import Vote, voters_split
from celltransfer_core.people.reviews import Review
from celltransfer_core.types import Bools, Ints
from celltransfer_core.vocabulary import SKIPPED

BLIND_SHARE = 0.1
"""Part of the queue that is the random sample: dearer than it looks, for a random cell teaches the
vote hardly anything."""

BLIND_FROM = 20
"""Cells that are looked at before the first turn of the random sample: the first answers teach
most, and an estimate from a cell or two says nothing."""

QueueOrder = Literal["least certain", "random", "cluster", "type", "disagreement"]
QUEUE_ORDERS: tuple[QueueOrder, ...] = get_args(QueueOrder)
_ROUNDS_EVERY = 4  # places of the queue, one goes to the types and clusters that take turns


@dataclass(frozen=True)
class ReviewQueue:
    """Cells to look at, k of them, in this order."""

    cells: Ints
    """Numbers of query cells, shape (k,)."""
    blind: Bools
    """Whether to show each without its prediction and keep ``blind`` in its review, shape (k,)."""


def sample_order(cells: Sequence[str], seed: int) -> Ints:
    """Draw all cells one after the other at random.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes.
    seed : int

    Returns
    -------
    ndarray of int64, shape (n,)
        Cell numbers. The first m are a simple random sample for every m. It depends on neither the
        order of ``cells`` nor their number: images that come later take places between the others
        and do not change whose turn is before whose.
    """
    drawn = [hashlib.sha256(f"{seed}/{cell}".encode()).digest() for cell in cells]
    return np.array(sorted(range(len(cells)), key=drawn.__getitem__), dtype=np.int64)


def review_queue(
    cells: Sequence[str],
    vote: Vote,
    clusters: Ints,
    reviews: Sequence[Review],
    *,
    order: QueueOrder = "least certain",
    only: Bools | None = None,
    share: float = BLIND_SHARE,
    seed: int = 0,
) -> ReviewQueue:
    """Say which cells to look at next.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    vote : Vote
    clusters : ndarray of int64, shape (n,)
    reviews : sequence of Review
        Those that count: a reader whose own reviews alone are handed in has a queue of their own,
        with the same random sample in the same order as every other reader.
    order : {"least certain", "random", "cluster", "type", "disagreement"}
        Least certain: the cells whose two likeliest types are closest (the smallest margin); every
        fourth place goes to cells that come in rounds: in every round each predicted type gives one
        cell, the least certain of the round first; within a type its clusters take turns in the
        same way. So no type and no cluster is forgotten. Cluster and type: one group after the
        other, the least certain first. Disagreement: by :func:`voters_split`.
    only : ndarray of bool, shape (n,), optional
        The cells to look at, such as the flagged ones. The random sample is of all cells all the
        same.
    share : float
        Part of the queue that is the random sample, in [0, 1].
    seed : int
        The study's; decides the random sample.

    Returns
    -------
    ReviewQueue
        Answered cells have left it; skipped ones are at its end, the one skipped first leading.
        To answer or skip the next cell leaves the others in their places. A cell of the random
        sample that was answered with its prediction in sight, on another page, is still asked blind
        when its turn comes.

    Raises
    ------
    ValueError
        If the order is unknown or the share outside [0, 1].

    Notes
    -----
    The random sample is the first ⌈share · n⌉ cells of :func:`sample_order`. The j-th of them has
    its turn at place 20 + ⌈j / share⌉ of the queue, counting every cell that was looked at so far;
    those that are left have it at the end. Where the order that the reader chose comes to a cell
    before, it is asked then, for it teaches as much as any other, but blind as well, and
    :func:`random_sample` takes it in when its turn has come.
    """
    if order not in QUEUE_ORDERS:
        raise ValueError(f"There is no order {order!r}; there are {', '.join(QUEUE_ORDERS)}.")
    if not 0 <= share <= 1:
        raise ValueError(f"The share is {share}, not between 0 and 1.")
    wanted = np.ones(len(cells), dtype=bool) if only is None else np.asarray(only, dtype=bool)
    drawn = sample_order(cells, seed)
    sample = drawn[: _sample_size(len(cells), share)]
    ranking = _ranking(order, vote, clusters, np.roll(drawn, -len(sample)))
    sampled = np.zeros(len(cells), dtype=bool)
    sampled[sample] = True

    looked, skipped = looked_at(cells, reviews)
    asked, blind_skipped = looked_at(cells, reviews, blind=True)
    places = looked.sum()
    chosen = iter(ranking[(wanted & ~looked)[ranking]].tolist())
    merged = list[int]()
    turn = 0
    while True:
        while turn < len(sample) and asked[sample[turn]]:
            turn += 1
        if turn < _turns_due(places + 1, len(cells), share):
            cell = int(sample[turn])
        else:
            cell = next((one for one in chosen if not looked[one]), -1)
            if cell < 0:
                break
        merged.append(cell)
        places += not looked[cell]
        looked[cell] = True
        asked[cell] = sampled[cell]

    again = [(at, cell, True) for cell, at in blind_skipped.items() if sampled[cell]]
    named = {*merged, *(cell for _, cell, _ in again)}
    again += [
        (at, cell, False) for cell, at in skipped.items() if wanted[cell] and cell not in named
    ]
    again.sort()
    end = [(cell, hidden) for _, cell, hidden in again]
    queue = [*((cell, sampled[cell]) for cell in merged), *end]
    return ReviewQueue(
        np.array([cell for cell, _ in queue], dtype=np.int64),
        np.array([hidden for _, hidden in queue], dtype=bool),
    )


def _sample_size(n: int, share: float) -> int:
    return math.ceil(share * n - 1e-9)


def _turns_due(places: int, n: int, share: float) -> int:
    """Count the cells of the random sample whose turn is among so many places of the queue."""
    if places >= n:
        return _sample_size(n, share)
    return math.floor(share * max(places - BLIND_FROM, 0) + 1e-9)


def _ranking(order: QueueOrder, vote: Vote, clusters: Ints, drawn: Ints) -> Ints:
    if order == "random":
        return drawn
    doubtful = np.lexsort((vote.confidence, vote.agreement, vote.margin))
    if order == "cluster":
        return doubtful[np.argsort(clusters[doubtful], kind="stable")]
    if order == "type":
        return doubtful[np.argsort(vote.winner[doubtful], kind="stable")]
    if order == "disagreement":
        return doubtful[np.argsort(-voters_split(vote.choices)[doubtful], kind="stable")]
    types = vote.winner[doubtful]
    both = np.unique(np.stack([types, clusters[doubtful]]), axis=1, return_inverse=True)[1]
    by_cluster = np.argsort(_turns(both.ravel()), kind="stable")
    turns = np.empty(len(doubtful), dtype=np.int64)
    turns[by_cluster] = _turns(types[by_cluster])
    rounds = np.argsort(np.argsort(turns, kind="stable"), kind="stable")
    # Each stream fills its places, as far as the other one has not had the cell before.
    place = np.arange(len(turns))
    place += place // (_ROUNDS_EVERY - 1)
    return doubtful[np.argsort(np.minimum(place, _ROUNDS_EVERY * (rounds + 1) - 1))]


def _turns(groups: Ints) -> Ints:
    """Count for each place how many of its group came before."""
    sort = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[sort], groups[sort])
    turns = np.empty(len(groups), dtype=np.int64)
    turns[sort] = np.arange(len(groups)) - starts
    return turns


def looked_at(
    cells: Sequence[str], reviews: Sequence[Review], *, blind: bool = False
) -> tuple[Bools, dict[int, int]]:
    """Find the cells with any (blind) review, and when those without an answer were skipped."""
    place = {cell: number for number, cell in enumerate(cells)}
    looked = np.zeros(len(cells), dtype=bool)
    skipped: dict[int, int] = {}
    answered: set[int] = set()
    for at, review in enumerate(reviews):
        cell = place.get(review.cell)
        if cell is None or (blind and not review.blind):
            continue
        looked[cell] = True
        if review.answer == SKIPPED:
            skipped[cell] = at
        else:
            answered.add(cell)
    return looked, {cell: at for cell, at in skipped.items() if cell not in answered}


def random_sample(
    cells: Sequence[str], reviews: Sequence[Review], *, share: float = BLIND_SHARE, seed: int = 0
) -> list[int]:
    """List the cells of the random sample that were looked at so far.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    reviews : sequence of Review
        Of all readers.
    share : float
    seed : int
        Both as for :func:`review_queue`.

    Returns
    -------
    list of int
        What :func:`sample_order` drew, as far as somebody has looked at every cell blind, up to the
        last that was asked when all before it had been, or whose turn in the queue has come. So a
        cell that the queue asked early, because it was doubtful, enters when it would have anyhow,
        and the list stands for all cells.
    """
    order = sample_order(cells, seed)
    drawn_at = {cells[cell]: place for place, cell in enumerate(order.tolist())}
    asked = set[int]()
    unseen = in_turn = 0
    for review in reviews:
        if not review.blind or review.cell not in drawn_at:
            continue
        asked.add(drawn_at[review.cell])
        if unseen in asked:
            in_turn = unseen + 1
            while unseen in asked:
                unseen += 1
    places = int(looked_at(cells, reviews)[0].sum())
    due = len(cells) if places == len(cells) else _turns_due(places, len(cells), share)
    return order[: max(in_turn, min(unseen, due))].tolist()
