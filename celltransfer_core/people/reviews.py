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

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
        settled = settle(said.values())
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
    return {cell: settle(said.values()) for cell, said in _words(reviews).items()}


def _words(reviews: Iterable[Review]) -> dict[str, dict[str, Review]]:
    """Collect the last answer of each reader on each cell, who answered last at the end."""
    words: dict[str, dict[str, Review]] = {}
    for review in reviews:
        if review.answer != SKIPPED:
            said = words.setdefault(review.cell, {})
            said.pop(review.reader, None)
            said[review.reader] = review
    return words


def settle(said: Iterable[Review]) -> str:
    answers = [review.answer for review in said]
    counts = Counter(answer for answer in answers if answer != UNSURE).most_common()
    if not counts:
        return UNSURE if answers else ""
    if len(counts) > 1 and counts[0][1] == counts[1][1]:
        return DISPUTED
    return counts[0][0]
