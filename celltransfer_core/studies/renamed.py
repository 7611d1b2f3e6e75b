"""Decisions with the current names of types.

A decision names a type as it was called when the decision was made. If types of the reference were
renamed, merged or swapped since, decisions are read with the new names; the stored decisions do not
change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from celltransfer_core.data.type_names import same_type
from celltransfer_core.errors import DataError
from celltransfer_core.pipeline.result import type_names
from celltransfer_core.studies.records import BATCH_REVIEW, Decision, ImageSet
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import ANSWERS, REFERENCE, check_new_type

_NAMED_IN = {
    "match": "type",
    "review": "answer",
    BATCH_REVIEW: "answer",
    "keep": "type",
    "expect": "type",
    "label": "type",
}
"""Kinds of decisions that name a type, and its place in their payload."""


@dataclass(frozen=True)
class SetTypes:
    """The types of one reference set, and their earlier names."""

    types: frozenset[str]
    """Their current names in the study."""
    mapping: Mapping[str, str]
    """Current mapping from the set's own types to the study's."""
    earlier: tuple[tuple[int, Mapping[str, str]], ...] = ()
    """Earlier mappings, each with the decision that ended it, oldest first."""

    def now(self, name: str, decision: int) -> set[str]:
        """Find what a name in a decision stands for now.

        Parameters
        ----------
        name : str
        decision : int
            Its number.

        Returns
        -------
        set of str
            Includes an empty name if a type is now left out; empty if the set had no such type.
        """
        then = next((mapping for ended, mapping in self.earlier if ended > decision), self.mapping)
        own = {one for one, called in then.items() if called == name}
        own |= {name} - then.keys()
        called = {one: self.mapping.get(one, one) for one in own}
        return {c for o, c in called.items() if c in self.types or (not c and o in self.mapping)}


@dataclass(frozen=True)
class TypesNow:
    """The types of the reference, and the meaning of earlier names."""

    types: tuple[str, ...]
    """Sorted."""
    renamed: Mapping[str, str]
    """From earlier names to current ones; empty for a type that is now left out. Used if it is not
    known when a name was given."""
    sets: tuple[SetTypes, ...] = ()
    """The reference sets, if it is known when their types were renamed."""

    def name_now(self, name: str, decision: int) -> str | None:
        """Find what a name in a decision stands for now.

        Parameters
        ----------
        name : str
        decision : int
            Its number.

        Returns
        -------
        str or None
            The name itself if it stands for several types; empty for a type that is now left out;
            None for a name that no reference had.
        """
        if name in ANSWERS:
            return name
        found = set[str]().union(*(one.now(name, decision) for one in self.sets))
        if len(named := found - {""}) > 1:
            return name
        if found:
            return next(iter(named), "")
        if name in self.types:
            return name
        # All spellings of a type are the same type, whichever is the most frequent now.
        return self.renamed.get(name, same_type(name, self.types) or None)

    def read(self, decision: Decision) -> Decision:
        """Read a decision with the current names.

        Parameters
        ----------
        decision : Decision

        Returns
        -------
        Decision
            A type that is now left out is read as one that the reference lacks.
        """
        place = _NAMED_IN.get(decision.kind)
        name = decision.payload.get(place) if place else None
        if place is None or not name:
            return decision
        now = self.name_now(name, decision.id)
        if now in (None, name):
            return decision
        if now:
            return replace(decision, payload={**decision.payload, place: now})
        if decision.kind != "match" or not _can_be_new(name):
            return decision
        return replace(decision, payload={**decision.payload, "new": True})


def _can_be_new(name: str) -> bool:
    try:
        return check_new_type(name) == name
    except DataError:
        return False


def types_now(workspace: Workspace, snapshot: Snapshot) -> TypesNow:
    """List the types of a study's reference, with the meaning of earlier names.

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
        changes = workspace.decisions_of(snapshot, "types")
        earlier = [one.payload["mapping"] for one in changes]
        known = []
        for one in sets:
            labels = frozenset(workspace.dataset(one).labels or ())
            # Workspaces of 0.1.0 do not record whose mapping it was.
            of_set = [c for c in changes if c.payload.get("position") == one.position]
            ended = tuple((change.id, change.payload["mapping"]) for change in of_set)
            known.append(SetTypes(labels, one.mapping, ended))
        return TypesNow(types, renamed_types(sets, earlier, types), tuple(known))

    return workspace.derive(snapshot, "types", make)


def renamed_types(
    sets: tuple[ImageSet, ...], earlier: list[Mapping[str, str]], types: tuple[str, ...]
) -> dict[str, str]:
    """Map the earlier names of types to current ones, if each stands for one type.

    Parameters
    ----------
    sets : tuple of ImageSet
        The reference sets, with their mappings.
    earlier : list of mapping
        Earlier mappings of these sets.
    types : tuple of str
        Current types of the reference.

    Returns
    -------
    dict from str to str
        Empty names for types that are left out. Names that stand for several types are omitted.

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
    """List the decisions that were not undone, with the current names of types.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot
    kind : str

    Returns
    -------
    tuple of Decision
        Oldest first.
    """

    def make() -> tuple[Decision, ...]:
        types = types_now(workspace, snapshot)
        return tuple(types.read(one) for one in workspace.decisions_of(snapshot, kind))

    return workspace.derive(snapshot, f"{kind} now", make)
