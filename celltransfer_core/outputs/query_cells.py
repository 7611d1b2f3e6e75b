"""Look-up of query cells by the hash or file name given in files that users hand back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from celltransfer_core.data.cell_names import CellNames, named_file
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.errors import DataError

_SHOWN = 3  # lines listed in a message

How = Literal["content", "name", "other content", "missing"]
"""Whether the image was found, a file of its name, such a file with another image, or nothing."""


class FoundCell(NamedTuple):
    """Result of a look-up."""

    cell: int
    """Index of the cell; −1 if nothing was found."""
    how: How


class QueryCells:
    """Look-up of the cells of a query.

    Parameters
    ----------
    query : Dataset
    """

    def __init__(self, query: Dataset) -> None:
        self._query = query
        self._cells = {cell: number for number, cell in enumerate(query.cells)}
        self._by_file = dict(zip(query.files, query.sha256, strict=True))

    @cached_property
    def _names(self) -> CellNames:
        return CellNames(self._query.files)

    def find(self, file: str, sha256: str, *, folders: bool = True) -> FoundCell:
        """Find a cell.

        Parameters
        ----------
        file : str
            File name, or empty; either as in the query or matching a single file of it.
        sha256 : str
            Hash of the image, or empty.
        folders : bool
            Whether the folders in the name are those of the query; if not, only the last part is
            compared.

        Returns
        -------
        FoundCell
        """
        if sha256 in self._cells:
            return FoundCell(self._cells[sha256], "content")
        named = self._named(file, folders=folders) if file else ""
        if not named:
            return FoundCell(-1, "missing")
        return FoundCell(self._cells[named], "other content" if sha256 else "name")

    def _named(self, file: str, *, folders: bool) -> str:
        if file in self._by_file:
            return self._by_file[file]
        name = named_file(file)
        fits = self._names.find(name if folders else name.rpartition("/")[2])
        cells = {self._by_file[one] for one in fits}
        return cells.pop() if len(cells) == 1 else ""


class CheckedCells:
    """Finds the query cells that a file refers to, and collects references to others.

    Parameters
    ----------
    path : Path
    query : Dataset
    remedy : str
        What to do if an image has been replaced.
    """

    def __init__(self, path: Path, query: Dataset, remedy: str) -> None:
        self._path, self._remedy = path, remedy
        self._cells = QueryCells(query)
        self._replaced: list[tuple[str, str]] = []
        self._missing: list[tuple[str, str]] = []

    def find(self, place: str, file: str, sha256: str, *, folders: bool = True) -> int | None:
        """Find a cell; see :meth:`QueryCells.find`.

        Parameters
        ----------
        place : str
            Place of the reference in the file, such as its line.
        file, sha256, folders

        Returns
        -------
        int or None
            Index of the cell; None if it is missing or its image has been replaced.
        """
        cell, how = self._cells.find(file, sha256, folders=folders)
        if how in ("content", "name"):
            return cell
        kept = self._replaced if how == "other content" else self._missing
        kept.append((place, file or sha256))
        return None

    def stop_at_replaced(self) -> None:
        """Raise an error if images have been replaced.

        Raises
        ------
        DataError
        """
        if self._replaced:
            raise DataError(f"{self._told(self._replaced, 'another image now')}; {self._remedy}.")

    def stop_at_missing(self) -> None:
        """Raise an error if images are missing.

        Raises
        ------
        DataError
        """
        if self._missing:
            told = self._told(self._missing, "not in the query")
            raise DataError(f"{told}; was the file made for another query?")

    def _told(self, rows: Sequence[tuple[str, str]], what: str) -> str:
        (place, name), *more = rows
        places = ", ".join(one.removeprefix("line ") for one, _ in more[:_SHOWN])
        lines = f" (line {places}{'…' * (len(more) > _SHOWN)})" if place != name else ""
        also = f"; the same applies to {len(more)} more{lines}" if more else ""
        where = f", {place}" if place != name else ""
        return f"{self._path}{where}: {name} is {what}{also}"
