"""Tables read back: confirmed matches, answers, and clusters, checked against the query.

Files like ``matches.csv``, ``reviews.csv`` and ``clusters.csv`` go in, also those that a
spreadsheet saved again, or the workbook of all tables. Cells are known by their hashes, so that an
image that was replaced is noticed and one that was renamed is found. Values that cannot be used are
errors that name the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.formula_guard import unguarded
from celltransfer_core.data.table_bytes import check_readable, read_text
from celltransfer_core.data.table_rows import read_rows
from celltransfer_core.errors import DataError
from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.outputs.entries import decimal, moment, truth, whole
from celltransfer_core.outputs.known_types import KnownTypes, NewTypes
from celltransfer_core.outputs.pseudonyms import is_pseudonym
from celltransfer_core.people.reviews import Review
from celltransfer_core.pipeline.result import Clusters
from celltransfer_core.types import Float64
from celltransfer_core.vocabulary import ANSWERS, DISPUTED, NONE_TYPE

_SHOWN = 3  # lines that a message tells of


def read_matches(
    path: Path, types: Sequence[str] | None = None, new_types: NewTypes = ()
) -> tuple[Confirmation, ...]:
    """Read confirmed matches from a file like ``matches.csv``.

    Parameters
    ----------
    path : Path
        Columns cluster, matched_type and confirmed; cells, sha256 and by if they are there. Only
        rows with ``confirmed=true`` count.
    types : sequence of str, optional
        Of the reference; without them names are taken as they are written.
    new_types : NewTypes
        Types that may be named though the reference lacks them.

    Returns
    -------
    tuple of Confirmation

    Raises
    ------
    DataError
        If a column or a value is wrong, or a type is none of those.
    """
    known = KnownTypes(types, new_types)
    found = _matches(path, known)
    known.stop()
    return found


def read_answers(
    path: Path, query: Dataset, types: Sequence[str], new_types: NewTypes = ()
) -> tuple[Review, ...]:
    """Read readers' answers from a file like ``reviews.csv``.

    Parameters
    ----------
    path : Path
        Columns file, sha256, type, reader and time, and blind if there is one; the oldest answer
        first. A cell is found by its hash, or by its file where that is empty.
    query : Dataset
    types : sequence of str
        Of the reference.
    new_types : NewTypes
        Types that may be named though the reference lacks them.

    Returns
    -------
    tuple of Review

    Raises
    ------
    DataError
        If a column or a value is wrong, a type is none of those, or a cell is not of this query.
    """
    known = KnownTypes(types, new_types)
    found = _answers(path, query, known)
    known.stop()
    return found


def read_said(
    matches: Path | None,
    reviews: Path | None,
    query: Dataset,
    types: Sequence[str],
    new_types: NewTypes = (),
) -> tuple[tuple[Confirmation, ...], tuple[Review, ...]]:
    """Read all that people said, so that every unknown type is told at once.

    Parameters
    ----------
    matches, reviews : Path, optional
        See :func:`read_matches` and :func:`read_answers`.
    query, types, new_types
        See :func:`read_answers`.

    Returns
    -------
    confirmations : tuple of Confirmation
    reviews : tuple of Review

    Raises
    ------
    DataError
        See :func:`read_matches` and :func:`read_answers`.
    """
    known = KnownTypes(types, new_types)
    confirmed = _matches(matches, known) if matches else ()
    answered = _answers(reviews, query, known) if reviews else ()
    known.stop()
    return confirmed, answered


def _matches(path: Path, known: KnownTypes) -> tuple[Confirmation, ...]:
    found: dict[int, Confirmation] = {}
    for line, row in _rows(path, "matches", ("cluster", "matched_type", "confirmed")):
        # Filled down too far: a row of nothing but ticks.
        if not (row["cluster"] or row["matched_type"]) or not _truth(path, line, row, "confirmed"):
            continue
        where = f"{path}, line {line}"
        try:
            cluster = whole(row["cluster"])
        except ValueError:
            raise DataError(f"{where}: {row['cluster']!r} is no cluster number.") from None
        if cluster in found:
            raise DataError(f"{where}, confirms cluster {cluster} twice; keep one row.")
        if not row["matched_type"]:
            raise DataError(f"{where}: cluster {cluster} is confirmed without a matched_type.")
        name = known.find(row["matched_type"], (NONE_TYPE,), str(path), line)
        cells, held = row.get("cells", ""), _hash(path, line, row)
        try:
            count = whole(cells) if cells else None
        except ValueError:
            raise DataError(f"{where}: {cells!r} is no number of cells.") from None
        found[cluster] = Confirmation(cluster, name, row.get("by", ""), count, held)
    return tuple(found.values())


def _answers(path: Path, query: Dataset, known: KnownTypes) -> tuple[Review, ...]:
    cells = _Cells(path, query, "look at it again, and take this row out")
    reviews = []
    for line, row in _rows(path, "reviews", ("file", "sha256", "type", "reader", "time")):
        if not (row["file"] or row["sha256"] or row["type"]):
            continue
        where, cell = f"{path}, line {line}", cells.find(line, row)
        if cell is None:
            continue
        if not row["reader"] or not row["reader"].isprintable():
            raise DataError(f"{where}: it does not say who the reader is.")
        try:
            time = moment(row["time"])
        except ValueError:
            raise DataError(
                f"{where}: {row['time']!r} is no time (as 2026-01-31T12:00:00)."
            ) from None
        answer = known.find(row["type"], {*ANSWERS} - {DISPUTED}, str(path), line)
        blind = _truth(path, line, row, "blind")
        chance = _chance(path, line, row)
        reviews.append(Review(query.cells[cell], answer, row["reader"], time, blind, chance))
    cells.stop_at_replaced()
    cells.stop_at_missing()
    return tuple(reviews)


def read_clusters(path: Path, query: Dataset) -> Clusters:
    """Read clusters from a file like ``clusters.csv``.

    Parameters
    ----------
    path : Path
        Columns file and cluster; centrality, and sha256 of the images, if they are there. A cell
        is found by its hash, or by its file where there is none.
    query : Dataset

    Returns
    -------
    Clusters
        They keep the numbers they have in the file.

    Raises
    ------
    DataError
        If a column or a value is wrong, a file is another image now, or a cell has no cluster or
        two.
    """
    cells = _Cells(path, query, "cluster the cells again")
    numbers = np.full(query.n_cells, -1, dtype=np.int64)
    centrality: Float64 = np.ones(query.n_cells)
    for line, row in _rows(path, "clusters", ("file", "cluster")):
        cell = cells.find(line, row)
        if cell is None:
            continue
        where, file = f"{path}, line {line}", row["file"] or query.first_file[cell]
        try:
            number = whole(row["cluster"])
            centre = decimal(row.get("centrality") or "1")
        except ValueError:
            raise DataError(f"{where}: the row of {file} holds no number.") from None
        if number < 0:
            raise DataError(f"{where}: cluster numbers start at 0; {file} has {number}.")
        if numbers[cell] not in (-1, number):
            raise DataError(
                f"{where}, puts {file} or a copy of it into two clusters; keep one row."
            )
        numbers[cell], centrality[cell] = number, centre
    cells.stop_at_replaced()
    missing = np.flatnonzero(numbers < 0)
    if len(missing):
        raise DataError(
            f"{path} has no cluster for {len(missing)} of {query.n_cells} cells "
            f"(such as {query.first_file[missing[0]]}); it was made for another query."
        )
    names, labels = np.unique(numbers, return_inverse=True)
    return Clusters(
        method="file",
        labels=labels.astype(np.int64),
        centrality=centrality,
        density=np.full(len(names), np.nan),
        names=names,
        sigma=float("nan"),
    )


class _Cells:
    """Finds the query's cells that rows speak of; remembers rows of images that are others now."""

    def __init__(self, path: Path, query: Dataset, remedy: str) -> None:
        self._path, self._remedy = path, remedy
        self._cells = {cell: number for number, cell in enumerate(query.cells)}
        self._by_file = dict(zip(query.files, query.sha256, strict=True))
        self._replaced: list[tuple[int, str]] = []
        self._missing: list[tuple[int, str]] = []

    def find(self, line: int, row: Mapping[str, str]) -> int | None:
        """Return the number of a row's cell; None if it is not there."""
        file, told = row["file"], _hash(self._path, line, row)
        cell = self._cells.get(told or self._by_file.get(file, ""))
        if cell is None:
            kept = self._replaced if told and file in self._by_file else self._missing
            kept.append((line, file or told))
        return cell

    def stop_at_replaced(self) -> None:
        """Stop if images are others now."""
        if self._replaced:
            raise DataError(f"{self._told(self._replaced, 'another image now')}; {self._remedy}.")

    def stop_at_missing(self) -> None:
        """Stop if images are not there."""
        if self._missing:
            told = self._told(self._missing, "not in the query")
            raise DataError(f"{told}; was the file made for another one?")

    def _told(self, rows: Sequence[tuple[int, str]], what: str) -> str:
        (line, name), *more = rows
        lines = ", ".join(str(line) for line, _ in more[:_SHOWN]) + "…" * (len(more) > _SHOWN)
        also = f", and so it is in {len(more)} more (line {lines})" if more else ""
        return f"{self._path}, line {line}: {name} is {what}{also}"


def _hash(path: Path, line: int, row: Mapping[str, str]) -> str:
    if is_pseudonym(told := row.get("sha256", "").lower()):
        raise DataError(
            f"{path}, line {line}, has a pseudonym in place of a hash; export the table without "
            "pseudonyms."
        )
    return told


def _truth(path: Path, line: int, row: Mapping[str, str], column: str) -> bool:
    try:
        return truth(row.get(column, ""))
    except ValueError:
        raise DataError(
            f"{path}, line {line}: {column} is {row[column]!r}; write true or false."
        ) from None


def _chance(path: Path, line: int, row: Mapping[str, str]) -> float | None:
    told = row.get("chance", "")
    try:
        chance = decimal(told) if told else None
    except ValueError:
        chance = 0.0
    if chance is not None and not 0 < chance <= 1:
        raise DataError(
            f"{path}, line {line}: chance is {told!r}; leave it as it was exported, or empty."
        )
    return chance


def _rows(path: Path, sheet: str, needs: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Give each row of a table, or of a workbook's sheet, with its line: values by column."""
    told = read_text(path, bounded=False, sheet=sheet).text
    check_readable(told, str(path), bounded=False)
    table = read_rows(_mended(told), str(path), needs, bounded=False)
    for line, row in zip(table.lines, table.rows, strict=True):
        values = (unguarded(value.strip()) for value in row)
        filled = dict.fromkeys(table.columns, "") | dict(zip(table.columns, values, strict=False))
        yield line, {name: value.strip() for name, value in filled.items()}


def _mended(text: str) -> str:
    """Undo that UTF-8 was read as Windows-1252 and saved so (``Ãœ`` for ``Ü``)."""
    try:
        return text.encode("cp1252").decode("utf-8-sig")
    except UnicodeError:
        return text
