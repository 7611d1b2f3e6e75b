"""Files that come under a name that is there already: compared by content, kept apart or joined.

Names and content hashes of what comes and of what is there go in; where each file goes comes out,
or that somebody must be asked. Not in the paper.
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
"""What to do with a file of other content than the one of its name: nothing, until somebody was
asked; keep both; replace the one that is there; or leave it and pass the new one over."""

CLASHES: tuple[Clash, ...] = get_args(Clash)


@dataclass(frozen=True)
class Placed:
    """Where files go that come to a set."""

    written: Mapping[str, int]
    """Position of the file to be kept under each name."""
    same: int
    """How many are there already, with that content."""
    clashing: tuple[int, ...]
    """Positions of those whose name an image of other content has."""


def place(
    coming: Iterable[tuple[str, str]], here: Mapping[str, str], clash: Clash, number: int
) -> Placed:
    """Find where files go, without an image taking another one's place unasked.

    Parameters
    ----------
    coming : iterable of (name, hash)
        The hash is empty for a file that cannot be used.
    here : mapping from name to hash
        What the set has under these names, and under :func:`numbered` ones; likewise.
    clash : {"ask", "both", "replace", "leave"}
    number : int
        For ``both``, see :func:`free_number`.

    Returns
    -------
    Placed
        A file that cannot be used never takes the place of one that can.
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
    """Give a file's name a number.

    Parameters
    ----------
    name : str
        With its folders, ``/`` between them.
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
    """Find the number under which all files that clash have a name of their own.

    Parameters
    ----------
    clashing : mapping from name to hash
    taken : callable
        Takes a name; returns the content hash of what has it, empty or None where it is free.

    Returns
    -------
    int
        From 2; the same again where an upload that was broken off goes on.
    """
    for number in count(2):
        names = ((numbered(name, number), content) for name, content in clashing.items())
        if all(taken(name) in (None, "", content) for name, content in names):
            return number
    raise AssertionError("numbers have no end")


def _said(row: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what a row says, however many columns its table has."""
    return tuple(sorted((column, value) for column, value in row.items() if value))


@dataclass(frozen=True)
class PlacedTable:
    """What becomes of a table that comes to a set."""

    text: str
    """Of the set's table from now on."""
    problem: str = ""
    """Why the one that came cannot be read; empty if it can."""
    taken: bool = False
    """Whether what came is in it."""
    clashing: bool = False
    """Whether somebody must be asked, for the set has another one."""


def place_table(
    coming: str,
    here: str | None,
    where: str,
    needs: Collection[str],
    clash: Clash,
    rename: Callable[[str], str],
    columns: Mapping[str, str] | None = None,
) -> PlacedTable:
    """Find what becomes of a table that comes to a set.

    Parameters
    ----------
    coming : str
        Its text.
    here : str, optional
        Text of the set's table, if it has one.
    where : str
        Name of the table, for messages.
    needs : collection of str
        Columns that it must have.
    clash : {"ask", "both", "replace", "leave"}
        ``both`` joins the tables.
    rename : callable
        See :func:`join_tables`.
    columns : mapping from str to str, optional
        Columns that a person chose for ``file`` and ``label`` in the set's table. They hold for the
        one that comes as far as it has them.

    Returns
    -------
    PlacedTable
        A table that cannot be read is kept where there is none that can be, so that the set says
        so until it is mended, and never takes types from somewhere else meanwhile.
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
    """Add the rows of a table to those of another one.

    Parameters
    ----------
    here, coming : str
        Their text.
    where : str
        Name of the table, for messages.
    rename : callable
        Takes the name of a file in the table that comes, returns what it is called now.
    needs : collection of str
        Columns that both must have.
    columns : (mapping, mapping)
        Columns that a person chose for ``file`` and ``label``, of each.

    Returns
    -------
    str
        The table with the columns of both, ``file`` and ``label`` called so. Rows that contradict
        each other both stay: whoever reads it sees that they do.

    Raises
    ------
    DataError
        If one of them cannot be read.
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
