"""Review: which cells to look at, and what the answers say.

Query cells come in two streams. Most places of the queue go to cells in the order that the reader
chose. A share goes to a random sample of all query cells, which are shown blind, that is without
their prediction, and counted in their turn: it is the only part that says how often the vote is
right. Cells that were picked because they are doubtful are wrong more often than the rest, and a
prediction that is seen draws the reader towards it.

Wherever reviews are handed in they are in the order they were made, and those of cells that are no
longer there are passed over.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np

from celltransfer_core.matching import NONE_TYPE
from celltransfer_core.types import Bools, Float64, Ints, Labels
from celltransfer_core.voting import Vote

UNSURE = "unsure"
"""The reader looked and cannot tell."""
ARTEFACT = "artefact"
"""Not one whole cell: a smudge, two cells, dirt."""
SKIPPED = "skip"
"""Not answered; the cell comes back at the end of the queue."""
DISPUTED = "disputed"
"""Readers differ, and none of the answers has more of them than any other."""

ANSWERS = (NONE_TYPE, UNSURE, ARTEFACT, SKIPPED, DISPUTED)
"""What is written where else a type stands; a type may have none of these names."""

BLIND_SHARE = 0.1
"""Part of the queue that is the random sample: dearer than it looks, for a random cell teaches the
vote hardly anything."""

BLIND_FROM = 20
"""Cells that are looked at before the first turn of the random sample: the first answers teach
most, and an estimate from a cell or two says nothing."""

Order = Literal["least certain", "random", "cluster", "type", "disagreement"]
ORDERS: tuple[Order, ...] = get_args(Order)

_ROUNDS_EVERY = 4  # places of the queue, one goes to the types and clusters that take turns
_BREAK = 120  # seconds without an answer after which the reader was away


@dataclass(frozen=True)
class Review:
    """One answer of one reader on one cell."""

    cell: str
    """Hash of the cell's image."""
    answer: str
    """Name of a type, or ``UNSURE``, ``ARTEFACT`` or ``SKIPPED``."""
    reader: str
    time: str
    """ISO 8601."""
    blind: bool
    """Whether the cell was shown without its prediction, as part of the random sample."""


@dataclass(frozen=True)
class ReviewQueue:
    """Cells to look at, k of them, in this order."""

    cells: Ints
    """Numbers of query cells, shape (k,)."""
    blind: Bools
    """Whether to show each without its prediction and keep ``blind`` in its review, shape (k,)."""


@dataclass(frozen=True)
class Estimate:
    """A share of right predictions and its interval."""

    right: int
    cells: int
    accuracy: float
    """In [0, 1]; NaN without any cell."""
    low: float
    high: float


@dataclass(frozen=True)
class SampleAccuracy:
    """What the random sample says of the vote."""

    overall: Estimate
    by_type: Mapping[str, Estimate]
    """Of the cells predicted to be of each type, how many are."""
    drawn: int
    """Cells of the sample so far; those below are among them and in no estimate."""
    unsure: int
    artefact: int
    skipped: int
    disputed: int


@dataclass(frozen=True)
class Disagreement:
    """A cell that two readers named differently."""

    cell: str
    first: str
    second: str


@dataclass(frozen=True)
class Concordance:
    """How far two readers agree."""

    cells: int
    """Cells to which both gave a type, or said artefact."""
    agreed: int
    unsure: int
    """Cells that both answered and at least one was unsure of; not among ``cells``."""
    kappa: float
    """Cohen's; NaN without any cell, or where both know but one and the same answer."""
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True)
class FinalTypes:
    """What stands for each of n cells."""

    reviewed: Labels
    """What readers say: a type, ``artefact``, ``unsure``, ``disputed`` or nothing, shape (n,)."""
    final: Labels
    """What to count the cell as: a type, ``artefact`` or ``disputed``, shape (n,)."""
    reader: Labels
    """Who answered, joined by ``; ``, shape (n,)."""
    time: Labels
    """When the last of them did, ISO 8601, shape (n,)."""
    unsure: Bools
    """The readers cannot tell, so that ``final`` is the prediction, shape (n,)."""
    disputed: Bools
    """The readers differ, shape (n,)."""


@dataclass(frozen=True)
class ReviewProgress:
    """How far a review is, and how fast it goes."""

    outcomes: Mapping[str, int]
    """Cells that were accepted, changed, artefact, unsure, disputed; they sum to ``answered``."""
    answered: int
    skipped: int
    total: int
    cells_per_minute: float
    """NaN until two answers were given without a break between them."""
    minutes_left: float
    """NaN where the speed is."""


def read_reviews(payloads: Iterable[Mapping[str, Any]]) -> list[Review]:
    """Read reviews from what a study keeps of them.

    Parameters
    ----------
    payloads : iterable of mapping
        Of decisions of the kind ``review``: the fields of :class:`Review`, and maybe more.

    Returns
    -------
    list of Review
        In the same order.
    """
    return [
        Review(p["cell"], p["answer"], p["reader"], p["time"], bool(p["blind"])) for p in payloads
    ]


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


def voters_split(choices: Ints) -> Float64:
    """Measure how the voters are split over each cell.

    Parameters
    ----------
    choices : ndarray of int64, shape (V, n)
        First choice of every voter.

    Returns
    -------
    ndarray of float64, shape (n,)
        Share of the pairs of voters that differ, in [0, 1]; 0 with a single voter.
    """
    voters, n = choices.shape
    if voters < 2:
        return np.zeros(n)
    alike = np.zeros(n)
    for chosen in np.unique(choices):
        count = (choices == chosen).sum(axis=0)
        alike += count * (count - 1)
    return 1 - alike / (voters * (voters - 1))


def review_queue(
    cells: Sequence[str],
    vote: Vote,
    clusters: Ints,
    reviews: Sequence[Review],
    *,
    order: Order = "least certain",
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
    if order not in ORDERS:
        raise ValueError(f"There is no order {order!r}; there are {', '.join(ORDERS)}.")
    if not 0 <= share <= 1:
        raise ValueError(f"The share is {share}, not between 0 and 1.")
    wanted = np.ones(len(cells), dtype=bool) if only is None else np.asarray(only, dtype=bool)
    drawn = sample_order(cells, seed)
    sample = drawn[: _sample_size(len(cells), share)]
    ranking = _ranking(order, vote, clusters, np.roll(drawn, -len(sample)))
    sampled = np.zeros(len(cells), dtype=bool)
    sampled[sample] = True

    looked, skipped = _looked_at(cells, reviews)
    asked, blind_skipped = _looked_at(cells, reviews, blind=True)
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


def _ranking(order: Order, vote: Vote, clusters: Ints, drawn: Ints) -> Ints:
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


def _looked_at(
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
    places = int(_looked_at(cells, reviews)[0].sum())
    due = len(cells) if places == len(cells) else _turns_due(places, len(cells), share)
    return order[: max(in_turn, min(unseen, due))].tolist()


def wilson(right: int, cells: int, confidence: float = 0.95) -> Estimate:
    """Estimate a share with Wilson's interval.

    Parameters
    ----------
    right, cells : int
    confidence : float
        Probability that the interval holds the true share.

    Returns
    -------
    Estimate
        From 0 to 1 without any cell.
    """
    if not cells:
        return Estimate(0, 0, math.nan, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = right / cells
    spread = 1 + z**2 / cells
    middle = (p + z**2 / (2 * cells)) / spread
    half = z * math.sqrt(p * (1 - p) / cells + z**2 / (4 * cells**2)) / spread
    low = 0.0 if right == 0 else middle - half
    high = 1.0 if right == cells else middle + half
    return Estimate(right, cells, p, low, high)


def cells_needed(half_width: float, *, accuracy: float = 0.5, confidence: float = 0.95) -> int:
    """Say how many cells of the random sample an interval needs.

    Parameters
    ----------
    half_width : float
        Half the width that Wilson's interval should have, such as 0.05 for ± 5 points.
    accuracy : float
        What to expect; 0.5 needs the most.
    confidence : float

    Returns
    -------
    int
        Cells with an answer that counts.

    Raises
    ------
    ValueError
        If half the width is not between 0 and 0.5.
    """
    if not 0 < half_width < 0.5:
        raise ValueError(f"Half the width is {half_width}, not between 0 and 0.5.")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    # The width as above, solved for u = z² / cells.
    a = half_width**2 - 0.25
    b = 2 * half_width**2 - accuracy * (1 - accuracy)
    u = (-b - math.sqrt(b**2 - 4 * a * half_width**2)) / (2 * a)
    return math.ceil(z**2 / u - 1e-9)


def sample_accuracy(
    cells: Sequence[str],
    predicted: Sequence[str],
    reviews: Sequence[Review],
    *,
    share: float = BLIND_SHARE,
    seed: int = 0,
    confidence: float = 0.95,
) -> SampleAccuracy:
    """Estimate from the random sample how often the vote is right.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    predicted : sequence of str, length n
        Must not have learnt from these very reviews.
    reviews : sequence of Review
        Answers of those that are blind count; the others say how far the queue is. Several readers
        of one cell settle it as in :func:`final_types`.
    share : float
    seed : int
        Both as for :func:`review_queue`.
    confidence : float
        Of the intervals.

    Returns
    -------
    SampleAccuracy
        Over :func:`random_sample`. Unsure, artefact, skipped and disputed cells are counted apart.
        An answer that the reference has no type for counts as a wrong prediction. The intervals
        take the query for large.
    """
    sample = random_sample(cells, reviews, share=share, seed=seed)
    blind = [one for one in reviews if one.blind]
    words = _words(blind)
    settled = {cell: _settle(words.get(cells[cell], {}).values()) for cell in sample}
    apart = Counter(settled.values())
    counted = [c for c in sample if settled[c] not in ("", UNSURE, ARTEFACT, DISPUTED)]
    asked = Counter(predicted[cell] for cell in counted)
    right = Counter(predicted[cell] for cell in counted if settled[cell] == predicted[cell])
    return SampleAccuracy(
        overall=wilson(right.total(), asked.total(), confidence),
        by_type={
            name: wilson(right[name], asked[name], confidence)
            for name in sorted({str(name) for name in predicted})
        },
        drawn=len(sample),
        unsure=apart[UNSURE],
        artefact=apart[ARTEFACT],
        skipped=apart[""],
        disputed=apart[DISPUTED],
    )


def cohen_kappa(reviews: Sequence[Review], first: str, second: str) -> Concordance:
    """Compare two readers.

    Parameters
    ----------
    reviews : sequence of Review
    first, second : str
        Readers.

    Returns
    -------
    Concordance
        Over the last answer of each on the cells that both answered. Artefact is an answer like a
        type; cells that one of them is unsure of are counted apart.
    """
    from sklearn.metrics import cohen_kappa_score

    both = {
        cell: (said[first].answer, said[second].answer)
        for cell, said in _words(reviews).items()
        if first in said and second in said
    }
    certain = {cell: pair for cell, pair in both.items() if UNSURE not in pair}
    pairs = list(certain.values())
    several = len({answer for pair in pairs for answer in pair}) > 1
    return Concordance(
        cells=len(pairs),
        agreed=sum(one == other for one, other in pairs),
        unsure=len(both) - len(certain),
        kappa=float(cohen_kappa_score(*zip(*pairs, strict=True))) if several else math.nan,
        disagreements=tuple(
            Disagreement(cell, *pair) for cell, pair in certain.items() if pair[0] != pair[1]
        ),
    )


def reader_pairs(reviews: Sequence[Review]) -> list[tuple[str, str]]:
    """List the pairs of readers who answered at least one cell both.

    Parameters
    ----------
    reviews : sequence of Review

    Returns
    -------
    list of (str, str)
        Those with the most cells in common first.
    """
    together: Counter[tuple[str, str]] = Counter()
    for said in _words(reviews).values():
        together.update(combinations(sorted(said), 2))
    return sorted(together, key=lambda pair: (-together[pair], pair))


def final_types(
    cells: Sequence[str], predicted: Sequence[str], reviews: Sequence[Review]
) -> FinalTypes:
    """Put what the readers said beside what was predicted.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    predicted : sequence of str, length n
        Types; they stay as they are.
    reviews : sequence of Review

    Returns
    -------
    FinalTypes
        The last answer of each reader counts; to skip takes none back. The answer with the most
        readers is the reviewed type, so that a third reader settles what two differ on; who is
        unsure leaves it to the others. The final type is the reviewed one. Where all are unsure it
        is the prediction, the best guess there is, and is marked so. A dispute stays one until a
        reader yields: the vote is no judge between two people.
    """
    words = _words(reviews)
    reviewed, final, reader, time = list[str](), list[str](), list[str](), list[str]()
    for cell, guess in zip(cells, predicted, strict=True):
        said = words.get(cell, {})
        settled = _settle(said.values())
        reviewed.append(settled)
        final.append(str(guess) if settled in ("", UNSURE) else settled)
        reader.append("; ".join(said))
        time.append(list(said.values())[-1].time if said else "")
    return FinalTypes(
        reviewed=np.array(reviewed, dtype=str),
        final=np.array(final, dtype=str),
        reader=np.array(reader, dtype=str),
        time=np.array(time, dtype=str),
        unsure=np.array([word == UNSURE for word in reviewed], dtype=bool),
        disputed=np.array([word == DISPUTED for word in reviewed], dtype=bool),
    )


def settled_answers(reviews: Iterable[Review]) -> dict[str, str]:
    """Settle what readers say of each cell that was answered.

    Parameters
    ----------
    reviews : iterable of Review

    Returns
    -------
    dict from a cell's hash to its answer
        As ``reviewed`` of :func:`final_types`: a type, ``none``, ``unsure``, ``artefact`` or
        ``disputed``.
    """
    return {cell: _settle(said.values()) for cell, said in _words(reviews).items()}


def _words(reviews: Iterable[Review]) -> dict[str, dict[str, Review]]:
    """Collect the last answer of each reader on each cell, who answered last at the end."""
    words: dict[str, dict[str, Review]] = {}
    for review in reviews:
        if review.answer != SKIPPED:
            said = words.setdefault(review.cell, {})
            said.pop(review.reader, None)
            said[review.reader] = review
    return words


def _settle(said: Iterable[Review]) -> str:
    answers = [review.answer for review in said]
    counts = Counter(answer for answer in answers if answer != UNSURE).most_common()
    if not counts:
        return UNSURE if answers else ""
    if len(counts) > 1 and counts[0][1] == counts[1][1]:
        return DISPUTED
    return counts[0][0]


def review_progress(
    cells: Sequence[str], predicted: Sequence[str], reviews: Sequence[Review], *, last: int = 50
) -> ReviewProgress:
    """Say how far a review is and how fast it goes.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    predicted : sequence of str, length n
    reviews : sequence of Review
        Speed is that of all readers together; hand in one reader's for theirs.
    last : int
        Answers that speed is measured on.

    Returns
    -------
    ReviewProgress
        Two minutes without an answer are a break and do not count, nor do the answers that end it:
        how long they took is not known.
    """
    settled = final_types(cells, predicted, reviews).reviewed
    answered = int((settled != "").sum())
    apart = (ARTEFACT, UNSURE, DISPUTED)
    found = Counter(
        word if word in apart else "accepted" if word == guess else "changed"
        for word, guess in zip(settled.tolist(), predicted, strict=True)
        if word
    )
    known = set(cells)
    # Whole seconds, so that several cells answered at one stroke share one.
    seconds = [
        math.floor(dt.datetime.fromisoformat(one.time).timestamp())
        for one in reviews
        if one.answer != SKIPPED and one.cell in known
    ][-last:]
    strokes, counts = np.unique(seconds, return_counts=True)
    gaps = np.diff(strokes)
    at_work = gaps <= _BREAK
    speed = 60 * float(counts[1:][at_work].sum() / gaps[at_work].sum()) if at_work.any() else None
    return ReviewProgress(
        outcomes={name: found[name] for name in ("accepted", "changed", *apart)},
        answered=answered,
        skipped=len(_looked_at(cells, reviews)[1]),
        total=len(cells),
        cells_per_minute=speed or math.nan,
        minutes_left=(len(cells) - answered) / speed if speed else math.nan,
    )
