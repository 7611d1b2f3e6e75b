"""Unify the spelling of the types of files, and leave out labels that cannot be types.

Merged and left-out labels are reported for each file. Not in the paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from celltransfer_core.data.dataset import Remark
from celltransfer_core.data.type_names import doubtful_types, one_spelling, type_key

DOUBTFUL = "its type reads"
"""Start of the reason given for files left out because their label is unlikely to be a type."""


@dataclass(frozen=True)
class Settled:
    """Cleaned types of files."""

    labels: Mapping[str, str]
    left_out: tuple[Remark, ...]
    """Files whose label is unlikely to be a type name, until the user decides."""
    notes: tuple[Remark, ...]
    """Files whose type is spelt differently in other files."""


def settle(labels: Mapping[str, str], accepted: Collection[str] | None) -> Settled:
    """Unify the spelling of each type of a set, and leave out labels that are unlikely to be types.

    Parameters
    ----------
    labels : mapping from file to type
    accepted : collection of str, optional
        Doubtful names that are valid types here, see
        :func:`~celltransfer_core.data.type_names.doubtful_types`; None for all.

    Returns
    -------
    Settled
    """
    doubts: dict[str, str] = {}
    if accepted is not None:
        keys = {type_key(name) for name in accepted}
        found = doubtful_types(set(labels.values()))
        doubts = {name: why for name, why in found.items() if type_key(name) not in keys}
    left_out = tuple(
        Remark(file, f"{DOUBTFUL} {name}, {doubts[name]}; rename it, or leave it out")
        for file, name in labels.items()
        if name in doubts
    )
    usable = {file: name for file, name in labels.items() if name not in doubts}
    changed = one_spelling(Counter(usable.values()))
    notes = tuple(
        Remark(file, spelling_note(name, changed[name]))
        for file, name in usable.items()
        if name in changed
    )
    if changed:
        usable = {file: changed.get(name, name) for file, name in usable.items()}
    return Settled(usable, left_out, notes)


def stop_line(settled: Settled, place: str) -> str:
    """Report in one line that labels are unlikely to be type names.

    Parameters
    ----------
    settled : Settled
        Result with left-out files.
    place : str
        Where the first of them appears.

    Returns
    -------
    str
    """
    first, count = settled.left_out[0], len(settled.left_out)
    return (
        f"{place}: {first.file}: {first.reason} ({count} file{'s' * (count > 1)} in all). Or "
        "accept such names as types: --new-types."
    )


def spelling_note(name: str, kept: str) -> str:
    """Report that a type was merged with a different spelling.

    Parameters
    ----------
    name, kept : str

    Returns
    -------
    str
    """
    return f"is of the type {name!r}, which counts as {kept!r}: only the spelling differs"
