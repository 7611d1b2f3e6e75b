"""Answers that were given elsewhere: a table, or a folder a type, in; answers on query cells out.

A ``reviews.csv``, any table with files or hashes and types, or images sorted into folders. In two
steps: what the file says is read (:func:`said_in_table`, :func:`said_in_folders`), then it is laid
beside the query, its types and what was answered already (:func:`bring_in`). Nothing is guessed:
what fits no cell, names no type or says two things of a cell is told and left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.table_bytes import check_readable
from celltransfer_core.data.table_columns import ColumnsError
from celltransfer_core.data.table_rows import read_header
from celltransfer_core.data.type_names import answer_named, same_type, tidy_name
from celltransfer_core.errors import DataError
from celltransfer_core.outputs.handed_back import (
    chance_in,
    hash_in,
    reader_in,
    rows_of_text,
    time_in,
    truth_in,
)
from celltransfer_core.outputs.query_cells import QueryCells
from celltransfer_core.people.reviews import Review, final_types, last_answers
from celltransfer_core.vocabulary import ANSWERS, DISPUTED, SKIPPED, check_new_type

_LONGEST = 60  # characters of a reader's name that are kept beside who brought it in


@dataclass(frozen=True)
class Said:
    """What a file says of one cell."""

    place: str
    """Where: ``line 12``, or the name of the image."""
    file: str
    sha256: str
    """Of the image; empty where only the file's name is known."""
    type_name: str
    """As it is written there."""
    reader: str = ""
    time: str = ""
    """ISO 8601; empty, as the reader, where nothing is said of it."""
    blind: bool = False
    chance: float | None = None
    source: str = ""
    """File that it was brought in from before."""
    sorted_by_type: bool = False
    """Whether the folders in the name are types, and not those of the query."""
    line: int = 0
    """In a table."""


@dataclass(frozen=True)
class BroughtIn:
    """What a file says, laid beside the query and what was answered already."""

    reviews: tuple[Review, ...]
    """Those to be kept: at most one a cell and reader, unless they count like those given here."""
    already: int
    """Answers that stand already, word for word."""
    kept: int
    """Cells that stay as their reader answered here, without a prediction in sight or drawn by
    chance: figures of how often predictions are right rest on these."""
    renamed: tuple[Said, ...]
    """Whose image is not in the query but whose file's name is; left out unless allowed."""
    missing: tuple[Said, ...]
    """Of cells that are not in the query."""
    unknown: Mapping[str, int]
    """Names that are no type of the study, with the number of their rows; left out."""
    conflicts: tuple[tuple[Said, Said], ...]
    """Pairs that say different things of one cell, and nothing of which is later; left out."""
    can_count: bool
    """Whether they may count like answers given here: some were blind or drawn by chance, every
    cell is in the query, and nobody has answered here yet."""


def said_in_table(
    text: str, name: str, columns: Mapping[str, str] | None = None
) -> tuple[Said, ...]:
    """Read a table of answers.

    Parameters
    ----------
    text : str
        As :func:`~celltransfer_core.data.table_bytes.decode_table` gives it.
    name : str
        Of the table, for messages.
    columns : mapping from str to str, optional
        Columns that a person chose for ``file`` and ``label``.

    Returns
    -------
    tuple of Said
        Rows of a ``reviews.csv``, or of any table with a column of files or ``sha256`` and one of
        types.

    Raises
    ------
    ColumnsError
        If it is not clear which column holds the files, or the types.
    DataError
        If it is no table, or a value is wrong; the message names the line.
    """
    check_readable(text, name, bounded=False)
    chosen = dict(columns or {})
    header = read_header(text, ("file", "label"), chosen)
    there = {column.strip().lower() for column in header.columns}
    if "label" not in chosen and "type" in there:  # as our own tables call it
        chosen["label"] = "type"
    needs = {"label"} if "sha256" in there and "file" not in header.counts else {"file", "label"}
    found = []
    try:
        for line, row in rows_of_text(text, name, needs, chosen):
            file, told = row.get("file", ""), row["label"]
            sha256 = hash_in(name, line, row)
            if not (file or sha256 or told):
                continue
            if not told:
                raise DataError(f"{name}, line {line}, has no type; write one, or remove the row.")
            found.append(
                Said(
                    f"line {line}",
                    file,
                    sha256,
                    told,
                    reader_in(name, line, row),
                    time_in(name, line, row),
                    truth_in(name, line, row, "blind"),
                    chance_in(name, line, row),
                    row.get("source", ""),
                    line=line,
                )
            )
    except ColumnsError as error:
        raise ColumnsError(
            f"{error} A table of answers needs a column of files (or sha256) and a column of "
            "types.",
            error.columns,
        ) from None
    if not found:
        raise DataError(f"{name} has a header but no rows; there is nothing to import.")
    return tuple(found)


def said_in_folders(hashes: Mapping[str, str]) -> tuple[Said, ...]:
    """Read images that were sorted into one folder a type.

    Parameters
    ----------
    hashes : mapping from str to str
        From the name of each image, with its folders and ``/`` between them, to its SHA-256.

    Returns
    -------
    tuple of Said
        Of each image the folder that it lies in.

    Raises
    ------
    DataError
        If there is no image, or one lies in no folder.
    """
    if not hashes:
        raise DataError("There is no image in this folder; choose one with a sub-folder per type.")
    found = []
    for name, sha256 in sorted(hashes.items()):
        folder = name.rpartition("/")[0].rpartition("/")[2]
        if not folder:
            raise DataError(f"{name} is in no folder that names its type; move it into one.")
        found.append(Said(name, name, sha256, folder, sorted_by_type=True))
    return tuple(found)


def bring_in(
    said: Sequence[Said],
    query: Dataset,
    types: Sequence[str],
    reviews: Sequence[Review],
    reader: str,
    time: str,
    *,
    meant: Mapping[str, str] | None = None,
    by_name: bool = False,
    counts: bool = False,
) -> BroughtIn:
    """Lay what a file says beside a query, its types, and what was answered already.

    Parameters
    ----------
    said : sequence of Said
    query : Dataset
    types : sequence of str
        Of the study.
    reviews : sequence of Review
        That stand already.
    reader : str
        Who brings them in. Answers that the file gives another reader keep that name, followed by
        this one: nobody answers as somebody else.
    time : str
        Of answers without one, ISO 8601.
    meant : mapping from str to str, optional
        What names stand for that are no type of the study: a type, a new one, or empty to leave
        them out.
    by_name : bool
        Whether files count whose name alone is in the query.
    counts : bool
        Whether all answers count like those given here, see ``can_count`` of the result.

    Returns
    -------
    BroughtIn

    Raises
    ------
    DataError
        If a name is to be a new type and cannot be.
    """
    cells, names = QueryCells(query), _Names(types, meant or {})
    renamed, missing = list[Said](), list[Said]()
    placed: list[tuple[Said, Review]] = []
    for one in said:
        cell, how = cells.find(one.file, one.sha256, folders=not one.sorted_by_type)
        if how == "missing":
            missing.append(one)
            continue
        if how == "other content":
            renamed.append(one)
            if not by_name:
                continue
        if name := names.find(one.type_name):
            who = _reader(one.reader, reader)
            placed.append(
                (
                    one,
                    Review(query.cells[cell], name, who, one.time or time, one.blind, one.chance),
                )
            )
    sampled = any(one.blind or one.chance is not None for one in said)
    can_count = sampled and not (reviews or missing or renamed)
    conflicts = find_conflicts(placed)
    doubted = {(cell, who) for cell, who, _ in conflicts}
    clear = [one for _, one in placed if (one.cell, one.reader) not in doubted]
    if counts and can_count:
        kept, already = 0, 0
    else:
        clear, kept, already = _news(clear, reviews)
    return BroughtIn(
        reviews=tuple(clear),
        already=already,
        kept=kept,
        renamed=tuple(renamed),
        missing=tuple(missing),
        unknown=names.unknown,
        conflicts=tuple(conflicts.values()),
        can_count=can_count,
    )


def find_conflicts(
    placed: Sequence[tuple[Said, Review]],
) -> dict[tuple[str, str, str], tuple[Said, Said]]:
    """Find what says different things of one cell, where neither is later.

    Parameters
    ----------
    placed : sequence of (Said, Review)
        What a file says, and the answer that it is.

    Returns
    -------
    dict from (cell, reader, time) to (Said, Said)
        The first two that differ.
    """
    first: dict[tuple[str, str, str], tuple[Said, Review]] = {}
    found: dict[tuple[str, str, str], tuple[Said, Said]] = {}
    for one, review in placed:
        of = review.cell, review.reader, one.time
        before, answer = first.setdefault(of, (one, review))
        if answer.answer != review.answer:
            found.setdefault(of, (before, one))
    return found


def answers_before_and_after(
    cells: Sequence[str], predicted: Sequence[str], before: Sequence[Review], new: Sequence[Review]
) -> dict[str, tuple[int, int]]:
    """Count cells by final type, before and after answers are brought in.

    Parameters
    ----------
    cells : sequence of str, length n
        Hashes of the query's cells.
    predicted : sequence of str, length n
    before, new : sequence of Review

    Returns
    -------
    dict from type to (int, int)
        In alphabetical order.
    """
    counts = [
        dict(zip(*(part.tolist() for part in np.unique(final, return_counts=True)), strict=True))
        for final in (
            final_types(cells, predicted, before).final,
            final_types(cells, predicted, [*before, *new]).final,
        )
    ]
    names = sorted({*counts[0], *counts[1]})
    return {name: (counts[0].get(name, 0), counts[1].get(name, 0)) for name in names}


class _Names:
    """What names of types mean; counts those that nobody knows."""

    def __init__(self, types: Sequence[str], meant: Mapping[str, str]) -> None:
        self._types = types
        self._meant = {name: self._checked(to) for name, to in meant.items()}
        self._found: dict[str, str] = {}
        self.unknown: dict[str, int] = {}

    def _checked(self, name: str) -> str:
        known = same_type(name, self._types)
        return known or (check_new_type(tidy_name(name)) if name else "")

    def find(self, written: str) -> str:
        """Return the type or answer; empty for none."""
        if written not in self._found:
            answer = answer_named(written)
            is_answer = answer in {*ANSWERS} - {DISPUTED}
            self._found[written] = answer if is_answer else same_type(written, self._types)
        if found := self._found[written]:
            return found
        spelt = tidy_name(written)
        if spelt in self._meant:
            return self._meant[spelt]
        self.unknown[spelt] = self.unknown.get(spelt, 0) + 1
        return ""


def _reader(named: str, reader: str) -> str:
    if named in ("", reader):
        return reader
    return f"{named[:_LONGEST]} (brought in by {reader[: _LONGEST - 18]})"


def _news(given: Sequence[Review], reviews: Sequence[Review]) -> tuple[list[Review], int, int]:
    """Keep the last answer of each reader on each cell, where it says something new."""
    standing = last_answers(reviews)
    last = {
        (one.cell, one.reader): replace(one, blind=False, chance=None)
        for one in given
        if one.answer != SKIPPED
    }
    news, kept, already = list[Review](), 0, 0
    for (cell, reader), one in last.items():
        before = standing.get(cell, {}).get(reader)
        if before and before.answer == one.answer:
            already += 1
        elif before and (before.blind or before.chance is not None):
            kept += 1
        else:
            news.append(one)
    return news, kept, already
