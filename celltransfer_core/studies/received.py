"""Files that a set receives: checked, compared with its present files, and stored.

Every usable image is stored once under its content hash. Unusable files are listed with the
reason, and so are files that would replace another image or table.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from celltransfer_core.data.cell_names import CellNames
from celltransfer_core.data.checks import Checked, check_image, normalise_text
from celltransfer_core.data.dataset import stored_at, stored_names
from celltransfer_core.data.passed_over import kind_problem
from celltransfer_core.data.same_names import (
    Clash,
    Placed,
    PlacedTable,
    numbered,
    place,
    place_table,
)
from celltransfer_core.data.tables import TABLES
from celltransfer_core.errors import StudyError
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.files import read_if_whole, write_together
from celltransfer_core.studies.database import FileRow, SetRow, copy_row
from celltransfer_core.studies.records import Received
from celltransfer_core.studies.set_tables import (
    ArrivedTable,
    TableOfTables,
    arrived_table,
    needed_by,
    table_facts,
    written_table,
)

_AT_ONCE = 500  # rows per transaction


class FileTable(TableOfTables):
    """The table of the files of image sets."""

    def receive(
        self,
        set_id: str,
        files: Iterable[tuple[str, bytes]],
        *,
        clash: Clash = "ask",
        number: int = 2,
        passed_over: Sequence[tuple[str, str]] = (),
        again: str = ", then drop the folder again: images already received are not sent twice",
    ) -> Received:
        """Receive files: check each, store the usable ones, and record why the others were refused.

        Parameters
        ----------
        set_id : str
        files : iterable of (name, bytes)
            Names are stored as text and never used as paths. ``labels.csv`` and ``metadata.csv``
            are the set's tables; an unreadable one is kept if there is no other, so that the
            problem is shown with the set.
        clash : {"ask", "both", "replace", "leave"}
            What to do if the set has another image, or another table, of that name. By default
            nothing: the name is returned among those that clash.
        number : int
            Number for the new names of images, with ``both``; see
            :func:`~celltransfer_core.data.same_names.free_number`. The rows of a table apply to the
            images that arrived before it.
        passed_over : sequence of (name, reason)
            Files whose bytes were not sent; they are listed with the unusable ones.
        again : str
            What to do once there is space, which ends the message about a full disk.

        Returns
        -------
        Received

        Raises
        ------
        StudyError
            If the set no longer exists or its study was signed off.
        OutputError
            If an image cannot be written.
        """
        rows, refused = list[dict[str, Any]](), list[tuple[str, str]]()
        texts = dict[str, ArrivedTable]()

        def note(name: str, found: Checked, size: int = 0) -> None:
            if found.problem:
                refused.append((name, found.problem))
            rows.append(
                {
                    "set": set_id,
                    "path": name,
                    "size": size,
                    "sha256": found.sha256,
                    "problem": found.problem,
                    "pages": found.pages,
                    "deep": found.deep,
                    "numbers": found.numbers,
                    "reach": found.reach,
                    "channels": found.channels,
                    "note": found.note,
                    "look": found.look or None,
                }
            )

        for name, reason in passed_over:
            note(name, Checked(problem=reason))
        with write_together(problem=partial(self._not_stored, again)) as write:
            for name, data in files:
                folder, _, last = name.rpartition("/")
                if last.lower() in TABLES and folder:
                    note(name, Checked(problem="a table is only used beside the types' folders"))
                    continue
                if last.lower() in TABLES:
                    arrived = arrived_table(last.lower(), data)
                    if texts.setdefault(last.lower(), arrived) != arrived:
                        refused.append((name, "another table of this name came with it"))
                    continue
                problem = kind_problem(name)
                found = Checked(problem=problem) if problem else check_image(data)
                if not found.problem:
                    self._store(found.sha256, data, write)
                note(name, found, len(data))

        def keep(session: Session) -> tuple[Placed, dict[str, PlacedTable]]:
            row = self._touch_set(session, set_id)
            placed = self._place_files(session, set_id, rows, clash, number)
            tables = self._place_tables(session, row, texts, clash, number)
            changed = {name: table.text for name, table in tables.items()}
            row.table_facts = table_facts(row, texts, changed)
            usable = any(not rows[position]["problem"] for position in placed.written.values())
            if usable or not changed.items() <= row.tables.items():
                row.tables = {**row.tables, **changed}
                row.revision = secrets.token_hex(6)
            elif placed.written:  # the results stay valid
                row.unusable = secrets.token_hex(6)
            return placed, tables

        placed, tables = self._transact(keep)
        usable = sum(not rows[position]["problem"] for position in placed.written.values())
        refused += [(name, table.problem) for name, table in tables.items() if table.problem]
        clashing = [rows[position]["path"] for position in placed.clashing]
        clashing += [name for name, table in tables.items() if table.clashing]
        taken = placed.same + usable + sum(table.taken for table in tables.values())
        return Received(taken, tuple(refused), tuple(clashing))

    def take_over(self, set_id: str, source: str, names: Mapping[str, str]) -> None:
        """Add images of another set, which are stored already.

        Parameters
        ----------
        set_id : str
            Id of the set that receives them; it has no files with these names.
        source : str
            Id of the set that the images are taken from.
        names : mapping from hash to name
            The new name of each image.

        Raises
        ------
        StudyError
            If the set no longer exists, its study was signed off, or the source lacks an image now.
        OutputError
            If an image is no longer stored.
        """

        def take(some: Sequence[str], session: Session) -> None:
            row = self._touch_set(session, set_id)
            usable = select(FileRow).where(
                FileRow.set == source, FileRow.problem == "", FileRow.sha256.in_(some)
            )
            found = {one.sha256: one for one in session.scalars(usable.order_by(FileRow.id.desc()))}
            if len(found) < len(some):
                raise StudyError("Images were removed in the meantime; try again.")
            session.add_all(
                copy_row(found[sha], id=None, set=set_id, path=names[sha]) for sha in some
            )
            row.revision = secrets.token_hex(6)

        for some in in_batches(sorted(names), _AT_ONCE):
            self._transact(partial(take, some))

    def _place_files(
        self,
        session: Session,
        set_id: str,
        rows: Sequence[Mapping[str, Any]],
        clash: Clash,
        number: int,
    ) -> Placed:
        coming = [(row["path"], row["sha256"]) for row in rows]
        names = {name for name, _ in coming}
        if clash == "both":
            names |= {numbered(name, number) for name in names}
        here: dict[str, str] = {}
        for some in in_batches(sorted(names), 500):
            found = select(FileRow.path, FileRow.sha256, FileRow.problem).where(
                FileRow.set == set_id, FileRow.path.in_(some)
            )
            for path, sha256, problem in session.execute(found):
                here[path] = "" if problem else sha256
        placed = place(coming, here, clash, number)
        for some in in_batches(sorted(placed.written.keys() & here.keys()), 500):
            session.execute(delete(FileRow).where(FileRow.set == set_id, FileRow.path.in_(some)))
        if placed.written:
            kept = [{**rows[at], "path": name} for name, at in placed.written.items()]
            session.execute(insert(FileRow), kept)
        return placed

    def _place_tables(
        self,
        session: Session,
        row: SetRow,
        texts: Mapping[str, ArrivedTable],
        clash: Clash,
        number: int,
    ) -> dict[str, PlacedTable]:
        names: set[str] = set()
        if texts and clash == "both":
            paths = session.scalars(select(FileRow.path).where(FileRow.set == row.id))
            names = {normalise_text(path) for path in paths}

        there = CellNames(sorted(names))

        def renamed(name: str) -> str:
            other = numbered(name, number)
            if other in names:
                return other
            found = there.find(other)  # names as in the table, perhaps without a suffix
            return found[0] if len(found) == 1 else name

        return {
            name: place_table(
                arrived.table.text,
                row.tables.get(name),
                f"{row.name}/{name}",
                needed_by(row, name),
                clash,
                renamed,
                written_table(row, name).columns,
            )
            for name, arrived in texts.items()
        }

    def _store(self, sha256: str, data: bytes, write: Callable[[Path, bytes], None]) -> None:
        path = stored_at(self.images, sha256)
        try:
            os.utime(path)  # so that a sweep does not remove it meanwhile
        except FileNotFoundError:
            pass
        except OSError:  # another user's folder: the stored file can be read
            return
        if read_if_whole(path, Path.read_bytes) != data:  # not there, or damaged
            write(path, data)

    def _not_stored(self, again: str, reason: str) -> str:
        return (
            f"An image cannot be stored in {self.images} ({reason}); check that its disk has space "
            f"and that the folder is writable{again}."
        )

    def known_files(self, set_id: str) -> dict[str, str]:
        """List the files that a set has received, so that an interrupted upload can continue.

        Parameters
        ----------
        set_id : str

        Returns
        -------
        dict from name to content hash
            SHA-256, hexadecimal; empty for unusable files, and for images that are no longer
            stored: see :func:`~celltransfer_core.data.dataset.read_stored`.
        """
        files = select(FileRow.path, FileRow.sha256, FileRow.problem)
        with self._session() as session:
            rows = session.execute(files.where(FileRow.set == set_id)).all()
        stored = stored_names(self.images)
        usable = {row.path for row in rows if not row.problem and row.sha256 in stored}
        return {row.path: row.sha256 if row.path in usable else "" for row in rows}
