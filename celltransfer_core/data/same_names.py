"""Handle uploaded files whose names already exist in a set.

Files are compared by name and content hash. The result is where each file goes, or that the user
must be asked. Not in the paper.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath
from typing import Literal, get_args

from celltransfer_core.data.cell_names import named_file
from celltransfer_core.data.tables import parse_table, table_problem

Clash = Literal["ask", "both", "replace", "leave"]
"""What to do with a file whose name exists with other content: ask the user first, keep both,
replace the existing file, or leave it and skip the new one."""

CLASHES: tuple[Clash, ...] = get_args(Clash)


@dataclass(frozen=True)
class Placed:
    """Where the files added to a set go."""

    written: Mapping[str, int]
    """Position of the file to keep under each name."""
    same: int
    """Number of files that exist already with the same content."""
    clashing: tuple[int, ...]
    """Positions of the files whose name belongs to an image with other content."""


def place(
    coming: Iterable[tuple[str, str]], here: Mapping[str, str], clash: Clash, number: int
) -> Placed:
    """Decide where files go, never replacing an image without asking.

    Parameters
    ----------
    coming : iterable of (name, hash)
        New files; the hash is empty for a file that cannot be used.
    here : mapping from name to hash
        Existing files of the set under these names and under :func:`numbered` names; likewise.
    clash : {"ask", "both", "replace", "leave"}
    number : int
        Used for ``both``, see :func:`free_number`.

    Returns
    -------
    Placed
        An unusable file never replaces a usable one.
    """
    now = dict(here)
    written: dict[str, int] = {}
    clashing: list[int] = []
    same = 0
    for position, (name, content) in enumerate(coming):
        free = name
        if clash == "both" and content and now.get(name, "") not in ("", content):
            free = numbered(name, number)
        there = now.get(free, "")
        if there and there == content:
            same += 1
        elif not there or (content and clash == "replace"):
            now[free], written[free] = content, position
        elif content and clash != "leave":
            clashing.append(position)
    return Placed(written, same, tuple(clashing))


def numbered(name: str, number: int) -> str:
    """Add a number to a file name.

    Parameters
    ----------
    name : str
        Name with its folders, separated by ``/``.
    number : int

    Returns
    -------
    str

    Examples
    --------
    >>> numbered("a/cell 1.png", 2)
    'a/cell 1 (2).png'
    """
    folder, slash, last = name.rpartition("/")
    path = PurePosixPath(last)
    return f"{folder}{slash}{path.stem} ({number}){path.suffix}"


def free_number(clashing: Mapping[str, str], taken: Callable[[str], str | None]) -> int:
    """Find the number that gives all clashing files a free name.

    Parameters
    ----------
    clashing : mapping from name to hash
    taken : callable
        Takes a name and returns the content hash of the file with that name, empty or None if the
        name is free.

    Returns
    -------
    int
        From 2; the same number again if an interrupted upload is resumed.
    """
    for number in count(2):
        names = ((numbered(name, number), content) for name, content in clashing.items())
        if all(taken(name) in (None, "", content) for name, content in names):
            return number
    raise AssertionError("numbers have no end")


def _said(row: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the contents of a row, regardless of the number of columns."""
    return tuple(sorted((column, value) for column, value in row.items() if value))


@dataclass(frozen=True)
class PlacedTable:
    """Result of adding a table to a set."""

    text: str
    """New text of the set's table."""
    problem: str = ""
    """Why the new table cannot be read; empty if it can."""
    taken: bool = False
    """Whether the text includes the new table."""
    clashing: bool = False
    """Whether the user must be asked, because the set has a different table."""


def place_table(
    coming: str,
    here: str | None,
    where: str,
    needs: Collection[str],
    clash: Clash,
    rename: Callable[[str], str],
    columns: Mapping[str, str] | None = None,
) -> PlacedTable:
    """Decide how a new table is added to a set.

    Parameters
    ----------
    coming : str
        Text of the new table.
    here : str, optional
        Text of the set's table, if it has one.
    where : str
        Name of the table, for messages.
    needs : collection of str
        Required columns.
    clash : {"ask", "both", "replace", "leave"}
        ``both`` joins the tables.
    rename : callable
        See :func:`join_tables`.
    columns : mapping from str to str, optional
        Columns that the user chose for ``file`` and ``label`` in the set's table. They also apply
        to the new table if it has them.

    Returns
    -------
    PlacedTable
        An unreadable table is kept if the set has no readable one, so that the set reports the
        problem until it is fixed and does not take types from elsewhere meanwhile.
    """
    columns = columns or {}
    problem = table_problem(coming, where, needs, columns)
    fitting = columns
    if problem and columns:
        problem, fitting = table_problem(coming, where, needs), {}
    if here is None or here == coming or table_problem(here, where, needs, columns):
        return PlacedTable(coming, problem, taken=not problem)
    if problem:
        return PlacedTable(here, f"{problem} The existing table is kept.")
    if clash == "both":
        joined = join_tables(here, coming, where, rename, needs, (columns, fitting))
        return PlacedTable(joined, taken=True)
    if clash == "replace":
        return PlacedTable(coming, taken=True)
    return PlacedTable(here, clashing=clash == "ask")


def join_tables(
    here: str,
    coming: str,
    where: str,
    rename: Callable[[str], str],
    needs: Collection[str] = ("file",),
    columns: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
) -> str:
    """Append the rows of one table to another.

    Parameters
    ----------
    here, coming : str
        Texts of the existing and the new table.
    where : str
        Name of the table, for messages.
    rename : callable
        Takes the name of a file in the new table and returns its new name.
    needs : collection of str
        Columns required in both tables.
    columns : (mapping, mapping)
        Columns that the user chose for ``file`` and ``label``, for each table.

    Returns
    -------
    str
        Table with the columns of both, using the names ``file`` and ``label``. Contradicting rows
        are both kept, so that the contradiction is found when the table is read.

    Raises
    ------
    DataError
        If either table cannot be read.
    """
    rows = parse_table(here, where, needs, columns[0])
    added = [
        {**row, "file": rename(named_file(row["file"]))}
        for row in parse_table(coming, where, needs, columns[1])
    ]
    known = {_said(row) for row in rows}
    rows += [row for row in added if _said(row) not in known]
    file = io.StringIO()
    header = list(dict.fromkeys(column for row in rows for column in row)) or ["file"]
    writer = csv.DictWriter(file, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
