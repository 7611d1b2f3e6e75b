"""Tables read back: confirmed matches, answers, and clusters, checked against the query.

Files like ``matches.csv``, ``reviews.csv`` and ``clusters.csv`` go in, also those that a
spreadsheet saved again. Values that cannot be used are errors that name the line or the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.tables import read_table
from celltransfer_core.errors import DataError
from celltransfer_core.matching.matches import Confirmation
from celltransfer_core.outputs.formats import unguarded
from celltransfer_core.people.reviews import Review
from celltransfer_core.pipeline.result import Clusters
from celltransfer_core.types import Float64
from celltransfer_core.vocabulary import ANSWERS, DISPUTED, check_new_type


def read_matches(path: Path) -> tuple[Confirmation, ...]:
    """Read confirmed matches from a file like ``matches.csv``.

    Parameters
    ----------
    path : Path
        Columns cluster, matched_type and confirmed; only rows with ``confirmed=true`` count.

    Returns
    -------
    tuple of Confirmation

    Raises
    ------
    DataError
        If a column or a value is wrong.
    """
    found: dict[int, Confirmation] = {}
    for row in read_table(path, ("cluster", "matched_type", "confirmed")):
        confirmed = row.get("confirmed", "").lower()
        if confirmed not in {"true", "false", ""}:
            raise DataError(f"{path}: confirmed is {confirmed!r}; write true or false.")
        if confirmed != "true":
            continue
        try:
            cluster = int(row["cluster"])
        except ValueError:
            raise DataError(f"{path}: {row['cluster']!r} is no cluster number.") from None
        if cluster in found:
            raise DataError(f"{path} confirms cluster {cluster} twice; keep one row.")
        if not row.get("matched_type"):
            raise DataError(f"{path}: cluster {cluster} is confirmed without a matched_type.")
        cells = row.get("cells", "")
        found[cluster] = Confirmation(
            cluster,
            unguarded(row["matched_type"]),
            unguarded(row.get("by", "")),
            int(cells) if cells.isdigit() else None,
        )
    return tuple(found.values())


def read_answers(path: Path, query: Dataset, types: Sequence[str]) -> tuple[Review, ...]:
    """Read readers' answers from a file like ``reviews.csv``.

    Parameters
    ----------
    path : Path
        Columns file, sha256, type, reader and time, and blind if there is one; the oldest answer
        first. A cell is found by its hash, or by its file where that is empty.
    query : Dataset
    types : sequence of str
        Of the reference; a type that is none of them, and no answer, is new.

    Returns
    -------
    tuple of Review

    Raises
    ------
    DataError
        If a column or a value is wrong, or a cell is not of this query.
    """
    import datetime as dt

    cells, by_file = set(query.cells), dict(zip(query.files, query.sha256, strict=True))
    reviews = []
    for number, row in enumerate(
        read_table(path, ("file", "sha256", "type", "reader", "time")), start=2
    ):
        file, answer = unguarded(row["file"]), unguarded(row["type"])
        cell = row["sha256"] or by_file.get(file, "")
        if cell not in cells:
            raise DataError(
                f"{path}, line {number}: {file or cell!r} is not in the query; was the file made "
                "for another one?"
            )
        if by_file.get(file, cell) != cell:
            raise DataError(f"{path}, line {number}: {file} is another image now; look again.")
        reader = unguarded(row["reader"]).strip()
        if not reader or not reader.isprintable():
            raise DataError(f"{path}, line {number}: it does not say who the reader is.")
        try:
            dt.datetime.fromisoformat(row["time"])
        except ValueError:
            raise DataError(
                f"{path}, line {number}: {row['time']!r} is no time (as 2026-01-31T12:00:00)."
            ) from None
        blind = row.get("blind", "").lower()
        if blind not in {"true", "false", ""}:
            raise DataError(f"{path}, line {number}: blind is {blind!r}; write true or false.")
        if answer not in types and answer not in {*ANSWERS} - {DISPUTED}:
            try:
                answer = check_new_type(answer)
            except DataError as error:
                raise DataError(f"{path}, line {number}: {error}") from None
        reviews.append(Review(cell, answer, reader, row["time"], blind == "true"))
    return tuple(reviews)


def read_clusters(path: Path, query: Dataset) -> Clusters:
    """Read clusters from a file like ``clusters.csv``.

    Parameters
    ----------
    path : Path
        Columns file and cluster; centrality, and sha256 of the images, if they are there.
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
    rows: dict[str, dict[str, str]] = {}
    for told in read_table(path, ("file", "cluster")):
        name = unguarded(told["file"])
        if rows.setdefault(name, told)["cluster"] != told["cluster"]:
            raise DataError(f"{path} puts {name} into two clusters; keep one row.")
    numbers = np.full(query.n_cells, -1, dtype=np.int64)
    centrality: Float64 = np.ones(query.n_cells)
    for file, sha256, cell in zip(query.files, query.sha256, query.cell_index, strict=True):
        row = rows.get(file)
        if row is None:
            continue
        if row.get("sha256", sha256) not in ("", sha256):
            raise DataError(f"{path}: {file} is another image now; cluster the cells again.")
        try:
            number = int(row["cluster"])
            centre = float(row.get("centrality") or 1.0)
        except ValueError:
            raise DataError(f"{path}: the row of {file} holds no number.") from None
        if number < 0:
            raise DataError(f"{path}: cluster numbers start at 0; {file} has {number}.")
        if numbers[cell] not in (-1, number):
            raise DataError(f"{path} puts copies of {file} into two clusters; give them one.")
        numbers[cell], centrality[cell] = number, centre
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
