"""Types of files as they came in; of one spelling each, without those that can be none, out.

What is merged and what is left out is said, file by file. Not in the paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from celltransfer_core.data.dataset import Remark
from celltransfer_core.data.type_names import doubtful_types, one_spelling, type_key

DOUBTFUL = "its type reads"
"""How the reason begins why files are left out whose label is hardly the name of a type."""


@dataclass(frozen=True)
class Settled:
    """Types of files that can be worked with."""

    labels: Mapping[str, str]
    left_out: tuple[Remark, ...]
    """Files whose label is hardly the name of a type, as long as nobody said what it means."""
    notes: tuple[Remark, ...]
    """Files whose type other files spell otherwise."""


def settle(labels: Mapping[str, str], accepted: Collection[str] | None) -> Settled:
    """Bring the types of a set to one spelling each, and leave out what is hardly one.

    Parameters
    ----------
    labels : mapping from file to type
    accepted : collection of str, optional
        Names that are types though they are doubtful, see
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
    """Say in one line that labels are hardly names of types.

    Parameters
    ----------
    settled : Settled
        With something left out.
    place : str
        Where the first of them stands.

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
    """Say that a type is taken for one that is written otherwise.

    Parameters
    ----------
    name, kept : str

    Returns
    -------
    str
    """
    return f"is of the type {name!r}, which counts as {kept!r}: only the spelling differs"
