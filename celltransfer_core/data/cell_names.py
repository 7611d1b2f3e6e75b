"""Match file names written in tables to the files of a set.

Names match by path, by name, or by name without extension, provided that exactly one file fits.
Not in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

from celltransfer_core.data.checks import normalise_text

_UNTIDY = re.compile(r"^$|^\.|//|/\.|/$")  # a name that PurePosixPath would change
_ABSOLUTE = re.compile(r"/|[a-z][a-z0-9+.-]*:/", re.IGNORECASE)  # also D:/, and web addresses
_ENDING = re.compile(r"\.[a-z][a-z0-9]{1,4}$", re.IGNORECASE)
_LABEL_STUDIO = re.compile(r"^[0-9a-f]{8}-")  # prefix of every uploaded file


def named_file(value: str) -> str:
    """Normalise a file name from a table to the form used for look-up.

    Parameters
    ----------
    value : str
        Value of the column ``file``.

    Returns
    -------
    str
        Name with ``/`` between folders, in Unicode normal form C.
    """
    text = normalise_text(value.replace("\\", "/"))
    # PurePosixPath is ten times slower, and changes only these names.
    return PurePosixPath(text).as_posix() if _UNTIDY.search(text) else text


class CellNames:
    """Index of a set's files that tolerates inexact names.

    Parameters
    ----------
    names : iterable of str
        Relative to the set's folder, with ``/``.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_stem: dict[str, list[str]] = {}
        for name in names:
            self._by_stem.setdefault(_stem(_last(name).casefold()), []).append(name)

    def find(self, value: str) -> list[str]:
        """Find the files that a name may refer to.

        Parameters
        ----------
        value : str
            See :func:`named_file`.

        Returns
        -------
        list of str
            One file if the match is clear, several if it is ambiguous, none if nothing fits. If the
            name and the file both have folders, these must agree from the end: ``a/1.png`` is not
            ``b/1.png``. Folders of an absolute path come from another machine and only break ties.
        """
        for spelling in _spellings(value):
            last = _last(spelling).casefold()
            stems = dict.fromkeys((_stem(last), last))
            found = [name for stem in stems for name in self._by_stem.get(stem, ())]
            if _ABSOLUTE.match(spelling):
                shared = [_shared(spelling, name) for name in found]
                found = [n for n, s in zip(found, shared, strict=True) if s == max(shared)]
            else:
                found = [n for n in found if _agree(spelling, n)]
            if found:
                same_ending = [name for name in found if _last(name).casefold() == last]
                return sorted(same_ending or found)
        return []


def _spellings(value: str) -> Iterator[str]:
    """Yield a name as it is, with URL escapes decoded, and without prefixes added by tools."""
    yield value
    plain = value
    if "%" in value or "?d=" in value:
        plain = normalise_text(unquote(value).rpartition("?d=")[2])
        yield plain
    folder, slash, last = plain.rpartition("/")
    if _LABEL_STUDIO.match(last):
        yield folder + slash + _LABEL_STUDIO.sub("", last)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _stem(last: str) -> str:
    return _ENDING.sub("", last)


def _folders(name: str) -> list[str]:
    return name.casefold().split("/")[-2::-1]


def _shared(one: str, other: str) -> int:
    """Count the trailing folders that two names share."""
    pairs = zip(_folders(one), _folders(other), strict=False)
    return next(
        (n for n, (a, b) in enumerate(pairs) if a != b), min(one.count("/"), other.count("/"))
    )


def _agree(one: str, other: str) -> bool:
    return _shared(one, other) == min(one.count("/"), other.count("/"))


@dataclass(frozen=True)
class Matched:
    """Match of files to rows of the tables."""

    rows: Mapping[str, str]
    """Name of the row of each file."""
    otherwise: Sequence[str]
    """Names of rows that are spelt differently from their file."""
    several: Mapping[str, Sequence[str]]
    """Names of the rows that refer to the same file; ``rows`` holds the file's own name."""
    missing: Mapping[str, str]
    """Why a row matches no file, by the name of the row."""


def match_rows(names: Sequence[str], lines: Mapping[str, tuple[str, int]]) -> Matched:
    """Find the row of each file, given all files and all rows.

    Parameters
    ----------
    names : sequence of str
        Names of the files, in Unicode normal form C.
    lines : mapping from str to (str, int)
        Table and line where each name first appears.

    Returns
    -------
    Matched
        A row with a file's exact name takes precedence over other rows.
    """
    present = set(names)
    exact = {name: name for name in names if name in lines}
    left = [row for row in lines if row not in present]
    finder = CellNames(sorted(present)) if left else CellNames(())
    meant: dict[str, list[str]] = {}
    missing: dict[str, str] = {}
    for row in left:
        found = finder.find(row)
        if len(found) == 1 and found[0] not in exact:
            meant.setdefault(found[0], []).append(row)
        elif len(found) > 1:
            missing[row] = (
                f"matches several files (line {lines[row][1]}); write it as "
                f"{' or '.join(found[:2])}"
            )
        else:
            missing[row] = "is in a table but not in the folder"
    if names and missing and not (exact or meant):
        row = next(iter(missing))
        missing = {
            lines[row][0]: f"names no existing file: the table has {row}, the folder has {names[0]}"
        }
    several = {name: rows for name, rows in meant.items() if len(rows) > 1}
    single = {name: rows[0] for name, rows in meant.items() if len(rows) == 1}
    return Matched(
        {**exact, **single, **{name: name for name in several}},
        [row for rows in meant.values() for row in rows],
        several,
        missing,
    )
