"""The review queue: the cells that a reader sees next, from the vote and the reviews so far.

See :mod:`celltransfer_core.people.reviews` for its two streams.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from celltransfer_core.classify.voting import Vote, voters_split
from celltransfer_core.people.drawing import DRAWN_AHEAD, draw_cell, draw_chances
from celltransfer_core.people.reviews import Review
from celltransfer_core.types import Bools, Float64, Ints
from celltransfer_core.vocabulary import SKIPPED

BLIND_SHARE = 0.2
"""Share of the queue that is the random sample. It is small because random cells hardly improve the
vote."""

BLIND_FROM = 20
"""Number of cells before the first one of the random sample: the first answers improve the vote
most, and an accuracy estimated from one or two cells is meaningless."""

QueueOrder = Literal["drawn", "least certain", "random", "cluster", "type", "disagreement"]
QUEUE_ORDERS: tuple[QueueOrder, ...] = get_args(QueueOrder)
_DRAWN_EVERY = 2  # interval of places that go to randomly drawn cells
_ROUNDS_EVERY = 4  # interval of places that go to types and clusters in turn


@dataclass(frozen=True)
class ReviewQueue:
    """The k cells to review next, in this order."""

    cells: Ints
    """Numbers of query cells, shape (k,)."""
    blind: Bools
    """Whether to show each cell without its prediction and mark its review as blind, shape (k,)."""
    chances: Float64
    """Probability with which each cell was drawn for its place, shape (k,); NaN where it was not
    drawn, or was seen before."""


def sample_order(cells: Sequence[str], seed: int) -> Ints:
    """Order all cells at random.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes.
    seed : int

    Returns
    -------
    ndarray of int64, shape (n,)
        Cell numbers. The first m are a simple random sample for every m. The order of two cells
        depends only on their hashes and the seed: images that are added later do not change the
        order of the others.

    Examples
    --------
    >>> sample_order(["c0", "c1", "c2"], seed=0).tolist()
    [0, 2, 1]
    """
    drawn = [hashlib.sha256(f"{seed}/{cell}".encode()).digest() for cell in cells]
    return np.array(sorted(range(len(cells)), key=drawn.__getitem__), dtype=np.int64)


def review_queue(
    cells: Sequence[str],
    vote: Vote,
    clusters: Ints,
    reviews: Sequence[Review],
    *,
    order: QueueOrder = "drawn",
    only: Bools | None = None,
    share: float = BLIND_SHARE,
    seed: int = 0,
) -> ReviewQueue:
    """List the cells to review next.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    vote : Vote
    clusters : ndarray of int64, shape (n,)
    reviews : sequence of Review
        With the reviews of a single reader, the queue is that reader's own, with the same random
        sample in the same order as for all other readers.
    order : {"drawn", "least certain", "random", "cluster", "type", "disagreement"}
        Drawn: every second place is drawn at random, see
        :func:`~celltransfer_core.people.drawing.draw_chances`, so that the answers allow inference
        on all cells; the least certain cells, which improve the vote most, come in between. Least
        certain: by ascending margin between the two likeliest types. Every fourth place is filled
        in rounds: in each round, every predicted type has one cell, the least certain of the round
        first, and within a type its clusters take turns in the same way. Thus every type and every
        cluster is reviewed. Cluster and type: one group after the other, the least certain cells
        first. Disagreement: by :func:`~celltransfer_core.classify.voting.voters_split`.
    only : ndarray of bool, shape (n,), optional
        Cells to review, such as the flagged ones. The random sample is still drawn from all cells.
    share : float
        Share of the queue that is the random sample, in [0, 1].
    seed : int
        Seed of the study, which determines the random sample.

    Returns
    -------
    ReviewQueue
        Answered cells are left out; skipped cells are at the end, the one skipped first before the
        others. An answer on the next cell leaves the order of the others unchanged; if they are
        drawn, an answer on another cell draws them again. A cell of the random sample that was
        answered with its prediction shown is asked again, blind, when its turn comes.

    Raises
    ------
    ValueError
        If the order is unknown or the share outside [0, 1].

    Notes
    -----
    The random sample is the first ⌈share · n⌉ cells of :func:`sample_order`. The turn of the j-th
    of them is at place 20 + ⌈j / share⌉ of the queue, counting every cell reviewed so far; the rest
    come at the end. If the chosen order reaches one of these cells before its turn, the cell is
    asked then, also blind, and :func:`random_sample` includes it from its turn on.

    Examples
    --------
    >>> import numpy as np
    >>> from celltransfer_core.classify import weighted_vote
    >>> vote = weighted_vote(np.array([[[0.9, 0.1], [0.6, 0.4]]]), np.ones(1))
    >>> review_queue(["c0", "c1"], vote, np.array([0, 0]), [], share=0).cells.tolist()
    [1, 0]
    """
    if order not in QUEUE_ORDERS:
        raise ValueError(f"There is no order {order!r}; the orders are {', '.join(QUEUE_ORDERS)}.")
    if not 0 <= share <= 1:
        raise ValueError(f"The share is {share}, not between 0 and 1.")
    wanted = np.ones(len(cells), dtype=bool) if only is None else np.asarray(only, dtype=bool)
    drawn = sample_order(cells, seed)
    sample = drawn[: blind_sample_size(len(cells), share)]
    sampled = np.zeros(len(cells), dtype=bool)
    sampled[sample] = True

    seen, skipped = seen_cells(cells, reviews)
    asked, blind_skipped = seen_cells(cells, reviews, blind=True)
    places = int(seen.sum())
    late = np.roll(drawn, -len(sample))
    rankings = [_ranking(one, vote, clusters, late) for one in (order, "least certain")]
    chooser = _Chooser(order, vote, rankings, drawn, wanted, seed, places + DRAWN_AHEAD)
    merged, chances = list[int](), list[float]()
    turn = 0
    while True:
        while turn < len(sample) and asked[sample[turn]]:
            turn += 1
        in_turn = turn < _turns_due(places + 1, len(cells), share)
        cell = int(sample[turn]) if in_turn else chooser.choose(seen, places)
        if cell < 0:
            break
        merged.append(cell)
        evenly = share if places >= BLIND_FROM else 0.0
        chances.append(chooser.chance(cell, seen, places, evenly, in_turn=in_turn))
        places += not seen[cell]
        seen[cell] = True
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
        np.array([*chances, *[math.nan] * len(end)], dtype=np.float64),
    )


class _Chooser:
    """Chooses the cells for the places that do not belong to the random sample."""

    def __init__(
        self,
        order: QueueOrder,
        vote: Vote,
        rankings: Sequence[Ints],
        drawn: Ints,
        wanted: Bools,
        seed: int,
        ahead: int,
    ) -> None:
        self.vote, self.drawn, self.wanted, self.seed = vote, drawn, wanted, seed
        self.ranking, self.doubtful = (iter(ranking.tolist()) for ranking in rankings)
        self.ahead = ahead if order == "drawn" else 0
        self.order = order
        # Answers on a selection of cells allow no inference on the others.
        self.of_all = bool(wanted.all())

    def choose(self, seen: Bools, place: int) -> int:
        """Choose a cell that was not seen; a negative number if none is left."""
        by_chance = place % _DRAWN_EVERY == 0
        if place < self.ahead and by_chance and (left := self.wanted & ~seen).any():
            return draw_cell(draw_chances(self.vote, left), self.drawn, self.seed, place)
        ranking = self.doubtful if place < self.ahead else self.ranking
        return next((cell for cell in ranking if self.wanted[cell] and not seen[cell]), -1)

    def chance(self, cell: int, seen: Bools, place: int, evenly: float, *, in_turn: bool) -> float:
        """Compute the probability with which this cell is drawn for a place, before it is seen."""
        if seen[cell]:
            return math.nan
        alike = 1 / (len(seen) - place)
        if not self.of_all or self.order not in ("drawn", "random"):
            return alike if in_turn else math.nan
        if self.order == "random":
            return alike
        if place % _DRAWN_EVERY:
            return alike if in_turn else math.nan
        if place >= self.ahead:  # it is drawn again when its place comes near
            return math.nan
        # Its probability includes both streams, whichever of them it came from.
        return evenly * alike + (1 - evenly) * float(draw_chances(self.vote, ~seen)[cell])


def blind_sample_size(n: int, share: float = BLIND_SHARE) -> int:
    """Count the cells of the random sample, the only ones that are shown blind.

    Parameters
    ----------
    n : int
        Number of cells.
    share : float

    Returns
    -------
    int
    """
    return math.ceil(share * n - 1e-9)


def _turns_due(places: int, n: int, share: float) -> int:
    """Count the cells of the random sample whose turn is among the first places of the queue."""
    if places >= n:
        return blind_sample_size(n, share)
    return math.floor(share * max(places - BLIND_FROM, 0) + 1e-9)


def _ranking(order: QueueOrder, vote: Vote, clusters: Ints, drawn: Ints) -> Ints:
    if order == "random":
        return drawn
    if order == "drawn":
        return np.argsort(-draw_chances(vote), kind="stable")
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
    # Each stream fills its own places; a cell that is in both takes the earlier one.
    place = np.arange(len(turns))
    place += place // (_ROUNDS_EVERY - 1)
    return doubtful[np.argsort(np.minimum(place, _ROUNDS_EVERY * (rounds + 1) - 1))]


def _turns(groups: Ints) -> Ints:
    """Count the earlier members of its group for each place."""
    sort = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[sort], groups[sort])
    turns = np.empty(len(groups), dtype=np.int64)
    turns[sort] = np.arange(len(groups)) - starts
    return turns


def seen_cells(
    cells: Sequence[str], reviews: Sequence[Review], *, blind: bool = False
) -> tuple[Bools, dict[int, int]]:
    """Find the reviewed cells, and those that were skipped and never answered.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    reviews : sequence of Review
    blind : bool
        Whether to count blind reviews only.

    Returns
    -------
    seen : ndarray of bool, shape (n,)
        Whether each cell was answered or skipped.
    skipped : dict from cell number to int
        Position of the last review of each cell that has no answer.
    """
    place = {cell: number for number, cell in enumerate(cells)}
    seen = np.zeros(len(cells), dtype=bool)
    skipped: dict[int, int] = {}
    answered: set[int] = set()
    for at, review in enumerate(reviews):
        cell = place.get(review.cell)
        if cell is None or (blind and not review.blind):
            continue
        seen[cell] = True
        if review.answer == SKIPPED:
            skipped[cell] = at
        else:
            answered.add(cell)
    return seen, {cell: at for cell, at in skipped.items() if cell not in answered}


def wait_for_blind(
    cells: Sequence[str], reviews: Sequence[Review], *, share: float = BLIND_SHARE, seed: int = 0
) -> Bools:
    """Find the cells of the random sample that have no blind answer yet.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    reviews : sequence of Review
    share : float
    seed : int
        All as for :func:`review_queue`.

    Returns
    -------
    ndarray of bool, shape (n,)
        Cells that :func:`review_queue` shows blind. Their answers cannot be used to estimate the
        accuracy if a reader sees their predictions first.
    """
    waiting = np.zeros(len(cells), dtype=bool)
    waiting[sample_order(cells, seed)[: blind_sample_size(len(cells), share)]] = True
    seen, skipped = seen_cells(cells, reviews, blind=True)
    seen[[*skipped]] = False
    return np.asarray(waiting & ~seen, dtype=bool)


def random_sample(
    cells: Sequence[str], reviews: Sequence[Review], *, share: float = BLIND_SHARE, seed: int = 0
) -> list[int]:
    """List the cells of the random sample that have been reviewed.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    reviews : sequence of Review
        Reviews of all readers.
    share : float
    seed : int
        Both as for :func:`review_queue`.

    Returns
    -------
    list of int
        The first cells of :func:`sample_order`, as long as each was reviewed blind, up to the last
        one that was asked after all cells before it or whose turn in the queue has come. A cell
        that the queue asked early because it was doubtful is not included earlier, so that the list
        is a random sample of all cells.
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
    places = int(seen_cells(cells, reviews)[0].sum())
    due = len(cells) if places == len(cells) else _turns_due(places, len(cells), share)
    return order[: max(in_turn, min(unseen, due))].tolist()
