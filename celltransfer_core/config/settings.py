"""Metadata of the fields of ``Config``.

The metadata are written where a field is declared, and read as a :class:`Setting`. Checks, cache
keys, command-line options, panels of the pages and the manifest are all derived from it, so that a
new setting needs only one field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, replace
from typing import Any, Literal

from celltransfer_core.errors import DataError

ConfigStage = Literal[
    "embed",
    "clusters",
    "matches",
    "draws",
    "vote",
    "aligned voters",
    "aligned",
    "weighing",
    "flagging",
]
"""Stages of a run, in order: embeddings; clusters (A.1); their matches (A.2); draws of reference
cells; predictions of unaligned voters (3.4); whether there are aligned voters, and their
predictions (3.3); weights of voters, and flags, which are both computed whenever a run is read."""

Kind = Literal["word", "whole", "number", "pair", "voters", "voter", "types", "switch"]
"""Kind of value: one of the choices; an integer, or any number, or one of the choices; two numbers;
several voters; one voter; cell types; yes or no."""

Page = Literal["data", "embeddings", "clusters", "matches", "classify"]


@dataclass(frozen=True)
class Choice:
    """One of the words that a setting accepts, as shown on a page."""

    label: str
    caption: str = ""


@dataclass(frozen=True)
class Limits:
    """Range of a number; there is no upper limit without ``high``."""

    low: float
    high: float | None = None
    above: bool = False
    """Whether ``low`` itself is excluded."""

    def hold(self, value: float) -> bool:
        """Return whether a number is within the limits; NaN is not."""
        enough = value > self.low if self.above else value >= self.low
        return enough and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.above:
            return f"above {self.low}" + ("" if self.high is None else f" up to {self.high}")
        return f"{self.low} or more" if self.high is None else f"{self.low} to {self.high}"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Effect, allowed values and display of one field of ``Config``."""

    name: str = ""
    default: Any = None
    """Name and default of the field, filled in from its declaration."""
    paper: Any = None
    """Value in the paper's preset; the default if not given."""
    kind: Kind
    stages: tuple[ConfigStage, ...]
    """The earliest stage that it affects, followed by later stages that it also affects directly,
    not only through the arrays passed on by earlier stages."""
    choices: Mapping[str, Choice] = field(default_factory=dict)
    """Accepted words; the one that performed best in benchmarks comes first."""
    limits: Limits | None = None
    takes: str = ""
    """Description of allowed values, if not given by choices and limits."""
    help: str
    """Help text of the command line."""
    metavar: str | tuple[str, ...] | None = None
    offered: Literal["always", "run", "preset"] = "always"
    """Which commands have an option for it: all commands that compute (``always``); only ``run``,
    because in ``evaluate`` the protocol sets it; or none, because only a preset sets it."""
    own: bool = False
    """Whether it describes a study's cells instead of the method; presets do not change it."""
    page: Page | None = None
    """Page whose panel offers it."""
    place: int = 99
    """Position in this panel."""
    label: str = ""
    """Label on the page."""
    note: str = ""
    """Text shown by the question mark on the page."""
    shown: tuple[float, float] | None = None
    """Range of a number offered on the page."""

    def of(self, declared: Field[Any]) -> Setting:
        """Fill in the name and default of the field."""
        default = declared.default
        paper = default if self.paper is None else self.paper
        return replace(self, name=declared.name, default=default, paper=paper)

    @property
    def option(self) -> str:
        """Its command-line option, whether or not it is offered there."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def allowed(self) -> str:
        """Allowed values, as described in error messages."""
        words = ", ".join(self.choices)
        if self.takes or not self.limits:
            return self.takes or words
        return f"{words}, or {self.limits}" if words else str(self.limits)

    def check(self, value: object) -> None:
        """Refuse a value that is not allowed.

        Parameters
        ----------
        value : object

        Raises
        ------
        DataError
            If it is not allowed; the message names the option and the allowed values.
        """
        if not self._allows(value):
            raise DataError(f"{self.option} cannot be {value}; it takes {self.allowed}.")

    def _allows(self, value: Any) -> bool:
        if value is None:
            return self.default is None
        if self.kind == "word" or isinstance(value, str):
            return value in self.choices
        if self.kind == "voters":
            return bool(value)
        numbers = value if self.kind == "pair" else (value,)
        return self.limits is None or all(self.limits.hold(one) for one in numbers)

    def read(self, text: str) -> str | float:
        """Parse a word or a number from the command line.

        Parameters
        ----------
        text : str

        Returns
        -------
        str, int or float

        Raises
        ------
        ValueError
            If it is neither.
        """
        if text in self.choices:
            return text
        return int(text) if self.kind == "whole" else float(text)

    def written(self, value: Any) -> Any:
        """Format a value for the manifest: voters as ``colour+shape``, other values unchanged.

        Parameters
        ----------
        value : object

        Returns
        -------
        object
        """
        if self.kind == "voters":
            return [voter_name(voter) for voter in value]
        return voter_name(value) if self.kind == "voter" and value else value

    def words(self, value: Any) -> tuple[str, ...]:
        """Format a value as the arguments of its command-line option.

        Parameters
        ----------
        value : object
            Not None.

        Returns
        -------
        tuple of str
        """
        written = self.written(value)
        if self.kind == "voters":
            return (",".join(written),)
        return tuple(map(str, written)) if isinstance(written, tuple) else (str(written),)


def as_tuples(value: Any) -> Any:
    """Convert the lists of a value stored as JSON to the tuples that ``Config`` expects."""
    return tuple(as_tuples(one) for one in value) if isinstance(value, list | tuple) else value


def voter_name(voter: Sequence[str]) -> str:
    """Format a voter as on the command line, such as ``colour+shape``."""
    return "+".join(voter)
