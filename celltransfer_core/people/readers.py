"""Comparison of readers with each other and with the vote: agreement and changed types."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from celltransfer_core.people.accuracy import Estimate, wilson
from celltransfer_core.people.reviews import Review, last_answers, settled_answers
from celltransfer_core.vocabulary import DISPUTED, UNSURE


@dataclass(frozen=True)
class Disagreement:
    """A cell on which two readers gave different answers."""

    cell: str
    first: str
    second: str


@dataclass(frozen=True)
class TypeAgreement:
    """Agreement of two readers on one type."""

    first: int
    second: int
    """Numbers of cells to which each reader gave this type."""
    both: int
    kappa: float
    """Cohen's kappa of this type against all others; NaN if both gave it to every cell."""


@dataclass(frozen=True)
class Concordance:
    """Agreement of two readers."""

    cells: int
    """Number of cells to which both gave a type or ``artefact``."""
    agreed: int
    unsure: int
    """Number of cells that both answered and at least one was unsure of; not included in
    ``cells``."""
    kappa: float
    """Cohen's kappa; NaN without cells, or if both gave the same single answer throughout."""
    disagreements: tuple[Disagreement, ...]
    by_type: Mapping[str, TypeAgreement]
    """Agreement on each answer that either gave, against all others, in alphabetical order."""


@dataclass(frozen=True)
class Reclassification:
    """How often people changed the proposed type."""

    overall: Estimate
    """Share of changed cells; ``right`` is the number of changed cells."""
    by_type: Mapping[str, Estimate]
    """Share of changed cells among those proposed as each type."""


def cohen_kappa(reviews: Sequence[Review], first: str, second: str) -> Concordance:
    """Compare two readers by Cohen's kappa.

    Parameters
    ----------
    reviews : sequence of Review
    first, second : str
        Readers.

    Returns
    -------
    Concordance
        Agreement of the last answers on the cells that both answered. ``artefact`` is treated like
        a type; cells that one of them is unsure of are counted separately.

    Examples
    --------
    >>> answers = {"Ann": "aabb", "Bob": "aabb"}
    >>> reviews = [
    ...     Review(f"c{number}", answer, reader, "", blind=False)
    ...     for reader, given in answers.items()
    ...     for number, answer in enumerate(given)
    ... ]
    >>> cohen_kappa(reviews, "Ann", "Bob").kappa
    1.0
    """
    both = {
        cell: (given[first].answer, given[second].answer)
        for cell, given in last_answers(reviews).items()
        if first in given and second in given
    }
    certain = {cell: pair for cell, pair in both.items() if UNSURE not in pair}
    pairs = list(certain.values())
    names = sorted({answer for pair in pairs for answer in pair})
    return Concordance(
        cells=len(pairs),
        agreed=sum(one == other for one, other in pairs),
        unsure=len(both) - len(certain),
        kappa=_kappa(pairs),
        disagreements=tuple(
            Disagreement(cell, *pair) for cell, pair in certain.items() if pair[0] != pair[1]
        ),
        by_type={
            name: TypeAgreement(
                first=sum(one == name for one, _ in pairs),
                second=sum(other == name for _, other in pairs),
                both=sum(one == other == name for one, other in pairs),
                kappa=_kappa([(one == name, other == name) for one, other in pairs]),
            )
            for name in names
        },
    )


def _kappa(pairs: Sequence[tuple[object, object]]) -> float:
    """Compute Cohen's kappa; NaN if there is only one distinct answer."""
    from sklearn.metrics import cohen_kappa_score

    if len({answer for pair in pairs for answer in pair}) < 2:
        return math.nan
    return float(cohen_kappa_score(*zip(*pairs, strict=True)))


def reader_pairs(reviews: Sequence[Review]) -> list[tuple[str, str]]:
    """List the pairs of readers who both answered at least one cell.

    Parameters
    ----------
    reviews : sequence of Review

    Returns
    -------
    list of (str, str)
        In descending order of the number of cells that both answered.
    """
    together: Counter[tuple[str, str]] = Counter()
    for given in last_answers(reviews).values():
        together.update(combinations(sorted(given), 2))
    return sorted(together, key=lambda pair: (-together[pair], pair))


def reclassification(
    cells: Sequence[str], predicted: Sequence[str], reviews: Sequence[Review]
) -> Reclassification:
    """Compute how often people changed the proposed type, as laboratories report it.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    predicted : sequence of str, length n
        Types from a vote in which a cell's own answer has no part.
    reviews : sequence of Review

    Returns
    -------
    Reclassification
        Shares over the cells whose answer is a type, ``none`` or ``artefact``. They apply only to
        the reviewed cells, which are more doubtful than the others.

    Examples
    --------
    >>> reviews = [Review(cell, "b", "Ann", "", blind=False) for cell in ("c0", "c1")]
    >>> found = reclassification(["c0", "c1", "c2"], ["a", "b", "a"], reviews)
    >>> found.overall.right, found.overall.cells
    (1, 2)
    """
    settled = settled_answers(reviews)
    read = [
        (str(name), settled[cell])
        for cell, name in zip(cells, predicted, strict=True)
        if settled.get(cell, UNSURE) not in (UNSURE, DISPUTED)
    ]
    asked = Counter(name for name, _ in read)
    changed = Counter(name for name, answer in read if answer != name)
    return Reclassification(
        wilson(changed.total(), len(read)),
        {name: wilson(changed[name], asked[name]) for name in sorted(asked)},
    )
