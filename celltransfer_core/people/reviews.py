"""Reviews: answers of readers on query cells, and the reviewed and final type of each cell.

Readers see query cells from two streams. Most places of the queue go to cells in the order that the
reader chose, by default drawn with known probabilities. The other places go to a random sample of
all query cells, which are shown blind, that is, without their prediction, because a visible
prediction influences the reader. Cells selected for doubt are wrong more often than the rest; only
randomly drawn cells allow inference on all cells, each weighted by its probability.

Reviews are always in the order in which they were made. Reviews of cells that are no longer in the
query are ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from celltransfer_core.types import Bools, Labels
from celltransfer_core.vocabulary import DISPUTED, SKIPPED, UNSURE


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
    chance: float | None = None
    """Probability with which the queue drew the cell for its place; None if the cell was chosen
    otherwise or the probability was not recorded."""
    source: str = ""
    """File from which the answer was imported; empty for answers given in this study. An imported
    answer counts only for its own cell, because it is unknown how the cell was selected."""


@dataclass(frozen=True)
class FinalTypes:
    """Reviewed and final types of n cells."""

    reviewed: Labels
    """Settled answers: a type, ``artefact``, ``unsure``, ``disputed`` or empty, shape (n,)."""
    final: Labels
    """Final type of each cell: a type, ``artefact`` or ``disputed``, shape (n,)."""
    reader: Labels
    """Readers who answered, joined by ``"; "``, shape (n,)."""
    time: Labels
    """Time of the last answer, ISO 8601, shape (n,)."""
    unsure: Bools
    """Whether all readers are unsure, so that ``final`` is the prediction, shape (n,)."""
    disputed: Bools
    """Whether the readers disagree, shape (n,)."""

    def deciders(self, otherwise: str) -> Labels:
        """Name who decided the final type of each cell.

        Parameters
        ----------
        otherwise : str
            Name for cells whose final type is the prediction.

        Returns
        -------
        ndarray of str, shape (n,)
            The readers, joined by ``"; "``; empty where they disagree.
        """
        predicted = (self.reviewed == "") | self.unsure
        return np.where(predicted, otherwise, np.where(self.disputed, "", self.reader))


def read_reviews(payloads: Iterable[Mapping[str, Any]]) -> list[Review]:
    """Read reviews from the stored decisions of a study.

    Parameters
    ----------
    payloads : iterable of mapping
        Decisions of the kind ``review``, the oldest first: the fields of :class:`Review`, its
        source as ``from``, and ``counts`` if an imported answer counts like those given in this
        study; other fields are ignored. An answer of None withdraws its reader's answers on the
        cell.

    Returns
    -------
    list of Review
        Reviews in the same order. A withdrawn answer is treated as if the cell had been skipped:
        its place in the queue is unchanged, because the probabilities of later cells depend on it.
    """
    found: list[Review] = []
    given: dict[tuple[str, str], list[int]] = {}
    for p in payloads:
        places = given.setdefault((p["cell"], p["reader"]), [])
        if p["answer"] is None:
            for place in places:
                found[place] = replace(found[place], answer=SKIPPED)
            continue
        places.append(len(found))
        chance, source = p.get("chance"), "" if p.get("counts") else p.get("from", "")
        found.append(
            Review(p["cell"], p["answer"], p["reader"], p["time"], bool(p["blind"]), chance, source)
        )
    return found


def final_types(
    cells: Sequence[str], predicted: Sequence[str], reviews: Sequence[Review]
) -> FinalTypes:
    """Settle the answers on each cell and set its final type.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    predicted : sequence of str, length n
        Types; they are not changed.
    reviews : sequence of Review

    Returns
    -------
    FinalTypes
        The last answer of each reader counts; a cell that is skipped later keeps its answer. The
        answer of the most readers is the reviewed type, so that a third reader settles a dispute
        between two; readers who are unsure do not count. The final type is the reviewed type. If
        all readers are unsure, it is the prediction, and the cell is marked as unsure. A dispute
        lasts until a reader changes their answer: the vote does not decide between people.

    Examples
    --------
    >>> review = Review("c0", "b", "Ann", "2026-01-01T00:00:00+00:00", blind=False)
    >>> final_types(["c0", "c1"], ["a", "a"], [review]).final.tolist()
    ['b', 'a']
    """
    answers = last_answers(reviews)
    reviewed, final, reader, time = list[str](), list[str](), list[str](), list[str]()
    for cell, guess in zip(cells, predicted, strict=True):
        given = answers.get(cell, {})
        settled = settle(given.values()) if given else ""
        reviewed.append(settled)
        final.append(str(guess) if settled in ("", UNSURE) else settled)
        reader.append("; ".join(given))
        time.append(list(given.values())[-1].time if given else "")
    return FinalTypes(
        reviewed=np.array(reviewed, dtype=str),
        final=np.array(final, dtype=str),
        reader=np.array(reader, dtype=str),
        time=np.array(time, dtype=str),
        unsure=np.array([answer == UNSURE for answer in reviewed], dtype=bool),
        disputed=np.array([answer == DISPUTED for answer in reviewed], dtype=bool),
    )


def settled_answers(reviews: Iterable[Review]) -> dict[str, str]:
    """Settle the answers on each cell that was answered.

    Parameters
    ----------
    reviews : iterable of Review

    Returns
    -------
    dict from a cell's hash to its answer
        Answer as in ``reviewed`` of :func:`final_types`: a type, ``none``, ``unsure``, ``artefact``
        or ``disputed``.
    """
    return {cell: settle(given.values()) for cell, given in last_answers(reviews).items()}


def last_answers(reviews: Iterable[Review]) -> dict[str, dict[str, Review]]:
    """Collect the last answer of each reader on each cell.

    Parameters
    ----------
    reviews : iterable of Review

    Returns
    -------
    dict from a cell's hash to a dict from reader to Review
        The reader who answered last comes last. Skipped cells are omitted.
    """
    answers: dict[str, dict[str, Review]] = {}
    for review in reviews:
        if review.answer != SKIPPED:
            given = answers.setdefault(review.cell, {})
            given.pop(review.reader, None)
            given[review.reader] = review
    return answers


def settle(reviews: Iterable[Review]) -> str:
    """Settle the answers of several readers on one cell.

    Parameters
    ----------
    reviews : iterable of Review
        One review per reader.

    Returns
    -------
    str
        The answer of the most readers who are not unsure, ``disputed`` if several tie, ``unsure``
        if all are unsure, or empty without reviews.

    Examples
    --------
    >>> reviews = [Review("c0", answer, "", "", blind=False) for answer in ("a", "b", "b")]
    >>> settle(reviews), settle(reviews[:2])
    ('b', 'disputed')
    """
    answers = [review.answer for review in reviews]
    counts = Counter(answer for answer in answers if answer != UNSURE).most_common()
    if not counts:
        return UNSURE if answers else ""
    if len(counts) > 1 and counts[0][1] == counts[1][1]:
        return DISPUTED
    return counts[0][0]
