"""The thread of the app that checks watched folders, whether a page is open or not."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies.records import Watch
from celltransfer_core.studies.watching import Watcher
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.web.addresses import current_workspace
from celltransfer_core.web.folders import importable, watchable

EVERY = 10.0
"""Seconds between two checks of a watched folder."""

_SOON = 1.0  # seconds for which the app waits for the thread when it ends

_log = logging.getLogger(__name__)

_watchers: dict[Path, Watcher] = {}  # by workspace; of this process


@asynccontextmanager
async def watch_folders(_: object) -> AsyncIterator[None]:
    """Check watched folders while the app runs.

    Parameters
    ----------
    _ : App

    Yields
    ------
    None
    """
    ended = threading.Event()
    # A daemon: a folder on a disk that no longer answers must not keep the process from ending.
    thread = threading.Thread(target=_keep_checking, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_SOON)


def _keep_checking(ended: threading.Event) -> None:
    """Check until the app ends, whatever goes wrong."""
    told, watcher = "", None
    while not ended.wait(EVERY):
        try:
            if watcher is None:
                workspace = current_workspace()
                watcher = _watchers[workspace.folder] = Watcher(workspace, watchable, ended)
            watcher.check()
            told = ""
        except Exception as error:
            if str(error) != told:  # once, not every ten seconds
                unknown = not isinstance(error, CellTransferError)
                _log.warning("Watched folders cannot be checked: %s", error, exc_info=unknown)
            told = str(error)


def watch_folder(workspace: Workspace, study: str, folder: str, who: str) -> Watch:
    """Begin to watch a folder on the server for a study.

    Parameters
    ----------
    workspace : Workspace
    study : str
    folder : str
    who : str

    Returns
    -------
    Watch

    Raises
    ------
    CellTransferError
        If the folder may not be imported from or cannot be read, or the study already has a watched
        folder.
    """
    chosen = watchable(str(importable(folder)))
    return workspace.watch(study, str(chosen), who)


def unsaved_problem(workspace: Workspace, study: str) -> str:
    """Return why the last check failed, if even that could not be stored.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    str
        Empty if the stored state is true.
    """
    watcher = _watchers.get(workspace.folder)
    return watcher.unsaved.get(study, "") if watcher else ""
