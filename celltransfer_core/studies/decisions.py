"""People's decisions in a study: confirmed matches, edited clusters, reviewed cells.

Decisions are only ever added. Undoing one marks it as undone, so that two readers never overwrite
each other, and it stays known who decided what and when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from celltransfer_core.studies.database import (
    Database,
    DecisionRow,
    JobRow,
    StudyRow,
    to_record,
)
from celltransfer_core.studies.records import BATCH_REVIEW, Decision, clean_name, now

_READ_AT_ONCE = 100  # decisions


def decision_counts(study: str) -> tuple[ColumnElement[int], ...]:
    """Return columns whose values change with every decision of a study.

    Parameters
    ----------
    study : str

    Returns
    -------
    tuple of column
        For a statement on other tables: ``decided`` (number of decisions), ``last`` (id of the
        last one, None if there are none), ``undone`` (number of undone decisions).
    """
    counted = select(func.count()).where(DecisionRow.study == study)
    last = select(func.max(DecisionRow.id)).where(DecisionRow.study == study)
    undone = counted.where(DecisionRow.undone.is_(True))
    return (
        counted.scalar_subquery().label("decided"),
        last.scalar_subquery().label("last"),
        undone.scalar_subquery().label("undone"),
    )


@dataclass(frozen=True)
class _Pulse:
    """Values of which at least one changes whenever anything in a study does."""

    changed: str
    deleted: str | None
    decided: int
    last: int
    undone: int
    jobs: tuple[tuple[str, str], ...]
    """Id and state."""

    @property
    def text(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def _strokes(rows: Iterator[DecisionRow]) -> Iterator[list[DecisionRow]]:
    """Group decisions, the latest first, by what was decided together.

    Decisions made together are stored in one transaction, so their rows are consecutive.
    """
    for row in rows:
        yield [row, *islice(rows, row.payload.get("together", 1) - 1)]


def _concerns(rows: Sequence[DecisionRow], among: Collection[str] | None) -> bool:
    return among is None or any(row.payload.get("cell") in among for row in rows)


class DecisionTable(Database):
    """The table of decisions."""

    def decide(self, study: str, kind: str, payload: Mapping[str, Any], who: str) -> Decision:
        """Store a decision; it is on disk when this returns.

        Parameters
        ----------
        study : str
        kind : str
            ``match``, ``cluster``, ``cluster-name``, ``keep``, ``expect``, ``review``,
            ``batch-review``, ``label`` or ``filter``. Answers on a batch are allowed after the
            study was signed off, because a batch is not part of what was signed.
        payload : mapping
            JSON values: what was decided, and for which cells.
        who : str

        Returns
        -------
        Decision
        """
        return self.decide_all(study, kind, [payload], who)[0]

    def decide_all(
        self, study: str, kind: str, payloads: Sequence[Mapping[str, Any]], who: str
    ) -> tuple[Decision, ...]:
        """Store several decisions at once, all or none.

        Parameters
        ----------
        study : str
        kind : str
        payloads : sequence of mapping
        who : str

        Returns
        -------
        tuple of Decision
        """
        who = clean_name(who)

        def add(session: Session) -> tuple[Decision, ...]:
            self._touch(session, study, beside=kind == BATCH_REVIEW)
            rows = self._add(session, study, kind, payloads, who)
            return tuple(to_record(Decision, row) for row in rows)

        return self._transact(add)

    def decide_first(
        self, study: str, payloads: Mapping[str, Sequence[Mapping[str, Any]]], who: str
    ) -> None:
        """Store the first decisions of a study at once, unless anybody has decided anything in it.

        Parameters
        ----------
        study : str
        payloads : mapping from kind to sequence of mapping
        who : str
        """
        who = clean_name(who)
        earlier = select(DecisionRow.id).where(DecisionRow.study == study).limit(1)

        def add(session: Session) -> None:
            self._touch(session, study)
            if session.scalar(earlier) is None:
                for kind, some in payloads.items():
                    self._add(session, study, kind, some, who)

        self._transact(add)

    def decide_unseen(
        self, study: str, kind: str, payloads: Sequence[Mapping[str, Any]], who: str, seen: str
    ) -> str:
        """Store several decisions of a person without reporting them back as changes.

        Parameters
        ----------
        study, kind, payloads, who
            See :meth:`decide_all`.
        seen : str
            From :meth:`pulse`: the state of the study that the person sees.

        Returns
        -------
        str
            The pulse with the new decisions, if nothing else has changed since ``seen``;
            otherwise ``seen`` itself, so that the other changes are noticed.
        """
        who = clean_name(who)

        def add(session: Session) -> str:
            before = self._pulse(session, study, lock=True)
            changed = self._touch(session, study, beside=kind == BATCH_REVIEW).changed
            rows = self._add(session, study, kind, payloads, who)
            if before is None or before.text != seen or not rows:
                return seen
            return replace(
                before,
                changed=changed,
                decided=before.decided + len(rows),
                last=max(row.id for row in rows),
            ).text

        return self._transact(add)

    def _add(
        self,
        session: Session,
        study: str,
        kind: str,
        payloads: Sequence[Mapping[str, Any]],
        who: str,
    ) -> list[DecisionRow]:
        rows = [
            DecisionRow(study=study, kind=kind, payload=dict(p), who=who, at=now(), undone=False)
            for p in payloads
        ]
        session.add_all(rows)
        session.flush()
        return rows

    def decisions(self, study: str, kind: str | None = None) -> tuple[Decision, ...]:
        """List the decisions that were not undone, oldest first.

        Parameters
        ----------
        study : str
        kind : str, optional

        Returns
        -------
        tuple of Decision
        """
        query = select(DecisionRow).where(DecisionRow.study == study, DecisionRow.undone.is_(False))
        if kind:
            query = query.where(DecisionRow.kind == kind)
        with self._session() as session:
            rows = session.scalars(query.order_by(DecisionRow.id))
            return tuple(to_record(Decision, row) for row in rows)

    def readers(self) -> dict[str, tuple[str, ...]]:
        """List, by study, the people with decisions that were not undone.

        Returns
        -------
        dict from study to tuple of str
            Sorted names.
        """
        found: dict[str, set[str]] = {}
        query = select(DecisionRow.study, DecisionRow.who).where(
            DecisionRow.undone.is_(False), DecisionRow.who != ""
        )
        with self._session() as session:
            for study, who in session.execute(query.distinct()):
                found.setdefault(study, set()).add(who)
        return {study: tuple(sorted(names)) for study, names in found.items()}

    def count_decisions(self, study: str, kind: str) -> int:
        """Count the decisions that were not undone.

        Parameters
        ----------
        study : str
        kind : str

        Returns
        -------
        int
        """
        query = select(func.count()).where(
            DecisionRow.study == study, DecisionRow.kind == kind, DecisionRow.undone.is_(False)
        )
        with self._session() as session:
            return session.scalar(query) or 0

    def undo(
        self, study: str, kind: str, who: str, among: Collection[str] | None = None
    ) -> tuple[Decision, ...]:
        """Undo the last decision of a person, with all decisions that were made together with it.

        Parameters
        ----------
        study : str
        kind : str
        who : str
        among : collection of str, optional
            Hashes of cells; decisions that concern none of them are passed over.

        Returns
        -------
        tuple of Decision
            The undone decisions, oldest first; empty if there were none.
        """
        own = (
            select(DecisionRow)
            .where(
                DecisionRow.study == study,
                DecisionRow.kind == kind,
                DecisionRow.who == clean_name(who),
                DecisionRow.undone.is_(False),
            )
            .order_by(DecisionRow.id.desc())
        )

        def undo(session: Session) -> tuple[Decision, ...]:
            self._touch(session, study, beside=kind == BATCH_REVIEW)
            some = own.execution_options(yield_per=_READ_AT_ONCE)
            with closing(session.scalars(some)) as found:
                rows = next((one for one in _strokes(found) if _concerns(one, among)), [])
            for row in rows:
                row.undone = True
            return tuple(to_record(Decision, row) for row in reversed(rows))

        return self._transact(undo)

    def pulse(self, study: str) -> str:
        """Return a text that changes whenever anything in a study does.

        Parameters
        ----------
        study : str

        Returns
        -------
        str
        """
        with self._session() as session:
            found = self._pulse(session, study)
        return found.text if found else ""

    def _pulse(self, session: Session, study: str, *, lock: bool = False) -> _Pulse | None:
        """Read the pulse in one statement, optionally locked against changes by others."""
        query = (
            select(StudyRow, *decision_counts(study), JobRow.id, JobRow.state)
            .outerjoin(JobRow, JobRow.study == StudyRow.id)
            .where(StudyRow.id == study)
            .order_by(JobRow.created, JobRow.id)
        )
        rows = session.execute(query.with_for_update(of=StudyRow) if lock else query).all()
        if not rows:
            return None
        first = rows[0]
        return _Pulse(
            changed=first.StudyRow.changed,
            deleted=first.StudyRow.deleted,
            decided=first.decided,
            last=first.last or 0,
            undone=first.undone,
            jobs=tuple((row.id, row.state) for row in rows if row.id is not None),
        )
