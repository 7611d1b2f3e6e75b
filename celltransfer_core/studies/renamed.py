"""Decisions with the names that types have now.

A decision names a type as it was called when it was made. Where types of the reference were renamed
or merged since, decisions are read with the new names; what is stored does not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from celltransfer_core.errors import DataError
from celltransfer_core.pipeline.result import type_names
from celltransfer_core.studies.records import Decision, ImageSet
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import ANSWERS, REFERENCE, check_new_type

_NAMED_IN = {"match": "type", "review": "answer", "keep": "type"}
"""Kinds of decisions that name a type, and where in their payload."""


@dataclass(frozen=True)
class TypesNow:
    """The types of the reference, and what earlier names stand for."""

    types: tuple[str, ...]
    """Sorted."""
    renamed: Mapping[str, str]
    """From earlier names to those of now; empty for a type that is left out now."""

    def read(self, decision: Decision) -> Decision:
        """Read a decision with the names of now.

        Parameters
        ----------
        decision : Decision

        Returns
        -------
        Decision
            A type that is left out now is one that the reference lacks.
        """
        place = _NAMED_IN.get(decision.kind)
        name = decision.payload.get(place) if place else None
        if place is None or not name or name in (*self.types, *ANSWERS) or name not in self.renamed:
            return decision
        if self.renamed[name]:
            return replace(decision, payload={**decision.payload, place: self.renamed[name]})
        if decision.kind != "match" or not _can_be_new(name):
            return decision
        return replace(decision, payload={**decision.payload, "new": True})


def _can_be_new(name: str) -> bool:
    try:
        return check_new_type(name) == name
    except DataError:
        return False


def types_now(workspace: Workspace, snapshot: Snapshot) -> TypesNow:
    """List the types of a study's reference, and what earlier names stand for.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot

    Returns
    -------
    TypesNow
    """

    def make() -> TypesNow:
        sets = snapshot.of_role(REFERENCE)
        reference = workspace.pool_sets(sets)
        types = type_names(reference) if reference else ()
        earlier = [one.payload["mapping"] for one in workspace.decisions_of(snapshot, "types")]
        return TypesNow(types, renamed_types(sets, earlier, types))

    return workspace.derive(snapshot, "types", make)


def renamed_types(
    sets: tuple[ImageSet, ...], earlier: list[Mapping[str, str]], types: tuple[str, ...]
) -> dict[str, str]:
    """Find what earlier names of types stand for, wherever that is one type.

    Parameters
    ----------
    sets : tuple of ImageSet
        The references, with their mappings.
    earlier : list of mapping
        Earlier mappings of such sets.
    types : tuple of str
        Of the reference now.

    Returns
    -------
    dict from str to str
        Empty names for types that are left out. Names of several types of now are not in it.

    Examples
    --------
    >>> renamed_types((), [{"neut": "neutrophil"}], ("neut",))
    {'neutrophil': 'neut'}
    """
    targets: dict[str, set[str]] = {}
    for one in sets:
        for own, name in one.mapping.items():
            targets.setdefault(own, set()).add(name)
    for mapping in earlier:
        for own, name in mapping.items():
            now = {one.mapping[own] for one in sets if own in one.mapping}
            targets.setdefault(name, set()).update(now or ({own} & {*types}))
    found = {}
    for name, now in targets.items():
        named = now - {""}
        if name and now and len(named) < 2:
            found[name] = next(iter(named), "")
    return found


def decisions_now(workspace: Workspace, snapshot: Snapshot, kind: str) -> tuple[Decision, ...]:
    """List decisions that were not undone, with the names that types have now.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot
    kind : str

    Returns
    -------
    tuple of Decision
        The oldest first.
    """

    def make() -> tuple[Decision, ...]:
        types = types_now(workspace, snapshot)
        return tuple(types.read(one) for one in workspace.decisions_of(snapshot, kind))

    return workspace.derive(snapshot, f"{kind} now", make)
