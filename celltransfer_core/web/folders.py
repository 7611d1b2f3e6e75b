"""Folders on the server that files may be imported from, as listed by the administrator."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from celltransfer_core.data.passed_over import is_of_systems
from celltransfer_core.errors import DataError

ROOTS = "CELLTRANSFER_ROOTS"
"""Environment variable: folders on the server that may be imported from, as in ``PATH``."""

_OFFERED = 200


def import_roots() -> tuple[Path, ...]:
    """List the folders on the server that may be imported from.

    Returns
    -------
    tuple of Path
        Empty unless the administrator lists some in :data:`ROOTS`.
    """
    return tuple(root for root in _listed() if root.is_dir())


def _listed() -> list[Path]:
    """List the roots, whether they are there now or not."""
    listed = os.environ.get(ROOTS, "").split(os.pathsep)
    return [Path(root).resolve() for root in listed if root.strip()]


def importable(path: str) -> Path:
    """Resolve a folder on the server, if files may be imported from it.

    Parameters
    ----------
    path : str

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If it is in none of :func:`import_roots` after following links, or is not a folder.
    """
    try:
        folder = Path(path.strip()).resolve()
        if any(folder.is_relative_to(root) for root in import_roots()) and folder.is_dir():
            return folder
    except (OSError, ValueError, RuntimeError):  # for example a NUL, or a link to itself
        pass
    raise DataError(
        "This folder does not exist or may not be imported from; ask your administrator to list "
        f"it in {ROOTS}."
    )


def watchable(path: str) -> Path:
    """Resolve a folder that was importable when somebody chose it, to look at it again.

    Parameters
    ----------
    path : str

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If it is in none of the listed roots any more, or cannot be read now; with the reason.
    """
    try:
        folder = Path(path).resolve()
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path} cannot be found ({error}).") from error
    if not any(folder.is_relative_to(root) for root in _listed()):
        raise DataError(
            f"{path} is no longer in a folder that may be imported from, so it is not read; ask "
            f"your administrator to list it in {ROOTS}."
        )
    try:
        if not folder.exists():
            raise DataError(
                f"{path} does not exist now: it was renamed, moved or deleted, or its disk is not "
                "connected."
            )
        if not folder.is_dir():
            raise DataError(f"{path} is no longer a folder.")
        with os.scandir(folder):
            return folder
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror}).") from error


def offered_folders() -> tuple[str, ...]:
    """List folders to choose from: the roots and the folders in them.

    Returns
    -------
    tuple of str
        At most 200. Deeper folders can be imported from too.
    """
    found: list[str] = []
    for root in import_roots():
        found.append(str(root))
        with suppress(OSError), os.scandir(root) as entries:
            inside = (one for one in entries if one.is_dir(follow_symlinks=False))
            found += sorted(one.path for one in inside if not is_of_systems(one.name))
    return tuple(dict.fromkeys(found))[:_OFFERED]
