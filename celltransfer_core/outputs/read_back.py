"""Read tables back: confirmed matches, answers, and clusters, checked against the query.

Reads files like ``matches.csv``, ``reviews.csv`` and ``clusters.csv``, including files saved again
by a spreadsheet, or the workbook of all tables. Cells are identified by their hashes, so that a
replaced image is noticed and a renamed one is found. An invalid value raises an error that names
the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.errors import DataError
from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.outputs.answer_files import checked_answers
from celltransfer_core.outputs.entries import decimal, whole
from celltransfer_core.outputs.handed_back import hash_in, rows_of_file, truth_in
from celltransfer_core.outputs.known_types import KnownTypes, NewTypes
from celltransfer_core.outputs.query_cells import CheckedCells
from celltransfer_core.people.reviews import Review
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.types import Float64
from celltransfer_core.vocabulary import NONE_TYPE


def read_matches(
    path: Path, types: Sequence[str] | None = None, new_types: NewTypes = ()
) -> tuple[Confirmation, ...]:
    """Read confirmed matches from a file like ``matches.csv``.

    Parameters
    ----------
    path : Path
        Columns cluster, matched_type and confirmed; optionally cells, sha256 and by. Only rows with
        ``confirmed=true`` count.
    types : sequence of str, optional
        Types of the reference; without them names are accepted as written.
    new_types : NewTypes
        Types that may be named although the reference lacks them.

    Returns
    -------
    tuple of Confirmation

    Raises
    ------
    DataError
        If a column or a value is invalid, or a type is not one of those.
    """
    known = KnownTypes(types, new_types)
    found = _matches(path, known)
    known.stop()
    return found


def read_answers(
    path: Path,
    query: Dataset,
    types: Sequence[str],
    new_types: NewTypes = (),
    *,
    columns: Mapping[str, str] | None = None,
    reader: str = "",
) -> tuple[Review, ...]:
    """Read readers' answers from a ``reviews.csv``, another table, or images in folders by type.

    Parameters
    ----------
    path : Path
        A table with a column of types and one of files or ``sha256``; optionally reader, time,
        blind and chance; the oldest answer first. A cell is found by its hash, or by its file name
        if the hash is empty. Alternatively a folder of images, each in a sub-folder named by its
        type.
    query : Dataset
    types : sequence of str
        Types of the reference.
    new_types : NewTypes
        Types that may be named although the reference lacks them.
    columns : mapping from str to str, optional
        Columns to use as ``file`` and ``label``.
    reader : str
        Reader to use where the file names none; by default the name of the file.

    Returns
    -------
    tuple of Review

    Raises
    ------
    DataError
        If a column or a value is invalid, a type is not one of those, or a cell is not in this
        query.
    """
    known = KnownTypes(types, new_types)
    found = checked_answers(path, query, known, columns=columns, reader=reader)
    known.stop()
    return found


def read_said(
    matches: Path | None,
    reviews: Path | None,
    query: Dataset,
    types: Sequence[str],
    new_types: NewTypes = (),
    *,
    columns: Mapping[str, str] | None = None,
    reader: str = "",
) -> tuple[tuple[Confirmation, ...], tuple[Review, ...]]:
    """Read matches and answers together, so that all unknown types are reported at once.

    Parameters
    ----------
    matches, reviews : Path, optional
        See :func:`read_matches` and :func:`read_answers`.
    query, types, new_types, columns, reader
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
    answered: tuple[Review, ...] = ()
    if reviews:
        answered = checked_answers(reviews, query, known, columns=columns, reader=reader)
    known.stop()
    return confirmed, answered


def _matches(path: Path, known: KnownTypes) -> tuple[Confirmation, ...]:
    found: dict[int, Confirmation] = {}
    for line, row in rows_of_file(path, "matches", ("cluster", "matched_type", "confirmed")):
        # Filled down too far: a row that contains only ticks.
        if not (row["cluster"] or row["matched_type"]) or not truth_in(
            str(path), line, row, "confirmed"
        ):
            continue
        where = f"{path}, line {line}"
        try:
            cluster = whole(row["cluster"])
        except ValueError:
            raise DataError(f"{where}: {row['cluster']!r} is not a cluster number.") from None
        if cluster in found:
            raise DataError(f"{where}, confirms cluster {cluster} twice; keep one row.")
        if not row["matched_type"]:
            raise DataError(f"{where}: cluster {cluster} is confirmed without a matched_type.")
        name = known.find(row["matched_type"], (NONE_TYPE,), str(path), line)
        cells, held = row.get("cells", ""), hash_in(str(path), line, row)
        try:
            count = whole(cells) if cells else None
        except ValueError:
            raise DataError(f"{where}: {cells!r} is not a number of cells.") from None
        found[cluster] = Confirmation(cluster, name, row.get("by", ""), count, held)
    return tuple(found.values())


def read_clusters(path: Path, query: Dataset) -> Clusters:
    """Read clusters from a file like ``clusters.csv``.

    Parameters
    ----------
    path : Path
        Columns file and cluster; optionally centrality, and sha256 of the images. A cell is found
        by its hash, or by its file name if there is none.
    query : Dataset

    Returns
    -------
    Clusters
        With the cluster numbers of the file.

    Raises
    ------
    DataError
        If a column or a value is invalid, an image has been replaced, or a cell has no cluster or
        more than one.
    """
    cells = CheckedCells(path, query, "cluster the cells again")
    numbers = np.full(query.n_cells, -1, dtype=np.int64)
    centrality: Float64 = np.ones(query.n_cells)
    for line, row in rows_of_file(path, "clusters", ("file", "cluster")):
        cell = cells.find(f"line {line}", row["file"], hash_in(str(path), line, row))
        if cell is None:
            continue
        where, file = f"{path}, line {line}", row["file"] or query.first_file[cell]
        try:
            number = whole(row["cluster"])
            centre = decimal(row.get("centrality") or "1")
        except ValueError:
            raise DataError(f"{where}: the row of {file} has no number.") from None
        if number < 0:
            raise DataError(f"{where}: cluster numbers start at 0; {file} has {number}.")
        if numbers[cell] not in (-1, number):
            raise DataError(
                f"{where}, assigns {file} or a copy of it to two clusters; keep one row."
            )
        numbers[cell], centrality[cell] = number, centre
    cells.stop_at_replaced()
    missing = np.flatnonzero(numbers < 0)
    if len(missing):
        raise DataError(
            f"{path} has no cluster for {len(missing)} of {query.n_cells} cells (for example "
            f"{query.first_file[missing[0]]}); it was made for another query."
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
