"""Results without absolute paths, so that a workspace can be moved.

The data sets of a result read stored images from a folder; the same result is returned with
another folder in its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from celltransfer_core.data.dataset import Dataset


def seen_from(folder: Path, result: object) -> Any:
    """Make the image paths of a result relative to a folder.

    Parameters
    ----------
    folder : Path
        Folder that the result will be written to.
    result : object

    Returns
    -------
    object
        Shared parts stay shared.
    """
    return _placed(result, lambda root: Path(os.path.relpath(root, folder)), {})


def placed_in(folder: Path, result: object) -> Any:
    """Undo :func:`seen_from`, wherever the folder is now.

    Parameters
    ----------
    folder : Path
        Folder that the result was read from.
    result : object

    Returns
    -------
    object
    """
    return _placed(result, lambda root: Path(os.path.normpath(folder / root)), {})


def _placed(value: Any, move: Callable[[Path], Path], done: dict[int, Any]) -> Any:
    if id(value) in done:
        return done[id(value)]
    found = value
    if isinstance(value, Dataset):
        if value.by_hash:
            found = replace(value, root=move(value.root))
    elif is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value)}
        if changed := _changed(own, move, done):
            found = replace(value, **changed)
    elif isinstance(value, Mapping):
        if changed := _changed(value, move, done):
            found = {**value, **changed}
    # All items of a tuple are of one kind, so thousands of texts need not be checked one by one.
    elif isinstance(value, tuple) and is_dataclass(next(iter(value), None)):
        moved = tuple(_placed(one, move, done) for one in value)
        found = moved if any(a is not b for a, b in zip(moved, value, strict=True)) else value
    done[id(value)] = found
    return found


def _changed(
    parts: Mapping[Any, Any], move: Callable[[Path], Path], done: dict[int, Any]
) -> dict[Any, Any]:
    moved = {name: _placed(part, move, done) for name, part in parts.items()}
    return {name: part for name, part in moved.items() if part is not parts[name]}
