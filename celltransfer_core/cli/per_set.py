"""Options that apply to all sets or to single sets, by folder.

Turns the parsed options into the pixel size, the folder level that names types, the columns of
tables and the displayed channels, each by the full path of a set's folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from celltransfer_core.errors import DataError

if TYPE_CHECKING:
    from celltransfer_core.data.levels import TypesAt

Value = TypeVar("Value")


def pixel_sizes(options: argparse.Namespace) -> dict[Path, float]:
    """Collect the pixel sizes that ``--um-per-px-of`` gives to single sets.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    dict from folder to float
        In µm.

    Raises
    ------
    DataError
        If a name matches no set or several, or a reference or the query is left without a size.
    """
    needed = [*options.reference, options.query]
    sizes: dict[Path, float] = {}
    for name, size in options.um_per_px_of:
        found = {
            f.resolve() for f in (*needed, *options.extra) if name in (str(f), f.resolve().name)
        }
        if len(found) != 1:
            several = "several sets; give the full path" if found else "no set"
            raise DataError(f"--um-per-px-of {name} matches {several}.")
        sizes[found.pop()] = size
    without = [str(folder) for folder in needed if folder.resolve() not in sizes]
    if sizes and without and options.um_per_px is None:
        raise DataError(
            f"--um-per-px-of gives no pixel size for {', '.join(without)}; every reference and the "
            "query need one."
        )
    return sizes


def types_levels(
    given: Sequence[tuple[str, TypesAt]], folders: Sequence[Path]
) -> dict[Path, TypesAt]:
    """Find the levels of folders that name the types, as ``--types-at`` gives them.

    Parameters
    ----------
    given : sequence of (str, level)
        With the name of a set, or without one for all sets.
    folders : sequence of Path

    Returns
    -------
    dict from full path of a folder to int or "innermost"
        Values for a single set override those for all.

    Raises
    ------
    DataError
        If a name matches no set or several.
    """
    return _of_folders("--types-at", given, folders)


def label_columns(
    given: Sequence[tuple[str, dict[str, str]]], folders: Sequence[Path]
) -> dict[Path, dict[str, str]]:
    """Find the columns of tables of labels, as ``--label-columns`` gives them.

    Parameters
    ----------
    given : sequence of (str, dict)
        With the name of a set, or without one for all sets.
    folders : sequence of Path

    Returns
    -------
    dict from full path of a folder to dict
        Values for a single set override those for all.

    Raises
    ------
    DataError
        If a name matches no set or several.
    """
    return _of_folders("--label-columns", given, folders)


def _of_folders(
    option: str, given: Sequence[tuple[str, Value]], folders: Sequence[Path]
) -> dict[Path, Value]:
    """Find an option's value for each folder; values for a named folder override general ones."""
    said: dict[Path, Value] = {}
    for name, value in sorted(given, key=lambda one: bool(one[0])):
        named = {f.resolve() for f in folders if name in ("", str(f), f.resolve().name)}
        if name and len(named) != 1:
            several = "several sets; give the full path" if named else "no set"
            raise DataError(f"{option} {name} matches {several}.")
        said |= dict.fromkeys(named, value)
    return said


def chosen_channels(
    given: Sequence[tuple[str, tuple[int, ...]]], folders: Sequence[Path]
) -> dict[Path, tuple[int, ...]]:
    """Find the channels to display for each folder, as ``--channels`` gives them.

    Parameters
    ----------
    given : sequence of (str, tuple of int)
        With the name of a set, or without one for all sets.
    folders : sequence of Path

    Returns
    -------
    dict from full path of a folder to tuple of int
        Values for a single set override those for all.

    Raises
    ------
    DataError
        If a name matches no set or several.
    """
    return _of_folders("--channels", given, folders)
