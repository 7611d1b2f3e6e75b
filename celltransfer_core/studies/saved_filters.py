"""Filters of cells that a study keeps under names: addresses in, what readers share out.

They are decisions like all others, so that two readers see each other's, a copy of a study and a
backup hold them, and an older workspace takes them as it is.
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
"""Parameters of an address and their values."""


def saved_filters(workspace: Workspace, study: str) -> dict[str, FilterAddress]:
    """List the filters that a study keeps.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    dict from a name to its address
        Sorted by name, whatever its case.
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
    """Write a filter as it is kept, at one stroke (kind :data:`FILTER`).

    Parameters
    ----------
    kept : mapping
        From :func:`saved_filters`.
    name : str
        What it is to be called; a filter of this name is replaced.
    address : mapping or None
        None takes the filter away.
    instead : str
        The name that it had before.

    Returns
    -------
    list of dict

    Raises
    ------
    StudyError
        If the name is empty or too long, another filter is called so already, or the one to
        rename is gone.
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
