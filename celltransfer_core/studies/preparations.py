"""Large files for download: written in the background, stored by key, sent from disk.

No page waits for such a file, and none is held in memory. The files are stored with the study's
results, so that a restart loses nothing, and are deleted with the study.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import Progress


@dataclass
class Preparation:
    """Progress of a file."""

    done: int = 0
    total: int = 0
    problem: str = ""
    """Why the file could not be made; empty if there is no problem."""
    future: Future[None] | None = None


_lock = threading.Lock()
_under_way: dict[Path, Preparation] = {}
_maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="exports")


def export_path(workspace: Workspace, study: str, name: str, suffix: str, *decides: Any) -> Path:
    """Return the path of a file, whether it exists or not.

    Parameters
    ----------
    workspace : Workspace
    study : str
        Its id.
    name : str
        Lower-case letters and hyphens.
    suffix : str
        Such as ``.zip``.
    *decides
        Everything that determines its contents; JSON values.

    Returns
    -------
    Path
    """
    key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    return workspace.result_path(study, f"export-{name}", key).with_suffix(suffix)


def start_preparation(path: Path, write: Callable[[Path, Progress], object]) -> Future[None]:
    """Write a file in the background, one at a time; older files of the same name are deleted.

    Parameters
    ----------
    path : Path
        From :func:`export_path`.
    write : callable
        Writes the file to a path, completely or not at all, and reports its progress.

    Returns
    -------
    Future
        Done when the file is written; :func:`preparation` gives the progress. If the file is
        already being written, the same future.
    """
    with _lock:
        state = _under_way.get(path)
        if state is not None and not state.problem and state.future is not None:
            return state.future
        state = _under_way[path] = Preparation()
        state.future = _maker.submit(_make, path, write, state)
        return state.future


def _make(path: Path, write: Callable[[Path, Progress], object], state: Preparation) -> None:
    def progress(_: str, done: int, total: int) -> None:
        state.done, state.total = done, total

    try:
        name = _name_of(path)
        for old in path.parent.glob(f"{name}-*{path.suffix}"):
            if _name_of(old) == name:
                old.unlink(missing_ok=True)
        write(path, progress)
    except CellTransferError as error:
        state.problem = str(error)
    except Exception as error:
        state.problem = f"Internal error ({type(error).__name__}: {error}). Please report it."
    else:
        with _lock:
            del _under_way[path]


def _name_of(path: Path) -> str:
    return path.stem.rsplit("-", 1)[0]


def wait() -> None:
    """Wait until all files that were started are written."""
    _maker.submit(lambda: None).result()


def preparation(path: Path) -> Preparation | None:
    """Return the progress of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Preparation or None
        None if it is not being written: it exists, or was never started.
    """
    with _lock:
        return _under_way.get(path)
