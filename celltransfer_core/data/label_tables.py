"""Read types, slides and patients of files from ``labels.csv`` and ``metadata.csv``.

Not in the paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from celltransfer_core.data.cell_names import Matched, match_rows, named_file
from celltransfer_core.data.checks import normalise_text
from celltransfer_core.data.dataset import Remark
from celltransfer_core.data.formula_guard import unguarded
from celltransfer_core.data.levels import TypesAt, folder_at
from celltransfer_core.data.table_bytes import TableText, check_readable, read_text
from celltransfer_core.data.table_rows import values_of
from celltransfer_core.data.tables import (
    LABEL_TABLES,
    LABELS_FILE,
    TABLES,
    needed_columns,
    rows_of,
)
from celltransfer_core.data.type_names import type_key
from celltransfer_core.errors import DataError


def read_table_texts(root: Path, columns: Mapping[str, str] | None = None) -> dict[str, TableText]:
    """Read the tables that a folder contains.

    Parameters
    ----------
    root : Path
    columns : mapping from str to str, optional
        Columns of the label table to use as ``file`` and ``label``.

    Returns
    -------
    dict from file name to TableText

    Raises
    ------
    DataError
        If a table cannot be opened, or exists twice.
    """
    found: dict[str, TableText] = {}
    for path in sorted(path for path in root.iterdir() if path.name.lower() in TABLES):
        name = path.name.lower()
        if name in found:
            raise DataError(f"{root} contains {name} twice, in upper and lower case; keep one.")
        found[name] = read_text(path)
        check_readable(found[name].text, str(path))
        if columns and name in LABEL_TABLES:
            found[name] = replace(found[name], columns=columns)
    return found


class LabelTables:
    """Types, slides and patients of a set's files, from its tables and folders.

    Parameters
    ----------
    tables : mapping from file name to TableText
        The available tables of :data:`TABLES`.
    where : str
        Name of the set, for messages.
    labelled : bool
        Whether types are wanted; if not, labels in a table are ignored.

    Raises
    ------
    ColumnsError
        If the columns of a table are ambiguous.
    DataError
        If a table cannot be read, or there are two tables of the same kind.
    """

    def __init__(self, tables: Mapping[str, TableText], where: str, *, labelled: bool) -> None:
        self.where = where
        self.values: dict[str, dict[str, str]] = {"label": {}, "slide": {}, "patient": {}}
        self.conflicts: dict[str, set[str]] = {}
        self.lines: dict[str, tuple[str, int]] = {}
        self._remarks: list[Remark] = []
        self._matched: Matched | None = None
        for kind in (LABEL_TABLES, TABLES[len(LABEL_TABLES) :]):
            if len(there := [name for name in kind if name in tables]) > 1:
                raise DataError(f"{where} contains {' and '.join(there)}; keep one.")
        self.labels_file = next((name for name in LABEL_TABLES if name in tables), LABELS_FILE)
        self.has_labels = labelled and self.labels_file in tables
        for name in TABLES:
            if name in tables:
                self._add(name, tables[name], needed_columns(name, labelled=labelled))

    def _add(self, name: str, written: TableText, needs: Collection[str]) -> None:
        table = rows_of(written, f"{self.where}/{name}", needs)
        notes = (written.note, table.note)
        self._remarks += [Remark(name, note) for note in notes if note]
        # Exported tables protect names such as +CD4 from being read as a formula.
        guarded = "'" in written.text

        def values_in(column: str) -> Iterable[str]:
            values = values_of(table, column)
            return map(unguarded, values) if guarded else values

        keys = [named_file(value) if value else "" for value in values_in("file")]
        for key, line in zip(keys, table.lines, strict=True):
            self.lines.setdefault(key, (name, line))
        once = len({*keys}) == len(keys)
        for column in ({"slide", "patient", *needs} - {"file"}) & {*table.columns}:
            known = self.values[column]
            values = map(normalise_text, values_in(column))
            if once and not known:  # the usual case: no contradictions are possible
                known.update((k, v) for k, v in zip(keys, values, strict=True) if v and k)
                continue
            for key, value in zip(keys, values, strict=True):
                if value and key and not _same(column, known.setdefault(key, value), value):
                    self.conflicts.setdefault(key, set()).add(column)
        self.lines.pop("", None)

    def notes(self, names: Sequence[str]) -> list[Remark]:
        """Report how the tables were read, which of their files are missing, and contradictions.

        Parameters
        ----------
        names : sequence of str
            All existing files.

        Returns
        -------
        list of Remark
        """
        matched = self._match(names)
        remarks = [*self._remarks]
        if matched.otherwise:
            table = self.lines[matched.otherwise[0]][0]
            remarks.append(
                Remark(
                    table,
                    f"names {len(matched.otherwise):,} files differently from the folder, such as "
                    f"{matched.otherwise[0]}; one file fits each",
                )
            )
        remarks += [Remark(name, reason) for name, reason in matched.missing.items()]
        return remarks + [
            Remark(name, f"has contradictory entries for {column}; none is used")
            for name, row in matched.rows.items()
            for column in sorted(self.conflicts.get(row, set()) - {"label"})
        ]

    def _match(self, names: Sequence[str]) -> Matched:
        """Match all files to rows, once."""
        if self._matched is None:
            self._matched = match_rows([normalise_text(name) for name in names], self.lines)
            for name, rows in self._matched.several.items():
                self._join(name, rows)
        return self._matched

    def _join(self, name: str, rows: Sequence[str]) -> None:
        """Merge several rows that refer to the same file."""
        for column, known in self.values.items():
            for value in [known[row] for row in rows if row in known]:
                if not _same(column, known.setdefault(name, value), value):
                    self.conflicts.setdefault(name, set()).add(column)
        for row in rows:
            self.conflicts.setdefault(name, set()).update(self.conflicts.get(row, ()))

    def types(
        self, names: Sequence[str], types_at: TypesAt = 1
    ) -> tuple[dict[str, str], list[Remark]]:
        """Find the type of each file, and the files without a type.

        Parameters
        ----------
        names : sequence of str
            All existing files.
        types_at : int or "innermost"
            Level of the folders that name the types if no table does.

        Returns
        -------
        labels : dict from file to type
        left_out : list of Remark

        Raises
        ------
        DataError
            If there is neither a table of labels nor a sub-folder.
        """
        if not self.has_labels and names and not any("/" in name for name in names):
            raise DataError(
                f"{self.where} contains no usable image, because none has a type; put them into "
                f"one sub-folder per type, or add a {LABELS_FILE} with the columns file,label."
            )
        return self._in_table(names) if self.has_labels else _in_folders(names, types_at)

    def _in_table(self, names: Sequence[str]) -> tuple[dict[str, str], list[Remark]]:
        matched = self._match(names)
        labels: dict[str, str] = {}
        left_out: list[Remark] = []
        known = self.values["label"]
        keys = [normalise_text(name) for name in names]
        spelt = Counter(keys)
        unknown = f"has no label in {self.labels_file}"
        if self.lines and not matched.rows:
            unknown += f", which names no existing file: it has {next(iter(self.lines))}"
        for name, key in zip(names, keys, strict=True):
            row = matched.rows.get(key, "")
            if spelt[key] > 1:
                left_out.append(Remark(name, "another file has an equivalent name; rename one"))
            elif row in self.conflicts and "label" in self.conflicts[row]:
                left_out.append(Remark(name, f"has contradictory rows in {self.labels_file}"))
            elif label := known.get(row, ""):
                labels[name] = label
            else:
                left_out.append(Remark(name, unknown))
        return labels, left_out

    def place_of(self, name: str) -> str:
        """Return where the type of a file is given.

        Parameters
        ----------
        name : str
            A file with a type, after all types were looked up.

        Returns
        -------
        str
            The table and its line, or the set.
        """
        if not self.has_labels or self._matched is None:
            return self.where
        table, line = self.lines[self._matched.rows[normalise_text(name)]]
        return f"{self.where}/{table}, line {line}"

    def column(self, column: str, names: Sequence[str]) -> tuple[str, ...] | None:
        """Look up a column's value for each file.

        Parameters
        ----------
        column : {"slide", "patient"}
        names : sequence of str

        Returns
        -------
        tuple of str or None
            Empty where unknown; None if no file has one.
        """
        if not self.values[column]:
            return None
        rows = self._match(names).rows
        keys = [normalise_text(name) for name in names]
        spelt = Counter(keys)
        doubted = {row for row, columns in self.conflicts.items() if column in columns}
        known = {row: v for row, v in self.values[column].items() if row not in doubted}
        values = tuple(known.get(rows.get(k, ""), "") if spelt[k] == 1 else "" for k in keys)
        return values if any(values) else None


def _same(column: str, one: str, other: str) -> bool:
    return one == other or (column == "label" and type_key(one) == type_key(other))


def _in_folders(names: Sequence[str], types_at: TypesAt) -> tuple[dict[str, str], list[Remark]]:
    labels: dict[str, str] = {}
    left_out: list[Remark] = []
    for name in names:
        if (folder := folder_at(name, types_at)) is None:
            left_out.append(Remark(name, "is outside the types' sub-folders"))
        elif label := normalise_text(folder):
            labels[name] = label
        else:
            left_out.append(Remark(name, "the name of its folder is blank, so it has no type"))
    return labels, left_out
