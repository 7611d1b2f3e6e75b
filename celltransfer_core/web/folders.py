"""Folders on the server that files may be imported from, as listed by the administrator."""

from __future__ import annotations

import os
from pathlib import Path

from celltransfer_core.errors import DataError

ROOTS = "CELLTRANSFER_ROOTS"
"""Environment variable: folders on the server that may be imported from, as in ``PATH``."""


def import_roots() -> tuple[Path, ...]:
    """List the folders on the server that may be imported from.

    Returns
    -------
    tuple of Path
        Empty unless the administrator lists some in :data:`ROOTS`.
    """
    listed = os.environ.get(ROOTS, "").split(os.pathsep)
    return tuple(Path(root).resolve() for root in listed if root.strip() and Path(root).is_dir())


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
