"""Tables that a set received: stored as text, with how they were read and the chosen columns.

From the bytes of a table such as ``labels.csv``, its text, the hash of these bytes and the columns
to use are determined.
"""

from __future__ import annotations

import codecs
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from celltransfer_core.data.table_bytes import LEFT_OUT, MAX_TABLE, TableText, decode_table
from celltransfer_core.data.table_rows import TableHeader, read_header
from celltransfer_core.data.tables import needed_columns, table_problem
from celltransfer_core.errors import DataError
from celltransfer_core.studies.database import SetRow
from celltransfer_core.studies.sets import SetTable


@dataclass(frozen=True)
class ArrivedTable:
    """A table that was received."""

    table: TableText
    sha256: str
    """Hash of its bytes, without the byte order mark of UTF-8."""


def arrived_table(name: str, data: bytes) -> ArrivedTable:
    """Read a table that was received.

    Parameters
    ----------
    name : str
    data : bytes

    Returns
    -------
    ArrivedTable
    """
    table = TableText(LEFT_OUT) if len(data) > MAX_TABLE else decode_table(data, name)
    return ArrivedTable(table, hashlib.sha256(data.removeprefix(codecs.BOM_UTF8)).hexdigest())


def table_facts(
    row: SetRow, arrived: Mapping[str, ArrivedTable], texts: Mapping[str, str]
) -> dict[str, Any] | None:
    """Collect what is known about a set's tables besides their text, once new tables arrive.

    Parameters
    ----------
    row : SetRow
        The set before the tables arrive.
    arrived : mapping from name to ArrivedTable
    texts : mapping from name to str
        The new text of each of them.

    Returns
    -------
    dict or None
        By table: hash and note of what was received, and the chosen columns, if the table has
        them.
    """
    facts = dict(row.table_facts or {})
    for name, text in texts.items():
        came = arrived[name]
        if text == came.table.text:
            chosen = facts.get(name, {}).get("columns", {})
            fits = set(chosen.values()) <= {*read_header(text, (), {}).columns}
            facts[name] = {
                "sha256": came.sha256,
                "note": came.table.note,
                "columns": chosen if fits else {},
            }
        elif text != row.tables.get(name):  # two tables were joined
            facts.pop(name, None)
    return facts or None


def written_table(row: SetRow, name: str) -> TableText:
    """Return a table of a set with what is known about it.

    Parameters
    ----------
    row : SetRow
    name : str

    Returns
    -------
    TableText
    """
    facts = (row.table_facts or {}).get(name, {})
    return TableText(
        row.tables.get(name, ""),
        facts.get("note", ""),
        facts.get("columns", {}),
    )


def needed_by(row: SetRow, table: str) -> frozenset[str]:
    """Return the columns that a table of a set must have.

    Parameters
    ----------
    row : SetRow
    table : str

    Returns
    -------
    frozenset of str
    """
    return needed_columns(table, labelled=row.role == "reference")


class TableOfTables(SetTable):
    """The tables of image sets."""

    def take_out_table(self, set_id: str, table: str) -> None:
        """Remove a table from a set, for example one that cannot be read.

        Parameters
        ----------
        set_id : str
        table : {"labels.csv", "metadata.csv"}
        """

        def take_out(session: Session) -> None:
            row = self._touch_set(session, set_id)
            row.tables = {name: text for name, text in row.tables.items() if name != table}
            row.table_facts = {n: f for n, f in (row.table_facts or {}).items() if n != table}
            row.revision = secrets.token_hex(6)

        self._transact(take_out)

    def choose_columns(self, set_id: str, table: str, columns: Mapping[str, str]) -> None:
        """Choose the columns of a table that serve as ``file`` and ``label``.

        Parameters
        ----------
        set_id : str
        table : str
            Its name, such as ``labels.csv``.
        columns : mapping from str to str
            From ``file`` and ``label`` to the column's name in the table.

        Raises
        ------
        DataError
            If the table cannot be read in this way.
        """

        def choose(session: Session) -> None:
            row = self._touch_set(session, set_id)
            text = row.tables.get(table, "")
            needs = needed_by(row, table)
            if problem := table_problem(text, f"{row.name}/{table}", needs, columns):
                raise DataError(problem)
            facts = row.table_facts or {}
            chosen = {**facts.get(table, {}), "columns": dict(columns)}
            row.table_facts = {**facts, table: chosen}
            row.revision = secrets.token_hex(6)

        self._transact(choose)

    def table_headers(self, set_id: str) -> dict[str, TableHeader]:
        """Read the columns of a set's tables and the meaning of each.

        Parameters
        ----------
        set_id : str

        Returns
        -------
        dict from name to TableHeader
            Tables that are not text are left out.
        """
        with self._session() as session:
            row = self._set_row(session, set_id)
            return {
                name: read_header(text, needed_by(row, name), written_table(row, name).columns)
                for name, text in row.tables.items()
                if not text.startswith(LEFT_OUT)
            }

    def known_tables(self, set_id: str) -> dict[str, str]:
        """List the tables of a set, so that another one of the same name is noticed.

        Parameters
        ----------
        set_id : str

        Returns
        -------
        dict from name to content hash
            SHA-256 of the received bytes, without the byte order mark of UTF-8; empty for an
            unreadable table.
        """
        with self._session() as session:
            row = self._set_row(session, set_id)
            return {
                name: ""
                if table_problem(text, name, needed_by(row, name), written_table(row, name).columns)
                else (row.table_facts or {}).get(name, {}).get("sha256")
                or hashlib.sha256(text.encode()).hexdigest()
                for name, text in row.tables.items()
            }
