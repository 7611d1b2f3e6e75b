"""Filters of cells that are saved in a study under names, for readers to share the work.

They are stored as decisions, so that readers see each other's filters, copies and backups of a
study contain them, and a workspace of an earlier version can hold them without changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celltransfer_core.errors import StudyError
from celltransfer_core.studies.records import clean_name
from celltransfer_core.studies.workspace import Workspace

FILTER = "filter"
"""Kind of these decisions."""

FilterAddress = Mapping[str, Sequence[str]]
"""Parameters of an address with their values."""


def saved_filters(workspace: Workspace, study: str) -> dict[str, FilterAddress]:
    """List the filters saved in a study.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    dict from a name to its address
        Sorted by name, ignoring case.
    """
    kept: dict[str, FilterAddress] = {}
    for one in workspace.decisions(study, FILTER):
        kept.pop(one.payload["name"], None)
        if one.payload["address"] is not None:
            kept[one.payload["name"]] = one.payload["address"]
    return {name: kept[name] for name in sorted(kept, key=str.casefold)}


def filter_payloads(
    kept: Mapping[str, FilterAddress],
    name: str,
    address: FilterAddress | None,
    *,
    instead: str = "",
) -> list[dict[str, Any]]:
    """Build the payloads that save, rename or remove a filter (kind :data:`FILTER`).

    Parameters
    ----------
    kept : mapping
        From :func:`saved_filters`.
    name : str
        Name for the filter; a filter of this name is replaced.
    address : mapping or None
        None to remove the filter.
    instead : str
        The previous name of the filter.

    Returns
    -------
    list of dict

    Raises
    ------
    StudyError
        If the name is empty, too long or used by another filter, or the filter to rename no longer
        exists.
    """
    name = clean_name(name)
    if instead and instead not in kept:
        raise StudyError(f"The filter {instead} no longer exists: somebody renamed or deleted it.")
    if instead and name != instead and name in kept:
        raise StudyError(f"Another filter has the name {name}; choose another name.")
    given: list[tuple[str, FilterAddress | None]] = [(name, address)]
    if instead and instead != name:
        given.insert(0, (instead, None))
    return [
        {
            "name": one,
            "address": where and {k: [*v] for k, v in where.items()},
            "together": len(given),
        }
        for one, where in given
    ]
