"""Damaged images of a study: find them, list their file names, and ask for the files again.

Uploading these files again repairs the study.
"""

from __future__ import annotations

from collections.abc import Sequence

from celltransfer_core.data.dataset import read_stored
from celltransfer_core.errors import ImageError
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import Progress, silent

_SHOWN = 3  # names in a sentence


def damaged_files(workspace: Workspace, study: str, progress: Progress = silent) -> tuple[str, ...]:
    """Read every image of a study; list the files whose stored image is damaged or missing.

    Parameters
    ----------
    workspace : Workspace
    study : str
    progress : callable

    Returns
    -------
    tuple of str
        Sorted. From now on each counts as missing, so that it is stored when it is sent again.
    """
    sets = [workspace.dataset(image_set) for image_set in workspace.sets(study)]
    files = [pair for one in sets for pair in zip(one.files, one.sha256, strict=True)]
    found = set()
    for number, (name, sha256) in enumerate(files):
        if number % 100 == 0:
            progress("checking the images", number, len(files))
        try:
            read_stored(workspace.images, sha256)
        except (OSError, ImageError):
            found.add(name)
    return tuple(sorted(found))


def ask_again(names: Sequence[str]) -> str:
    """Ask the user for the files whose image is damaged.

    Parameters
    ----------
    names : sequence of str
        At least one.

    Returns
    -------
    str
        A sentence that names the first ones.
    """
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    images = "1 image is" if len(names) == 1 else f"{len(names):,} images are"
    them = "it" if len(names) == 1 else "them"
    return (
        f"{images} damaged on disk or missing: {', '.join(names[:_SHOWN])}{more}. Add {them} again "
        "on the Data page, then continue; nothing else is lost."
    )
