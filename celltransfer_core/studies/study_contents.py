"""The database rows of a study as plain JSON values, for export and import.

Rows are converted to JSON values. Values from any source are checked and converted back to valid
rows of a study, or rejected with an error that says what is wrong. Ids of this workspace are left
out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celltransfer_core.data.channels import parse_channels
from celltransfer_core.data.checks import name_problem
from celltransfer_core.data.levels import read_level
from celltransfer_core.data.tables import TABLES
from celltransfer_core.errors import DataError, StudyError
from celltransfer_core.studies.database import DecisionRow, FileRow, SetRow, StudyRow
from celltransfer_core.studies.records import BATCH, ROLES, clean_name, clean_tags

Row = Mapping[str, Any]

_FILE = ("path", "size", "sha256", "problem")
"""Exported columns of a file; everything else is determined from its image."""

_OWN = {"id", "study", "set", "deleted", "archived"}
"""Columns that have a meaning only within one workspace."""

_MOST = 2**31  # bound of integers that every database can store

_TAKEN: Mapping[type[Any], tuple[type[Any], ...]] = {float: (int, float), object: (dict, list)}
"""Python types that are accepted for columns of these types."""

_HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class StudyContents:
    """A study as it was at one moment."""

    study: Row
    sets: tuple[Row, ...]
    files: tuple[tuple[Row, ...], ...]
    """Files of each set, whether their images are usable or not."""
    decisions: tuple[Row, ...]
    """Oldest first, including undone ones."""

    @property
    def images(self) -> dict[str, int]:
        """Size in bytes of each usable image, by content hash."""
        usable = (one for some in self.files for one in some if not one["problem"])
        return {one["sha256"]: one["size"] for one in sorted(usable, key=lambda f: f["sha256"])}


def plain_row(row: StudyRow | SetRow | FileRow | DecisionRow) -> Row:
    """Return the values of a row that are also meaningful elsewhere.

    Parameters
    ----------
    row : row of a table

    Returns
    -------
    mapping from column to JSON value
    """
    told = _FILE if isinstance(row, FileRow) else _columns(type(row))
    return {name: getattr(row, name) for name in told}


def checked_contents(study: Any, decisions: Any) -> StudyContents:
    """Check the contents of a study as read from a file.

    Parameters
    ----------
    study : JSON value
        The study's row; besides its columns, ``sets``: the rows of its sets, with their ``files``.
    decisions : JSON value
        Rows of the decisions.

    Returns
    -------
    StudyContents

    Raises
    ------
    DataError
        If the values cannot be those of a study.
    """
    try:
        own = dict(study)
        sets = [dict(one) for one in own.pop("sets")]
        files = [tuple(_file(one) for one in each.pop("files")) for each in sets]
        rows = [_set(one) for one in sets]
        found = StudyContents(
            _study(own), tuple(rows), tuple(files), tuple(_decision(one) for one in decisions)
        )
    except (TypeError, ValueError, LookupError, AttributeError, StudyError) as error:
        raise DataError(f"The study in the file is damaged ({error}).") from error
    _check_together(found)
    return found


def _check_together(found: StudyContents) -> None:
    roles = Counter(one["role"] for one in found.sets)
    if roles["query"] > 1:
        raise DataError("The study in the file is damaged (it has two query sets).")
    batches = [one["name"] for one in found.sets if one["role"] == BATCH]
    if len({*batches}) < len(batches):
        raise DataError("The study in the file is damaged (two batches have the same name).")
    for some in found.files:
        if len({one["path"] for one in some}) < len(some):
            raise DataError("The study in the file is damaged (two files of a set share a name).")


def _study(given: Row) -> Row:
    row = _typed(StudyRow, given)
    _require(clean_name(row["name"]) == row["name"], "the study's name")
    _require(clean_tags(row["tags"] or ()) == (row["tags"] or []), "its tags")
    _require(not row["signed_by"] or clean_name(row["signed_by"]) == row["signed_by"], "who signed")
    for name in ("created", "changed", "signed"):
        _moment(row.get(name))
    return row


def _set(given: Row) -> Row:
    row = _typed(SetRow, given)
    _require(row["role"] in ROLES, "the role of a set")
    _require(clean_name(row["name"]) == row["name"], "the name of a set")
    _require(0 < (row["um_per_px"] or 1) < 1e6, "the size of pixels")
    _require(row["tables"].keys() <= {*TABLES}, "the name of a table")
    _texts(row["tables"].values())
    _texts(row["mapping"].values())
    if row["types_at"]:
        read_level(row["types_at"])
    if row["channels"]:
        parse_channels(row["channels"])
    return row


def _file(given: Row) -> Row:
    row = _typed(FileRow, given, _FILE)
    _require(bool(row["problem"]) or not name_problem(row["path"]), "the name of a file")
    _require(bool(_HASH.fullmatch(row["sha256"])) or bool(row["problem"]), "the hash of an image")
    return row


def _decision(given: Row) -> Row:
    row = _typed(DecisionRow, given)
    _require(row["who"] == "" or clean_name(row["who"]) == row["who"], "the name of a person")
    _require(isinstance(row["payload"], dict), "what was decided")
    together = row["payload"].get("together", 1)
    _require(type(together) is int and 0 < together < _MOST, "what was decided together")
    _moment(row["at"])
    return row


def _typed(table: type[Any], given: Row, names: Sequence[str] = ()) -> Row:
    """Return a row after checking its values against the types of its columns."""
    columns = {c.name: c for c in table.__table__.columns}
    known = names or _columns(table)
    _require(given.keys() <= {*known}, f"it knows {', '.join(sorted(given.keys() - {*known}))}")
    row = {}
    for name in known:
        column = columns[name]
        if name not in given and (column.nullable or column.default is not None):
            row[name] = None if column.default is None else column.default.arg
            continue
        kind, value = column.type.python_type, given[name]
        fits = type(value) in _TAKEN.get(kind, (kind,))
        _require(not isinstance(value, int) or abs(value) < _MOST, f"its {name}")
        _require(fits or (value is None and column.nullable), f"its {name}")
        row[name] = value
    return row


def _columns(table: type[Any]) -> list[str]:
    return [column.name for column in table.__table__.columns if column.name not in _OWN]


def _texts(values: Iterable[Any]) -> None:
    _require(all(isinstance(one, str) for one in values), "a text")


def _moment(written: str | None) -> None:
    if written is not None:
        dt.datetime.fromisoformat(written)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
