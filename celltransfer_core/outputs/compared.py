"""Comparison of two runs on the same query cells: which cells changed type, and why.

Compares two :class:`~celltransfer_core.pipeline.result.RunResult`, each with the answers that
count. The result lists the cells whose final type differs, each with the evidence for the change,
and all other differences between the runs. Cells are identified by their images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.config.config import SETTINGS
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.errors import DataError
from celltransfer_core.outputs.votes import voter_label
from celltransfer_core.people.reviews import FinalTypes, Review, final_types
from celltransfer_core.people.updated import DECIDERS, KINDS
from celltransfer_core.pipeline.result import RunResult, type_names
from celltransfer_core.types import Labels
from celltransfer_core.vocabulary import ANSWERS, and_more

if TYPE_CHECKING:
    import pandas as pd

_WEIGHTS = "weights of the voters alone"


@dataclass(frozen=True)
class ReviewedRun:
    """One side of a comparison."""

    name: str
    run: RunResult
    reviews: Sequence[Review]
    """In the order they were made."""

    @cached_property
    def final(self) -> FinalTypes:
        """Reviewed and final type of each query cell."""
        return final_types(self.run.query.cells, self.run.predicted, self.reviews)

    @cached_property
    def voters(self) -> dict[str, Labels]:
        """First choice of each voter in each query cell, by the voter's name in words.

        Empty where a voter has no weight, such as the answers' voter far from all annotated cells.
        """
        run = self.run
        names = [voter_label(voter) for voter in run.voters]
        if run.updated:
            names += [DECIDERS[kind] for kind in KINDS[1:]]
            weights = run.updated.voter_weights
        else:
            weights = np.array([[voter.weight] for voter in run.voters])
        chosen = np.where(weights > 0, np.array(run.types)[run.vote.choices], "")
        return dict(zip(names, chosen, strict=True))


@dataclass(frozen=True)
class Change:
    """A query cell whose final type differs."""

    cell: str
    """Content hash."""
    first: int
    """Index among the query cells of the first run."""
    second: int
    before: str
    after: str
    answer: tuple[str, str] | None
    """People's answers, empty if there are none; None if they are the same in both runs."""
    match: tuple[str, str] | None
    """Type of the cell's cluster; None if it is the same in both runs."""
    lacking: str
    """Whichever of the two types is missing from the other run; empty if both runs have both."""
    voters: tuple[str, ...]
    """Voters of both runs whose first choice differs, in words."""
    joined: tuple[str, ...]
    """Voters of the second run only whose first choice is the type after."""
    gone: tuple[str, ...]
    """Voters of the first run only whose first choice was the type before."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reasons for the change, in words; the strongest first."""
        said = []
        if self.answer:
            before, after = (one or "no answer" for one in self.answer)
            said.append(f"answer: {before} → {after}")
        if self.lacking:
            said.append(f"only one of them uses {self.lacking}")
        if self.match:
            said.append(f"cluster: {self.match[0]} → {self.match[1]}")
        for what, names in (
            ("voters that changed", self.voters),
            ("voters that joined", self.joined),
            ("voters that were removed", self.gone),
        ):
            if names:
                said.append(f"{what}: {'; '.join(names)}")
        return tuple(said) or (_WEIGHTS,)

    @property
    def because(self) -> str:
        """The reasons on one line."""
        return " / ".join(self.reasons)


@dataclass(frozen=True)
class Difference:
    """A difference between two runs other than the types of cells."""

    kind: str
    """``setting``, ``types``, ``reference``, ``query``, ``matches``, ``answers`` or ``voters``."""
    what: str
    first: str
    second: str


@dataclass(frozen=True)
class ComparedRuns:
    """Two runs on the same query cells."""

    first: ReviewedRun
    second: ReviewedRun
    shared: int
    """Query cells that both runs have."""
    changes: tuple[Change, ...]
    """Sorted by the change of type, then in the order of the cells."""
    differences: tuple[Difference, ...]

    @property
    def flows(self) -> dict[tuple[str, str], int]:
        """Number of cells by final type before and after, the largest first."""
        counted = Counter((one.before, one.after) for one in self.changes)
        return dict(sorted(counted.items(), key=lambda flow: (-flow[1], flow[0])))

    def evidence(self, change: Change) -> list[tuple[str, str, str]]:
        """List what each run says about a cell.

        Parameters
        ----------
        change : Change

        Returns
        -------
        list of (str, str, str)
            Name of a property and its values in both runs: the final type, people's answer, the
            type of the cluster, and the first choice of each voter. Empty where there is no value.
        """
        sides = (self.first, change.first), (self.second, change.second)

        def voted(name: str, side: ReviewedRun, cell: int) -> str:
            return str(side.voters[name][cell]) if name in side.voters else ""

        answers = [str(side.final.reviewed[cell]) for side, cell in sides]
        matches = [side.run.matched[cell] for side, cell in sides]
        voters = dict.fromkeys((*self.first.voters, *self.second.voters))
        return [
            ("final type", change.before, change.after),
            ("readers' answer", answers[0], answers[1]),
            ("its cluster", matches[0], matches[1]),
            *((name, voted(name, *sides[0]), voted(name, *sides[1])) for name in voters),
        ]

    def table(self) -> pd.DataFrame:
        """Make the table of changed cells.

        Returns
        -------
        DataFrame
            One row a cell: file, sha256, from, to, confidence_from, confidence_to, because, voters
            (those of both runs whose first choice differs), voters_joined, voters_gone, match_from,
            match_to, answer_from, answer_to.
        """
        import pandas as pd

        first, second = self.first.run, self.second.run
        rows = [
            {
                "file": first.query.first_file[one.first],
                "sha256": one.cell,
                "from": one.before,
                "to": one.after,
                "confidence_from": first.vote.confidence[one.first],
                "confidence_to": second.vote.confidence[one.second],
                "because": one.because,
                "voters": "; ".join(one.voters),
                "voters_joined": "; ".join(one.joined),
                "voters_gone": "; ".join(one.gone),
                "match_from": first.matched[one.first],
                "match_to": second.matched[one.second],
                "answer_from": self.first.final.reviewed[one.first],
                "answer_to": self.second.final.reviewed[one.second],
            }
            for one in self.changes
        ]
        columns = ["file", "sha256", "from", "to", "confidence_from", "confidence_to", "because"]
        columns += ["voters", "voters_joined", "voters_gone"]
        columns += ["match_from", "match_to", "answer_from", "answer_to"]
        return pd.DataFrame(rows, columns=columns)


def compare_runs(first: ReviewedRun, second: ReviewedRun) -> ComparedRuns:
    """Compare two runs cell by cell.

    Parameters
    ----------
    first, second : ReviewedRun

    Returns
    -------
    ComparedRuns

    Raises
    ------
    DataError
        If they have no query cells in common.
    """
    pairs = _pairs(first.run.query, second.run.query)
    if not pairs:
        raise DataError(
            f"{first.name} and {second.name} have no query cell in common; compare two that typed "
            "the same images."
        )
    before, after = first.final.final, second.final.final
    changed = [pair for pair in pairs if before[pair[0]] != after[pair[1]]]
    matched = first.run.matched, second.run.matched
    changes = [_change((first, second), pair, matched) for pair in changed]
    flows = Counter((one.before, one.after) for one in changes)
    changes.sort(key=lambda one: (-flows[one.before, one.after], one.before, one.after, one.first))
    return ComparedRuns(
        first, second, len(pairs), tuple(changes), tuple(_differences(first, second, pairs))
    )


def _pairs(first: Dataset, second: Dataset) -> list[tuple[int, int]]:
    """Find the cells that two sets share, by their images."""
    place = {cell: number for number, cell in enumerate(second.cells)}
    return [(a, place[cell]) for a, cell in enumerate(first.cells) if cell in place]


def _change(
    sides: tuple[ReviewedRun, ReviewedRun],
    pair: tuple[int, int],
    matched: tuple[Sequence[str], Sequence[str]],
) -> Change:
    """Collect the evidence for the change of one cell."""

    def parted(first: object, second: object) -> tuple[str, str] | None:
        found = str(first), str(second)
        return found if found[0] != found[1] else None

    (first, second), (a, b) = sides, pair
    before, after = str(first.final.final[a]), str(second.final.final[b])
    lacking = [
        name
        for name, side in ((after, first), (before, second))
        if name not in side.run.types and name not in ANSWERS
    ]
    return Change(
        cell=first.run.query.cells[a],
        first=a,
        second=b,
        before=before,
        after=after,
        answer=parted(first.final.reviewed[a], second.final.reviewed[b]),
        match=parted(matched[0][a], matched[1][b]),
        lacking=next(iter(lacking), ""),
        voters=tuple(
            name
            for name in first.voters
            if name in second.voters and "" != first.voters[name][a] != second.voters[name][b] != ""
        ),
        joined=_only(second, first, b, after),
        gone=_only(first, second, a, before),
    )


def _only(side: ReviewedRun, other: ReviewedRun, cell: int, name: str) -> tuple[str, ...]:
    """List the voters that only one side has and that vote for a type in a cell."""
    return tuple(
        voter
        for voter, chosen in side.voters.items()
        if voter not in other.voters and chosen[cell] == name
    )


def _differences(
    first: ReviewedRun, second: ReviewedRun, pairs: Sequence[tuple[int, int]]
) -> Iterator[Difference]:
    """Find all other differences between the runs, the most influential first."""
    one, other = first.run, second.run
    for name in one.config.differing(other.config):
        label = SETTINGS[name].label or name.replace("_", " ").capitalize()
        values = (_written(getattr(run.config, name)) for run in (one, other))
        yield Difference("setting", label, *values)
    known = (type_names(run.reference) for run in (one, other))
    yield from _sets("types", "Types of the reference", *known)
    yield from _sets("types", "Types included", one.types, other.types)
    yield from _counted("reference", "Reference cells", one.reference, other.reference)
    mended = sum(
        one.reference.cell_labels[a] != other.reference.cell_labels[b]
        for a, b in _pairs(one.reference, other.reference)
    )
    if mended:
        yield Difference("reference", "Reference cells of another type", "", f"{mended:,}")
    yield from _counted("query", "Query cells", one.query, other.query)
    confirmed = [_confirmed(run) for run in (one, other)]
    if confirmed[0] != confirmed[1]:
        yield Difference("matches", "Clusters with a confirmed type", *map(_listed, confirmed))
    matched = one.matched, other.matched
    apart = sum(matched[0][a] != matched[1][b] for a, b in pairs)
    if apart:
        yield Difference("matches", "Cells whose cluster has another type", "", f"{apart:,}")
    answered = [int((side.final.reviewed != "").sum()) for side in (first, second)]
    parted = sum(first.final.reviewed[a] != second.final.reviewed[b] for a, b in pairs)
    if parted:
        numbers = (f"{number:,}" for number in answered)
        yield Difference("answers", "Cells with a reader's answer", *numbers)
    voters = ([voter_label(voter) for voter in run.voters] for run in (one, other))
    yield from _sets("voters", "Voters", *voters)


def _sets(
    kind: str, what: str, first: Sequence[str], second: Sequence[str]
) -> Iterator[Difference]:
    """Describe which names only one side has."""
    alone = [[name for name in first if name not in second]]
    alone += [[name for name in second if name not in first]]
    if any(alone):
        told = (f"also {and_more(names)}" if names else "" for names in alone)
        yield Difference(kind, what, *told)


def _counted(kind: str, what: str, first: Dataset, second: Dataset) -> Iterator[Difference]:
    """Describe how many cells each side has if they are not the same cells."""
    if first.cells != second.cells:
        shared = len({*first.cells} & {*second.cells})
        told = (
            f"{one.n_cells:,}, of which {one.n_cells - shared:,} only here"
            for one in (first, second)
        )
        yield Difference(kind, what, *told)


def _confirmed(run: RunResult) -> list[tuple[str, int]]:
    """Count the clusters that people confirmed, by their type."""
    counted = Counter(match.matched_type for match in run.matches if match.confirmed)
    return sorted(counted.items())


def _listed(counted: Sequence[tuple[str, int]]) -> str:
    return and_more([f"{name} ({number})" for name, number in counted]) if counted else "none"


def _written(value: object) -> str:
    """Write a setting's value in readable form: voters as ``colour+shape, cell``."""
    if isinstance(value, tuple):
        return ", ".join("+".join(one) if isinstance(one, tuple) else str(one) for one in value)
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "none"}[value]
    return str(value)
