"""The timetable of a job: every phase with its expected and its actual duration.

A timetable is made before the work begins and updated whenever a phase begins. At any moment it
gives the share of the whole job that is done and the remaining time. The durations of past phases
correct the expected durations of those to come. It is stored as JSON in the job's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from celltransfer_core.runtime.progress import Phase
from celltransfer_core.studies.records import Job

_STEADY = 1.0
"""Seconds of expected work that weigh against a correction: one second teaches little."""

_MOST = 10.0
"""Largest factor by which a phase can be slower or faster than expected and affect the others."""

_TRUSTED = 0.25
"""Share of a phase after which only its own pace counts."""

_OVERDUE = 0.5
"""Remaining time of a phase that takes longer than expected, as a share of the excess."""


@dataclass(frozen=True)
class Stop:
    """One phase of a job."""

    phase: Phase
    taken: float | None = None
    """Its duration in seconds; None until it has ended."""
    begun: bool = False
    before: int = 0
    """How much of it was done before the job, in the phase's own units."""


@dataclass(frozen=True)
class Outlook:
    """The progress of a job over all its phases."""

    share: float
    """Share of its whole duration that has passed, 0 to 1."""
    left: float
    """Remaining seconds."""
    number: int
    """Number of the current phase, from 1."""
    of: int
    """Total number of phases."""


@dataclass(frozen=True)
class Timetable:
    """The phases of a job, finished ones first."""

    stops: tuple[Stop, ...] = ()

    @classmethod
    def of(cls, phases: Sequence[Phase]) -> Timetable:
        """Make the timetable of a job that has not begun.

        Parameters
        ----------
        phases : sequence of Phase
            Phases in the expected order.

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
        """Whether it was made before the work began, with expected durations."""
        return any(stop.phase.seconds for stop in self.stops)

    @property
    def passed(self) -> tuple[Stop, ...]:
        """Finished phases, in order."""
        return tuple(stop for stop in self.stops if stop.taken is not None)

    @property
    def _now(self) -> Stop | None:
        return next((s for s in self.stops if s.begun and s.taken is None), None)

    @property
    def _coming(self) -> tuple[Stop, ...]:
        return tuple(stop for stop in self.stops if not stop.begun)

    def begin(self, name: str, spent: float, done: int = 0, total: int = 1) -> Timetable:
        """Begin a phase; the current one has ended.

        Parameters
        ----------
        name : str
            If it was not expected, it is inserted; phases expected before it are dropped.
        spent : float
            Seconds that the phase that has ended took.
        done, total : int
            How much of the new phase was done before the job, in the phase's own units.

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
        """End the current phase, which is the last one.

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
        """Return the progress of the job.

        Parameters
        ----------
        spent : float
            Seconds of the current phase so far.
        done, total : int
            In the units of that phase.

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
            if 0 < done < total:  # the part that is done informs the coming phases
                seen.append((now.phase.seconds * done / total, spent))
        left += _pace(seen) * sum(stop.phase.seconds for stop in self._coming)
        so_far = sum(stop.taken or 0.0 for stop in self.stops) + (spent if now else 0.0)
        share = so_far / (so_far + left) if so_far + left else 0.0
        number = len(self.passed) + (1 if now else 0)
        return Outlook(share, left, max(1, number), max(1, len(self.stops)))


def _pace(seen: Sequence[tuple[float, float]]) -> float:
    """Return how much slower work is than expected, from expected and actual durations."""
    bounded = (min(max(taken, given / _MOST), given * _MOST) for given, taken in seen)
    return (_STEADY + sum(bounded)) / (_STEADY + sum(given for given, _ in seen))


def outlook_of(job: Job, silent: float = 0.0) -> Outlook | None:
    """Return the progress of a running job.

    Parameters
    ----------
    job : Job
        The job as it was last read.
    silent : float
        Seconds since its last heartbeat; see
        :func:`~celltransfer_core.studies.processes.silence`.

    Returns
    -------
    Outlook or None
        None until its phases are known.
    """
    table = Timetable.read(job.timetable)
    if job.state != "running" or not table.is_planned:
        return None
    return table.outlook(job.beat - job.phase_began + silent, job.done, job.total)


def _left_of(expected: float, spent: float, done: int, total: int) -> float:
    """Return the remaining seconds of a phase, from its expected duration and its own pace."""
    left = max(expected - spent, _OVERDUE * (spent - expected), spent / 10)
    if not 0 < done < total:
        return 0.0 if done >= total else left
    trust = min(1.0, done / total / _TRUSTED)
    return trust * spent * (total - done) / done + (1 - trust) * left
