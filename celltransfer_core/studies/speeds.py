"""Speeds of the phases of earlier jobs, learned from timetables and stored in the workspace.

Speeds are smoothed, so that one job on a busy machine does not dominate the next estimate. They are
used only to estimate durations.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from celltransfer_core.errors import OutputError
from celltransfer_core.pipeline.phases import speed_of
from celltransfer_core.runtime.files import read_if_whole, write_atomically
from celltransfer_core.studies.timetable import Timetable
from celltransfer_core.studies.workspace import Workspace

_WEIGHT = 0.5  # weight of the last job, against all earlier ones
_LEAST = 0.1  # s: nothing is learned from shorter phases


def load_speeds(workspace: Workspace) -> Mapping[str, float]:
    """Read the speeds of a workspace.

    Parameters
    ----------
    workspace : Workspace

    Returns
    -------
    mapping from phase to float
        Seconds per unit of work; see :func:`~celltransfer_core.pipeline.phases.estimate_phases`.
    """
    return read_if_whole(_path(workspace), _read) or {}


def learn_speeds(workspace: Workspace, timetable: Timetable) -> None:
    """Store how fast the phases of a job were; if that cannot be written, nothing is learned.

    Parameters
    ----------
    workspace : Workspace
    timetable : Timetable
        Phases that were partly done before the job are ignored.
    """
    speeds = dict(load_speeds(workspace))
    for stop in timetable.passed:
        if stop.before or not stop.phase.work or not stop.taken or stop.taken < _LEAST:
            continue
        name, new = stop.phase.name, speed_of(stop.phase, stop.taken)
        old = speeds.get(name, new)
        # Average of ratios: twice as slow counts as much as twice as fast.
        speeds[name] = math.exp((1 - _WEIGHT) * math.log(old) + _WEIGHT * math.log(new))
    with suppress(OutputError):
        write_atomically(_path(workspace), json.dumps(speeds, indent=1).encode())


def _path(workspace: Workspace) -> Path:
    return workspace.folder / "cache" / "speeds.json"


def _read(path: Path) -> dict[str, float]:
    kept = json.loads(path.read_bytes())
    return {str(name): float(speed) for name, speed in kept.items() if float(speed) > 0}
