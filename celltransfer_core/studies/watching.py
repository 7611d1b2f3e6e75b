"""Watched folders, checked in turn: new files are added to batches, and a job types them.

A check never ends with an error: what went wrong is stored with the watched folder, where pages
show it, and tried again with the next check.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celltransfer_core.errors import CellTransferError, OutputError, StudyError
from celltransfer_core.studies.arriving_files import Added, Arrivals, Seen, add_files
from celltransfer_core.studies.batches import taught_run
from celltransfer_core.studies.owners import answer_for, is_alive
from celltransfer_core.studies.processes import SILENCE, current_job, start
from celltransfer_core.studies.records import BATCH, Watch, now
from celltransfer_core.studies.workspace import Workspace

RETRY = 600.0
"""Seconds after which typing that failed is tried again without a new file."""

_SHOWN = 3  # places that cannot be read

_log = logging.getLogger(__name__)


class _LostError(Exception):
    """The folder is no longer watched, or by another process."""


@dataclass
class _Held:
    """What this process knows about a watched folder that it owns."""

    arrivals: Arrivals
    cells: Counter[str] = field(default_factory=Counter)
    """Number of cells added by this check, by batch."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Number of files that this check left out, by reason."""
    dealt: int = 0
    """Number of files that this check dealt with."""
    unsaved: dict[str, Any] = field(default_factory=dict)
    """What earlier updates could not store, for example on a full disk, by column."""

    def begin(self) -> None:
        """Begin a check."""
        self.cells, self.left_out, self.dealt = Counter(), Counter(), 0

    def count(self, batch: str, part: Added) -> None:
        """Count files that were dealt with."""
        self.cells[batch] += part.cells
        self.left_out += part.left_out
        self.dealt += len(part.files)


class Watcher:
    """Checks the watched folders of a workspace, as far as no other process does.

    Parameters
    ----------
    workspace : Workspace
    allowed : callable
        Takes the path of a folder and returns the folder to read. It raises a
        :class:`~celltransfer_core.errors.CellTransferError` with the reason if that folder may not
        be read, or cannot be read now.
    ended : Event, optional
        Set when the process is about to end.

    Attributes
    ----------
    unsaved : dict from study to str
        Problems that could not be stored, for example on a full disk.
    """

    def __init__(
        self,
        workspace: Workspace,
        allowed: Callable[[str], Path],
        ended: threading.Event | None = None,
    ) -> None:
        self.workspace, self.allowed = workspace, allowed
        self.ended = ended or threading.Event()
        self.unsaved: dict[str, str] = {}
        self._held: dict[tuple[str, str], _Held] = {}
        self._logged: set[str] = set()
        self._signs: dict[str, tuple[str | None, int, float]] = {}

    def check(self) -> None:
        """Check each watched folder once.

        Raises
        ------
        CellTransferError
            If the workspace cannot be read.
        """
        watches = self.workspace.watches()
        wanted = {(one.study, one.since) for one in watches}
        self._held = {key: held for key, held in self._held.items() if key in wanted}
        studies = {study for study, _ in wanted}
        self.unsaved = {one: said for one, said in self.unsaved.items() if one in studies}
        for watch in watches:
            if self.ended.is_set():
                return
            try:
                self._check(watch)
                self.unsaved.pop(watch.study, None)
            except _LostError:
                self._held.pop((watch.study, watch.since), None)
            except Exception as error:  # stored by the next check that can
                self.unsaved[watch.study] = self._reason(error)

    def _check(self, watch: Watch) -> None:
        owner = answer_for(self.workspace.folder)
        held = self._hold(watch, owner)
        if held is None:
            return
        problems = []
        for step in (self._add, self._type):
            try:
                self._refuse_archived(watch)
                problems += step(watch, owner, held)
            except _LostError:
                raise
            except Exception as error:
                problems.append(self._reason(error))
        told = " ".join(dict.fromkeys(problems))
        self._update(watch, owner, held, checked=now(), problem=told)

    def _refuse_archived(self, watch: Watch) -> None:
        study = self.workspace.study(watch.study)
        if study.archived:
            raise StudyError(
                f"{study.name} is archived; nothing is added. To go on, take it out of the archive "
                "on the Studies page."
            )

    def _hold(self, watch: Watch, owner: str) -> _Held | None:
        """Become the owner of a watched folder, unless another process checks it."""
        key = (watch.study, watch.since)
        if watch.owner == owner and key in self._held:
            return self._held[key]
        self._held.pop(key, None)
        if watch.owner not in (None, owner) and self._lives(watch):
            return None
        if not self.workspace.own_watch(watch, owner):
            return None
        taken = self.workspace.taken_files(watch)
        done: Seen = {name: (size, at) for name, (size, at) in taken.items()}
        self._held[key] = held = _Held(Arrivals(Path(watch.folder), done))
        return held

    def _lives(self, watch: Watch) -> bool:
        """Tell whether the owner of a watched folder is alive, without the time of day."""
        owner, beat, since = self._signs.get(watch.study, (None, 0, 0.0))
        if (owner, beat) != (watch.owner, watch.beat):
            since = time.monotonic()
            self._signs[watch.study] = (watch.owner, watch.beat, since)
        if is_alive(watch.owner or "", self.workspace.folder) is False:
            return False
        return time.monotonic() - since <= SILENCE

    def _update(self, watch: Watch, owner: str, held: _Held, **values: Any) -> None:
        """Store what was found; what cannot be stored now is stored by the next update."""
        held.unsaved |= values
        if not self.workspace.update_watch(watch, owner, **held.unsaved):
            raise _LostError
        held.unsaved = {}

    def _reason(self, error: Exception) -> str:
        """Say why a check failed; log an unknown error once, not with every check."""
        if isinstance(error, CellTransferError):
            return str(error)
        told = f"Internal error ({type(error).__name__}: {error}). Please report it."
        if told not in self._logged:
            self._logged.add(told)
            _log.error("A watched folder could not be checked.", exc_info=error)
        return told

    def _add(self, watch: Watch, owner: str, held: _Held) -> list[str]:
        """Add the files that have arrived; return what went wrong."""
        arrivals = held.arrivals
        arrivals.folder = self.allowed(watch.folder)
        settled = arrivals.look()
        problems = [f"{one}." for one in arrivals.unread[:_SHOWN]]
        if not settled:
            return problems
        taught_run(self.workspace, watch.study)
        held.begin()
        try:
            for head, files in arrivals.batches(settled).items():
                try:
                    problems += self._add_batch(watch, owner, held, head, files)
                except OutputError as error:  # the others could not be written either
                    problems.append(str(error))
                    break
                except CellTransferError as error:
                    problems.append(str(error))
        finally:
            if held.dealt:
                arrivals.forget_gone()
                self._update(watch, owner, held, taken=arrivals.done)
        return problems

    def _add_batch(
        self, watch: Watch, owner: str, held: _Held, head: str, files: Seen
    ) -> list[str]:
        """Add the files of a sub-folder, or of the folder itself."""
        self._update(watch, owner, held)
        arrivals, unread = held.arrivals, Counter[str]()
        name = arrivals.name_of(head)
        folder = self.allowed(str(arrivals.folder / head))
        for part in add_files(self.workspace, watch.study, folder, name, files):
            arrivals.settle(head, part.files)
            held.count(name, part)
            unread += part.unread
            values: dict[str, Any] = {}
            if part.cells or part.left_out:
                batches, left_out = dict(+held.cells), dict(held.left_out)
                values["added"] = {"at": now(), "batches": batches, "left_out": left_out}
            if part.changed:
                values["arrived"] = now()
            self._update(watch, owner, held, **values)
            if self.ended.is_set():
                raise _LostError
        # Without the names of the files, which may reveal types.
        return [
            f"{count:,} of the files of {name} cannot be read ({reason})."
            for reason, count in sorted(unread.items())
        ]

    def _type(self, watch: Watch, owner: str, held: _Held) -> list[str]:  # noqa: ARG002
        """Start a job for the batches that have changed, once no other job runs."""
        latest = self.workspace.watched(watch.study)
        since = latest.arrived if latest else None
        if since is None:
            return []
        job = current_job(self.workspace, watch.study)
        if job and job.active:
            return []
        jobs = (one for one in self.workspace.jobs(watch.study) if one.target == BATCH)
        last = next((one for one in jobs if one.created >= since), None)
        if last and last.state in ("done", "cancelled"):
            return []
        if last and 0 <= _age(last.ended or last.created) < RETRY:
            return [last.message]
        made = start(self.workspace, watch.study, BATCH)
        return [made.message] if made.state == "failed" else []


def _age(at: str) -> float:
    """Return the seconds since a moment."""
    return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(at)).total_seconds()
