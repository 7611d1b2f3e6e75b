"""All answers given in a study: who answered what, when, and what the answer replaced.

The list is built from the decisions. It covers answers to cells and to clusters, including those
that were changed or taken back later. Undone answers are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from celltransfer_core.studies.payloads import Payload, review_payloads
from celltransfer_core.studies.records import BATCH_REVIEW, Decision, now
from celltransfer_core.studies.renamed import decisions_now
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import NONE_TYPE, SKIPPED


@dataclass(frozen=True)
class Answer:
    """One answer, with the current names of types."""

    decision: int
    """Number of the decision that stores it; ascending in time."""
    kind: Literal["cell", "cluster"]
    cells: tuple[str, ...]
    """Hash of the cell; shortened hashes of a cluster's cells."""
    cluster: int | None
    """Number that the cluster had."""
    reader: str
    who: str
    """Owner of the decision, who alone can change it: the reader, or the person who imported it."""
    at: str
    """When it was given, ISO 8601."""
    said: str | None
    """A type or another answer; None if it takes back an earlier answer."""
    before: str
    """The previous answer for the cell, or for most cells of the cluster; empty if none."""
    blind: bool
    source: str
    """File that the answer was imported from; empty if it was given here."""
    batch: bool
    """Whether the cell belongs to a batch that was added to the study later."""
    left: tuple[str, ...]
    """The cells for which the answer still stands; empty once later answers replaced it for all."""

    @property
    def stands(self) -> bool:
        """Whether the answer counts now."""
        return bool(self.left) and self.said is not None


def list_answers(workspace: Workspace, study: str) -> tuple[Answer, ...]:
    """List all answers to cells and clusters.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    tuple of Answer
        The latest first, without skipped cells. Kept in memory until something in the study
        changes.
    """
    snapshot = workspace.snapshot(study)

    def make() -> tuple[Answer, ...]:
        found = [
            *_of_cells(decisions_now(workspace, snapshot, "review")),
            *_of_cells(decisions_now(workspace, snapshot, BATCH_REVIEW)),
            *_of_clusters(decisions_now(workspace, snapshot, "match")),
        ]
        return tuple(sorted(found, key=lambda one: -one.decision))

    return workspace.derive(snapshot, "answers", make)


def _of_cells(decisions: Sequence[Decision]) -> list[Answer]:
    found: list[Answer] = []
    last: dict[tuple[str, str], int] = {}
    for decision in decisions:
        p = decision.payload
        if p["answer"] == SKIPPED:
            continue
        of = p["cell"], p["reader"]
        before = last.get(of)
        said = found[before].said if before is not None else None
        if before is not None:
            found[before] = replace(found[before], left=())
        last[of] = len(found)
        found.append(
            Answer(
                decision=decision.id,
                kind="cell",
                cells=(p["cell"],),
                cluster=None,
                reader=p["reader"],
                who=decision.who,
                at=p["time"],
                said=p["answer"],
                before=said or "",
                blind=bool(p["blind"]),
                source=p.get("from", ""),
                batch=decision.kind == BATCH_REVIEW,
                left=(p["cell"],),
            )
        )
    return found


def _of_clusters(decisions: Sequence[Decision]) -> list[Answer]:
    last: dict[str, int] = {}
    before: list[str] = []
    for number, decision in enumerate(decisions):
        cells = decision.payload["cells"]
        known = [decisions[last[one]].payload["type"] or "" for one in cells if one in last]
        most = Counter(known).most_common(1)
        before.append(most[0][0] if most and 2 * most[0][1] > len(cells) else "")
        last.update(dict.fromkeys(cells, number))
    return [
        Answer(
            decision=decision.id,
            kind="cluster",
            cells=tuple(decision.payload["cells"]),
            cluster=decision.payload.get("cluster"),
            reader=decision.who,
            who=decision.who,
            at=decision.at,
            said=decision.payload["type"],
            before=before[number],
            blind=False,
            source="",
            batch=False,
            left=tuple(one for one in decision.payload["cells"] if last[one] == number),
        )
        for number, decision in enumerate(decisions)
    ]


def revised_payloads(
    answers: Sequence[Answer], said: str | None, types: Sequence[str]
) -> dict[str, list[Payload]]:
    """Build the payloads that replace some answers by another one.

    Parameters
    ----------
    answers : sequence of Answer
        Answers that no longer stand are skipped.
    said : str or None
        The new answer for all of them; None takes the answers back.
    types : sequence of str
        Types of the reference; any other type of a cluster is marked as new.

    Returns
    -------
    dict from kind of decision to list of dict
        All payloads of a kind are undone together. The new answers are not blind: the person who
        revises them has seen more than the cell.
    """
    cells = [one for one in answers if one.stands and one.kind == "cell"]
    clusters = [one for one in answers if one.stands and one.kind == "cluster"]
    new = {} if said in (None, NONE_TYPE, *types) else {"new": True}
    time = now()
    found: dict[str, list[Payload]] = {}
    for kind in ("review", BATCH_REVIEW):
        some = [one for one in cells if one.batch == (kind == BATCH_REVIEW)]
        if some:
            found[kind] = [
                {**payload, "together": len(some)}
                for one in some
                for payload in review_payloads([(one.cells[0], said, False)], one.reader, time)
            ]
    if clusters:
        found["match"] = [
            {
                "cells": [*one.left],
                "type": said,
                "cluster": one.cluster,
                "together": len(clusters),
                **new,
            }
            for one in clusters
        ]
    return found
