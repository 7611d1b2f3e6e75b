"""What people said of the types that a study's query may hold: decisions in, settings out.

A decision (kind ``expect``) names a type of the reference and whether it is expected, possible or
absent. Of each type the latest counts. Who chooses a kind of sample decides on all types at one
stroke.
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
"""Types that must be possible for cells to be typed."""


@dataclass(frozen=True)
class ExpectedTypes:
    """What a study's query may hold, as people said."""

    said: Mapping[str, Decision]
    """The decision that counts of each type that somebody spoke of, of those that the reference has
    now."""
    expected: tuple[str, ...]
    """Sorted."""
    absent: tuple[str, ...]
    """Sorted; without types that must not be missed, and empty while it would leave too few."""
    left: tuple[str, ...]
    """Types that would be possible; fewer than :data:`FEWEST_TYPES` rule out nothing."""

    @property
    def too_few(self) -> bool:
        """Whether so much was ruled out that nothing is."""
        return bool(self.said) and len(self.left) < FEWEST_TYPES

    def state(self, name: str) -> TypeState:
        """Return what was said of a type, possible if nothing was."""
        decision = self.said.get(name)
        state: TypeState = decision.payload["state"] if decision else "possible"
        return state

    def followed(self, config: Config) -> tuple[dict[str, str], ...]:
        """List who said what, as far as a run follows it.

        Parameters
        ----------
        config : Config
            Of the run; what was said since is left out.

        Returns
        -------
        tuple of dict
            For a manifest, by type: type, state, reader and time; sample where it follows from a
            kind of sample.
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
    """Write what a person said of types as it is kept.

    Parameters
    ----------
    states : mapping from type to {"expected", "possible", "absent"}
        Said at one stroke, and undone so.
    kind : str
        The kind of sample that it follows from; empty if it was said of the types themselves.

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
    """Read what people said of the types that the query may hold.

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
    """Read what was said as it was at one moment: see :func:`expected_types`.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot
    must_find : collection of str
        Types that must not be missed: they are possible, whatever was said.

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
