"""Find which level of folders names the types of files.

A folder may hold one sub-folder per type, or hold the types inside other folders, such as train,
val and test, slides or patients. If several levels are possible, the user chooses. Not in the
paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from celltransfer_core.data.type_names import tidy_name, type_key
from celltransfer_core.errors import DataError
from celltransfer_core.vocabulary import and_more

INNERMOST: Final = "innermost"

TypesAt = int | Literal["innermost"]
"""Level of the folders that name the types, 1 for the outermost; or the innermost folder that
contains each file."""

MOST_LEVELS = 20
"""Maximum number of folder levels that may name types."""


@dataclass(frozen=True)
class Level:
    """One level of folders that may name the types."""

    types_at: TypesAt
    types: Mapping[str, int]
    """Number of files of each type, sorted by name."""
    without: int
    """Number of files above this level."""


class LevelError(DataError):
    """Several levels of folders may name the types, and the user must choose one."""

    def __init__(self, where: str, levels: Sequence[Level], remedy: str) -> None:
        said = "; ".join(
            f"level {level.types_at} ({and_more([*level.types])})"
            for level in levels
            if level.types_at != INNERMOST
        )
        super().__init__(
            f"{where} has folders with the same names in several folders, so its types may be at "
            f"{said}; {remedy}."
        )
        self.levels = tuple(levels)


def read_level(text: str) -> TypesAt:
    """Parse a folder level.

    Parameters
    ----------
    text : str
        A whole number from 1, or ``innermost``.

    Returns
    -------
    int or str

    Raises
    ------
    ValueError
        If it is not a valid level.

    Examples
    --------
    >>> read_level("2")
    2
    """
    if text == INNERMOST:
        return INNERMOST
    if text.isascii() and text.isdigit() and 0 < int(text) <= MOST_LEVELS:
        return int(text)
    raise ValueError(f"{text!r} is not a folder level: use 1, 2, … or {INNERMOST}")


def folder_at(name: str, types_at: TypesAt) -> str | None:
    """Return the folder that names the type of a file.

    Parameters
    ----------
    name : str
        Name with its folders, separated by ``/``.
    types_at : int or "innermost"

    Returns
    -------
    str or None
        None if the file lies above this level.

    Examples
    --------
    >>> folder_at("train/neutrophil/1.png", 2)
    'neutrophil'
    """
    folders = name.split("/")[:-1]
    place = len(folders) if isinstance(types_at, str) else types_at
    return folders[place - 1] if 0 < place <= len(folders) else None


def levels_of(names: Iterable[str]) -> tuple[Level, ...]:
    """List the levels of folders that may name the types of files.

    Parameters
    ----------
    names : iterable of str
        Names with their folders, separated by ``/``.

    Returns
    -------
    tuple of Level
        From the outermost; ``innermost`` last, if files lie at different levels.
    """
    inside = Counter(name.rpartition("/")[0] for name in names)
    depths = {folder.count("/") + 1 if folder else 0 for folder in inside}
    wanted: list[TypesAt] = [*range(1, min(max(depths, default=0), MOST_LEVELS) + 1)]
    if len(depths - {0}) > 1:
        wanted.append(INNERMOST)
    return tuple(_level(inside, types_at) for types_at in wanted)


def _level(inside: Mapping[str, int], types_at: TypesAt) -> Level:
    types: Counter[str] = Counter()
    for folder, files in inside.items():
        types[tidy_name(folder_at(f"{folder}/" if folder else "", types_at) or "")] += files
    without = types.pop("", 0)
    return Level(types_at, dict(sorted(types.items())), without)


def is_unclear(names: Iterable[str]) -> bool:
    """Return whether several of the outermost folders contain folders of the same name.

    The outermost may then be types with the same slides, or slides with the same types.

    Parameters
    ----------
    names : iterable of str
        Names with their folders, separated by ``/``.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_unclear(["train/neutrophil/1.png", "val/neutrophil/2.png"])
    True
    >>> is_unclear(["neutrophil/1.png", "monocyte/2.png"])
    False
    """
    outermost: dict[str, str] = {}
    for folder in {name.rpartition("/")[0] for name in names}:
        first, *deeper = folder.split("/")
        for one in deeper:
            if outermost.setdefault(type_key(one), first) != first:
                return True
    return False
