"""Import answers that were given elsewhere, as a table or as folders named by type.

The source is a ``reviews.csv``, any table with files or hashes and types, or images sorted into
folders. There are two steps: the file is read (:func:`said_in_table`, :func:`said_in_folders`),
then compared with the query, its types and the existing answers (:func:`bring_in`). Nothing is
guessed: rows that fit no cell, name no type or contradict each other are reported and left out.
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

_LONGEST = 60  # characters kept of a reader's name, before the importer's name


@dataclass(frozen=True)
class Said:
    """What a file says about one cell."""

    place: str
    """Place in the file: ``line 12``, or the name of the image."""
    file: str
    sha256: str
    """Hash of the image; empty where only the file name is known."""
    type_name: str
    """The type as written in the file."""
    reader: str = ""
    time: str = ""
    """ISO 8601; empty if the file does not give it, and likewise the reader."""
    blind: bool = False
    chance: float | None = None
    source: str = ""
    """File that an earlier import took it from."""
    sorted_by_type: bool = False
    """Whether the folders in the name are types rather than folders of the query."""
    line: int = 0
    """Line in a table."""


@dataclass(frozen=True)
class BroughtIn:
    """What a file says, compared with the query and the existing answers."""

    reviews: tuple[Review, ...]
    """Answers to keep: at most one per cell and reader, unless they count like those given here."""
    already: int
    """Identical answers that already exist."""
    kept: int
    """Cells that keep the answer their reader gave here.

    Such answers are blind or on randomly drawn cells, and estimates of accuracy are based on them.
    """
    renamed: tuple[Said, ...]
    """Rows whose image is not in the query but whose file name is; left out unless allowed."""
    missing: tuple[Said, ...]
    """Rows about cells that are not in the query."""
    unknown: Mapping[str, int]
    """Names that are not types of the study, with the number of their rows; left out."""
    conflicts: tuple[tuple[Said, Said], ...]
    """Pairs that contradict each other about one cell without either being later; left out."""
    can_count: bool
    """Whether the answers may count like those given here.

    They may if some were blind or on randomly drawn cells, every cell is in the query, and nobody
    has answered here yet.
    """


def said_in_table(
    text: str, name: str, columns: Mapping[str, str] | None = None
) -> tuple[Said, ...]:
    """Read a table of answers.

    Parameters
    ----------
    text : str
        As returned by :func:`~celltransfer_core.data.table_bytes.decode_table`.
    name : str
        Name of the table, for messages.
    columns : mapping from str to str, optional
        Columns that the user chose for ``file`` and ``label``.

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
        If the text is not a table or a value is invalid; the message names the line.
    """
    check_readable(text, name, bounded=False)
    chosen = dict(columns or {})
    header = read_header(text, ("file", "label"), chosen)
    there = {column.strip().lower() for column in header.columns}
    if "label" not in chosen and "type" in there:  # the name used in our own tables
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
    """Read the types of images that were sorted into one folder per type.

    Parameters
    ----------
    hashes : mapping from str to str
        From the name of each image, with its folders and ``/`` between them, to its SHA-256.

    Returns
    -------
    tuple of Said
        One per image, with the folder that contains it as its type.

    Raises
    ------
    DataError
        If there are no images, or one is not in a folder.
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
    """Compare what a file says with a query, its types and the existing answers.

    Parameters
    ----------
    said : sequence of Said query : Dataset types : sequence of str Of the study.
    reviews : sequence of Review
        The existing answers.
    reader : str
        Who imports them. Answers that the file attributes to another reader keep that name,
        followed by this one, so that nobody can answer in another person's name.
    time : str
        Time for answers without one, ISO 8601.
    meant : mapping from str to str, optional
        Meaning of names that are not types of the study: a type, a new type, or empty to leave them
        out.
    by_name : bool
        Whether to accept files of which only the name is in the query.
    counts : bool
        Whether all answers count like those given here; see ``can_count`` of the result.

    Returns
    -------
    BroughtIn

    Raises
    ------
    DataError
        If a name cannot be used as a new type.
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
    """Find answers that contradict each other about one cell, where neither is later.

    Parameters
    ----------
    placed : sequence of (Said, Review)
        What a file says, and the answer made from it.

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
    """Count cells by final type, before and after answers are imported.

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
    """Resolves names of types; counts the unknown ones."""

    def __init__(self, types: Sequence[str], meant: Mapping[str, str]) -> None:
        self._types = types
        self._meant = {name: self._checked(to) for name, to in meant.items()}
        self._found: dict[str, str] = {}
        self.unknown: dict[str, int] = {}

    def _checked(self, name: str) -> str:
        known = same_type(name, self._types)
        return known or (check_new_type(tidy_name(name)) if name else "")

    def find(self, written: str) -> str:
        """Return the type or answer; empty if there is none."""
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
    """Keep the last answer of each reader on each cell if it adds something new."""
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
