"""What there is to know of a setting beside its value: the metadata of a field of ``Config``.

In goes what is written where the field is declared; out comes a :class:`Setting`. Checks, keys of
the cache, options of the command line, panels of the pages and the manifest are all made from it,
so that a new setting is one field.
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
"""Stages of a run, in order: embeddings; clusters (A.1); their matches (A.2); which reference cells
are drawn; what an unaligned voter predicts (3.4); whether there are aligned ones, and what these
predict (3.3); how voters are weighed and which cells are flagged, both of them whenever a run is
read."""

Kind = Literal["word", "whole", "number", "pair", "voters", "voter", "types", "switch"]
"""One of the choices; a whole number, or any number, or one of the choices; two numbers; several
voters; one voter; cell types; yes or no."""

Page = Literal["data", "embeddings", "clusters", "matches", "classify"]


@dataclass(frozen=True)
class Choice:
    """One of the words that a setting takes, as a page shows it."""

    label: str
    caption: str = ""


@dataclass(frozen=True)
class Limits:
    """Range of a number; without ``high`` there is no upper limit."""

    low: float
    high: float | None = None
    above: bool = False
    """Whether ``low`` itself is not allowed."""

    def hold(self, value: float) -> bool:
        """Tell whether a number is within the limits; NaN is not."""
        enough = value > self.low if self.above else value >= self.low
        return enough and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.above:
            return f"above {self.low}" + ("" if self.high is None else f" up to {self.high}")
        return f"{self.low} or more" if self.high is None else f"{self.low} to {self.high}"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What one field of ``Config`` decides, what it takes, and how it is shown."""

    name: str = ""
    default: Any = None
    """Both are the field's own, and filled in from it."""
    paper: Any = None
    """Value in the paper's preset; the default unless given."""
    kind: Kind
    stages: tuple[ConfigStage, ...]
    """The earliest stage whose result it decides; then those later ones that it decides directly
    too, not only through the arrays that earlier stages hand on."""
    choices: Mapping[str, Choice] = field(default_factory=dict)
    """Words that it takes, the one that measured best first."""
    limits: Limits | None = None
    takes: str = ""
    """What is allowed, where choices and limits do not say it."""
    help: str
    """For the command line."""
    metavar: str | tuple[str, ...] | None = None
    offered: Literal["always", "run", "preset"] = "always"
    """Commands with an option for it: all that compute; ``run`` alone, because the protocol decides
    it in ``evaluate``; or none, because the preset alone decides it."""
    own: bool = False
    """Whether it belongs to a study's cells and not to the method: no preset changes it."""
    page: Page | None = None
    """Page with a panel that offers it."""
    place: int = 99
    """Its order in this panel."""
    label: str = ""
    """What the page calls it."""
    note: str = ""
    """What the page adds where a question mark is touched."""
    shown: tuple[float, float] | None = None
    """Range that the page offers of a number."""

    def of(self, declared: Field[Any]) -> Setting:
        """Fill in what the field says itself."""
        default = declared.default
        paper = default if self.paper is None else self.paper
        return replace(self, name=declared.name, default=default, paper=paper)

    @property
    def option(self) -> str:
        """Its option on the command line, whether or not it is offered there."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def allowed(self) -> str:
        """What it takes, as an error says it."""
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
            The message names the option and what it takes.
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
        """Read a word or a number from the command line.

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
        """Write a value as in the manifest: voters as ``colour+shape``, all else as it is.

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
        """Write a value as the words that follow its option on the command line.

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
    """Turn the lists of a value that was kept as JSON into the tuples that ``Config`` takes."""
    return tuple(as_tuples(one) for one in value) if isinstance(value, list | tuple) else value


def voter_name(voter: Sequence[str]) -> str:
    """Write a voter as on the command line: ``colour+shape``."""
    return "+".join(voter)
