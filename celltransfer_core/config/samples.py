"""Kinds of samples: the types that a smear of each can contain, and their shares.

Kinds are read from ``samples.toml`` next to this file and from a file of the same name in
``CELLTRANSFER_HOME``. For the types of a reference, a kind gives which are expected, possible or
absent, and the published intervals of their shares. Not in the paper.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from celltransfer_core.data.type_names import type_key
from celltransfer_core.errors import DataError
from celltransfer_core.runtime.home_folder import home

TypeState = Literal["expected", "possible", "absent"]
"""Whether the query contains cells of a type, may contain some, or cannot."""

STATES: tuple[TypeState, ...] = get_args(TypeState)

SAMPLES_FILE = Path(__file__).with_name("samples.toml")
"""File of the shipped kinds."""

_WORDS = str.maketrans("_-", "  ")


@dataclass(frozen=True)
class Sample:
    """A kind of sample."""

    kind: str
    """Name on the command line."""
    title: str
    source: str
    """Publication of its intervals; empty if there are none."""
    states: Mapping[str, TypeState]
    """State of each type by name; other types are possible."""
    percent: Mapping[str, tuple[float, float]]
    """Published reference intervals in percent of the cells, by name of the type."""
    names: Mapping[str, str]
    """Name used here for each synonym, by :func:`name_key`."""

    def states_of(self, types: Sequence[str]) -> dict[str, TypeState]:
        """Return which types of a reference a sample of this kind can contain.

        Parameters
        ----------
        types : sequence of str
            Types as named in the reference.

        Returns
        -------
        dict from type to {"expected", "possible", "absent"}
            A type that the kind does not list is possible.

        Examples
        --------
        >>> sample_kinds()["blood"].states_of(["PMN", "ig", "Platelets"])
        {'PMN': 'expected', 'ig': 'absent', 'Platelets': 'possible'}
        """
        return {one: self.states.get(self._name(one), "possible") for one in types}

    def intervals_of(self, types: Sequence[str]) -> dict[str, tuple[float, float]]:
        """Find the published intervals of the shares of a reference's types.

        Parameters
        ----------
        types : sequence of str
            Types as named in the reference.

        Returns
        -------
        dict from type to (float, float)
            Intervals in percent of all cells. Types without a published interval are missing, and
            so are types that share one, such as two kinds of neutrophils.

        Examples
        --------
        >>> sample_kinds()["blood"].intervals_of(["PMN", "ig"])
        {'PMN': (40.0, 80.0)}
        """
        shared = Counter(map(self._name, types))
        own = {one: self._name(one) for one in types if shared[self._name(one)] == 1}
        return {one: self.percent[name] for one, name in own.items() if name in self.percent}

    def _name(self, of: str) -> str:
        key = name_key(of)
        return self.names.get(key, key)


def name_key(name: str) -> str:
    """Return the key used to compare type names in this module.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        As :func:`~celltransfer_core.data.type_names.type_key`, and equal also for names that differ
        in hyphens, underscores or an English plural.

    Examples
    --------
    >>> name_key("Segmented_Neutrophils")
    'segmented neutrophil'
    """
    key = type_key(name.translate(_WORDS))
    return key.removesuffix("s") if len(key) > 3 else key


def sample_kinds() -> dict[str, Sample]:
    """Read the shipped kinds of samples, then those of the user.

    Returns
    -------
    dict from kind to Sample
        A kind of the user replaces a shipped kind of the same name.

    Raises
    ------
    DataError
        If the user's file cannot be read or is invalid.
    """
    tables = [_read(SAMPLES_FILE)]
    if (own := home() / SAMPLES_FILE.name).is_file():
        tables.append(_read(own))
    names = {name_key(name): name_key(name) for table in tables for name in table["names"]}
    for table in tables:
        for name, others in table["names"].items():
            names |= {name_key(other): name_key(name) for other in others}
    return {
        kind: _sample(kind, entry, names)
        for table in tables
        for kind, entry in table["kind"].items()
    }


def find_sample(kind: str) -> Sample:
    """Find a kind of sample.

    Parameters
    ----------
    kind : str

    Returns
    -------
    Sample

    Raises
    ------
    DataError
        If there is no such kind; the message lists the available ones.
    """
    known = sample_kinds()
    if kind not in known:
        listed = ", ".join(f"{one.kind} ({one.title})" for one in known.values())
        raise DataError(f"There is no kind of sample {kind!r}; the kinds are {listed}.")
    return known[kind]


def _sample(kind: str, entry: Mapping[str, Any], names: Mapping[str, str]) -> Sample:
    def name(told: str) -> str:
        return names.get(name_key(told), name_key(told))

    return Sample(
        kind=kind,
        title=entry["title"],
        source=entry.get("source", ""),
        states={name(one): state for state in STATES for one in entry.get(state, ())},
        percent={
            name(one): (float(low), float(high))
            for one, (low, high) in entry.get("percent", {}).items()
        },
        names=names,
    )


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Read and validate a file of kinds, which a user may have written."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path} is not valid TOML: {error}.") from None
    tables = {name: found.pop(name, {}) for name in ("names", "kind")}
    if found or not all(isinstance(one, dict) for one in tables.values()):
        raise DataError(
            f"{path} contains {_first(found)}; it may contain only [names] and [kind.NAME]."
        )
    for name, others in tables["names"].items():
        if not _are_words(others):
            raise DataError(f"{path}: {name!r} of [names] must be a list of other names.")
    for kind, entry in tables["kind"].items():
        if problem := _problem(entry):
            raise DataError(f"{path}: [kind.{kind}] {problem}.")
    return tables


def _problem(entry: object) -> str:
    """Describe what is wrong with a kind; empty if it is valid."""
    if not isinstance(entry, dict) or not isinstance(entry.get("title"), str):
        return "needs a title"
    if not isinstance(entry.get("source", ""), str):
        return "has a source that is not a text"
    if other := {*entry} - {"title", "source", "percent", *STATES}:
        return (
            f"contains {_first(other)}; it may contain title, source, percent, {', '.join(STATES)}"
        )
    lists = {state: entry.get(state, []) for state in STATES}
    for state, types in lists.items():
        if not _are_words(types):
            return f"has {state} that is not a list of types"
    named = Counter(name_key(one) for types in lists.values() for one in types)
    if twice := [one for one, count in named.items() if count > 1]:
        return f"names {twice[0]!r} twice"
    percent = entry.get("percent", {})
    if not isinstance(percent, dict):
        return "has percent that is not a table of types"
    wrong = [one for one, interval in percent.items() if not _is_interval(interval)]
    return f"has no interval within 0 to 100 for {wrong[0]!r}: it is [low, high]" if wrong else ""


def _first(names: Sequence[str] | set[str] | Mapping[str, object]) -> str:
    return repr(min(names, default="names or kind that is not a table"))


def _are_words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_interval(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        return False
    return bool(0 <= value[0] <= value[1] <= 100)
