"""The timetable of a job: every phase with the time it was given and the time it took.

A timetable is made before the work begins, is brought up to date whenever a phase begins, and tells
at any moment how much of the whole job is done and how long it takes yet. What phases took so far
corrects what is expected of those to come. It is kept as JSON in the job's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from celltransfer_core.runtime.progress import Phase
from celltransfer_core.studies.records import Job

_STEADY = 1.0
"""Seconds of a job as expected, that speak against a correction: little is learned of a second."""

_MOST = 10.0
"""Factor by which one phase can be slower or faster than expected, and say so of others."""

_TRUSTED = 0.25
"""Share of a phase after which its own pace is all that counts."""

_OVERDUE = 0.5
"""What a phase that takes longer than expected takes yet, as a share of what it took too long."""


@dataclass(frozen=True)
class Stop:
    """One phase on the way."""

    phase: Phase
    taken: float | None = None
    """Seconds that it took; None until it has ended."""
    begun: bool = False
    before: int = 0
    """How much of it was done before the job, as the phase counts."""


@dataclass(frozen=True)
class Outlook:
    """How far a job is, all phases together."""

    share: float
    """Of its whole time, 0 to 1."""
    left: float
    """Seconds."""
    number: int
    """Of the phase under way, from 1."""
    of: int
    """Phases in all."""


@dataclass(frozen=True)
class Timetable:
    """The phases of a job, those that have ended first."""

    stops: tuple[Stop, ...] = ()

    @classmethod
    def of(cls, phases: Sequence[Phase]) -> Timetable:
        """Make the timetable of a job that has not begun.

        Parameters
        ----------
        phases : sequence of Phase
            In the order in which they are expected.

        Returns
        -------
        Timetable
        """
        return cls(tuple(Stop(phase) for phase in phases))

    @classmethod
    def read(cls, kept: Sequence[Any] | None) -> Timetable:
        """Read a timetable that was written with :meth:`written`.

        Parameters
        ----------
        kept : sequence, or None

        Returns
        -------
        Timetable
        """
        return cls(
            tuple(
                Stop(Phase(name, work, seconds), *rest) for name, work, seconds, *rest in kept or ()
            )
        )

    @property
    def written(self) -> list[list[Any]]:
        """The timetable as JSON values."""
        return [
            [s.phase.name, s.phase.work, s.phase.seconds, s.taken, s.begun, s.before]
            for s in self.stops
        ]

    @property
    def is_planned(self) -> bool:
        """Whether it was made before the work began: times were given."""
        return any(stop.phase.seconds for stop in self.stops)

    @property
    def passed(self) -> tuple[Stop, ...]:
        """Phases that have ended, in their order."""
        return tuple(stop for stop in self.stops if stop.taken is not None)

    @property
    def _now(self) -> Stop | None:
        return next((s for s in self.stops if s.begun and s.taken is None), None)

    @property
    def _coming(self) -> tuple[Stop, ...]:
        return tuple(stop for stop in self.stops if not stop.begun)

    def begin(self, name: str, spent: float, done: int = 0, total: int = 1) -> Timetable:
        """Begin a phase: the one under way has ended.

        Parameters
        ----------
        name : str
            One that was not expected is put in; those that were expected before it are left out.
        spent : float
            Seconds that the phase under way took.
        done, total : int
            How much of it was done before the job, as the phase counts.

        Returns
        -------
        Timetable
        """
        ended = [*self.passed, *([replace(self._now, taken=spent)] if self._now else [])]
        coming = list(self._coming)
        names = [stop.phase.name for stop in coming]
        at = names.index(name) if name in names else -1
        phase = coming[at].phase if at >= 0 else Phase(name, 0, 0.0)
        to_do = 1 - done / total if total else 0.0
        left = replace(phase, work=phase.work * to_do, seconds=phase.seconds * to_do)
        return Timetable((*ended, Stop(left, begun=True, before=done), *coming[at + 1 :]))

    def end(self, spent: float) -> Timetable:
        """End the phase under way, the last one.

        Parameters
        ----------
        spent : float
            Seconds that it took.

        Returns
        -------
        Timetable
        """
        return Timetable((*self.passed, *([replace(self._now, taken=spent)] if self._now else [])))

    def outlook(self, spent: float, done: int, total: int) -> Outlook:
        """Tell how far the job is.

        Parameters
        ----------
        spent : float
            Seconds of the phase under way up to now.
        done, total : int
            As that phase counts.

        Returns
        -------
        Outlook
        """
        now = self._now
        seen = [(stop.phase.seconds, stop.taken or 0.0) for stop in self.passed]
        left = 0.0
        if now:
            done, total = done - now.before, total - now.before
            left = _left_of(_pace(seen) * now.phase.seconds, spent, done, total)
            if 0 < done < total:  # it tells of those to come as far as it is
                seen.append((now.phase.seconds * done / total, spent))
        left += _pace(seen) * sum(stop.phase.seconds for stop in self._coming)
        so_far = sum(stop.taken or 0.0 for stop in self.stops) + (spent if now else 0.0)
        share = so_far / (so_far + left) if so_far + left else 0.0
        number = len(self.passed) + (1 if now else 0)
        return Outlook(share, left, max(1, number), max(1, len(self.stops)))


def _pace(seen: Sequence[tuple[float, float]]) -> float:
    """Tell how much slower work is than expected, from times that were given and taken."""
    bounded = (min(max(taken, given / _MOST), given * _MOST) for given, taken in seen)
    return (_STEADY + sum(bounded)) / (_STEADY + sum(given for given, _ in seen))


def outlook_of(job: Job, silent: float = 0.0) -> Outlook | None:
    """Tell how far a job is that runs.

    Parameters
    ----------
    job : Job
        As it was seen last.
    silent : float
        Seconds since its last sign of life; see
        :func:`~celltransfer_core.studies.processes.silence`.

    Returns
    -------
    Outlook or None
        None before it is known what it will do.
    """
    table = Timetable.read(job.timetable)
    if job.state != "running" or not table.is_planned:
        return None
    return table.outlook(job.beat - job.phase_began + silent, job.done, job.total)


def _left_of(expected: float, spent: float, done: int, total: int) -> float:
    """Tell how many seconds a phase takes yet, by what was expected and by its own pace."""
    left = max(expected - spent, _OVERDUE * (spent - expected), spent / 10)
    if not 0 < done < total:
        return 0.0 if done >= total else left
    trust = min(1.0, done / total / _TRUSTED)
    return trust * spent * (total - done) / done + (1 - trust) * left
