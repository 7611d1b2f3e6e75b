"""The types that a study's query may contain, as decided by people, and the resulting settings.

A decision (kind ``expect``) says whether a type of the reference is expected, possible or absent.
The latest decision for each type counts. Choosing a kind of sample decides on all types together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from celltransfer_core.config.config import Config
from celltransfer_core.config.samples import TypeState
from celltransfer_core.studies.records import Decision
from celltransfer_core.studies.renamed import decisions_now, types_now
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.workspace import Workspace

EXPECT = "expect"
"""The kind of these decisions."""

FEWEST_TYPES = 2
"""Number of types that must be possible for cells to be typed."""


@dataclass(frozen=True)
class ExpectedTypes:
    """The types that a study's query may contain, as decided by people."""

    said: Mapping[str, Decision]
    """The decision that counts for each type that was decided on, limited to types that the
    reference has now."""
    expected: tuple[str, ...]
    """Sorted."""
    absent: tuple[str, ...]
    """Sorted; without types that must not be missed, and empty if it would leave too few types."""
    left: tuple[str, ...]
    """Types that would be possible; if fewer than :data:`FEWEST_TYPES`, nothing is ruled out."""

    @property
    def too_few(self) -> bool:
        """Whether so many types were ruled out that none is."""
        return bool(self.said) and len(self.left) < FEWEST_TYPES

    def state(self, name: str) -> TypeState:
        """Return the state that was decided for a type; possible by default."""
        decision = self.said.get(name)
        state: TypeState = decision.payload["state"] if decision else "possible"
        return state

    def followed(self, config: Config) -> tuple[dict[str, str], ...]:
        """List the decisions that a run follows, with who made them.

        Parameters
        ----------
        config : Config
            Configuration of the run; decisions made after it are left out.

        Returns
        -------
        tuple of dict
            For a manifest, by type: type, state, reader and time; also the sample, if the
            decision comes from a kind of sample.
        """
        return tuple(
            {
                "type": name,
                "state": one.payload["state"],
                **({"sample": one.payload["sample"]} if "sample" in one.payload else {}),
                "reader": one.who,
                "time": one.at,
            }
            for name, one in sorted(self.said.items())
            if one.payload["state"] == _state_in(config, name)
        )


def _state_in(config: Config, name: str) -> TypeState:
    if name in config.absent:
        return "absent"
    return "expected" if name in config.expect else "possible"


def expect_payloads(states: Mapping[str, TypeState], kind: str = "") -> list[dict[str, Any]]:
    """Build the payloads of decisions on types.

    Parameters
    ----------
    states : mapping from type to {"expected", "possible", "absent"}
        States that are decided together and undone together.
    kind : str
        The kind of sample that they come from; empty if the types were decided on directly.

    Returns
    -------
    list of dict
    """
    more = {"sample": kind} if kind else {}
    return [
        {"type": name, "state": state, "together": len(states), **more}
        for name, state in states.items()
    ]


def expected_types(workspace: Workspace, study: str) -> ExpectedTypes:
    """Read people's decisions on the types that the query may contain.

    Parameters
    ----------
    workspace : Workspace
    study : str

    Returns
    -------
    ExpectedTypes
    """
    snapshot = workspace.snapshot(study)
    return expected_of(workspace, snapshot, snapshot.study.options.get("must_find", ()))


def expected_of(
    workspace: Workspace, snapshot: Snapshot, must_find: Collection[str]
) -> ExpectedTypes:
    """Read these decisions as of one moment: see :func:`expected_types`.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot
    must_find : collection of str
        Types that must not be missed: they are possible, whatever was decided.

    Returns
    -------
    ExpectedTypes
    """
    if not workspace.decisions_of(snapshot, EXPECT):
        return ExpectedTypes({}, (), (), ())
    types = types_now(workspace, snapshot).types
    said = {
        one.payload["type"]: one
        for one in decisions_now(workspace, snapshot, EXPECT)
        if one.payload["type"] in types
    }

    def of_state(state: TypeState) -> list[str]:
        return sorted(name for name, one in said.items() if one.payload["state"] == state)

    absent = [name for name in of_state("absent") if name not in must_find]
    left = tuple(name for name in types if name not in absent)
    enough = len(left) >= FEWEST_TYPES
    return ExpectedTypes(said, tuple(of_state("expected")), tuple(absent if enough else ()), left)
