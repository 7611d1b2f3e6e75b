"""Transfer of studies between workspaces: read a whole study, or add one from another workspace.

A study that is imported stays hidden until it is complete (see
:mod:`celltransfer_core.studies.unfinished`); if the import fails, nothing of it remains.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from celltransfer_core.data.checks import check_image
from celltransfer_core.data.dataset import stored_at, stored_names
from celltransfer_core.errors import DataError, OutputError, StudyError
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.files import write_together
from celltransfer_core.studies.database import (
    UNFINISHED,
    DecisionRow,
    FileRow,
    JobRow,
    SetRow,
    StudyRow,
    to_record,
)
from celltransfer_core.studies.duplicates import DuplicateTable
from celltransfer_core.studies.owners import answer_for
from celltransfer_core.studies.received import FileTable
from celltransfer_core.studies.records import Study, now
from celltransfer_core.studies.study_contents import StudyContents, plain_row
from celltransfer_core.studies.unfinished import ROWS
from celltransfer_core.types import Progress

_AT_ONCE = 100  # images that are flushed to disk together


class MovedTable(FileTable, DuplicateTable):
    """Reads all contents of a study, and adds a study from such contents."""

    def contents(self, study: str) -> StudyContents:
        """Read everything that the database holds about a study, as of one moment.

        Parameters
        ----------
        study : str

        Returns
        -------
        StudyContents

        Raises
        ------
        StudyError
            If there is none, or it was deleted.
        """
        with self._session() as session:
            own = session.get(StudyRow, study)
            if own is None or own.deleted:
                raise StudyError("This study no longer exists; choose one from the list.")
            by_place = select(SetRow).where(SetRow.study == study).order_by(SetRow.position)
            sets = session.scalars(by_place).all()
            files = [
                session.scalars(
                    select(FileRow).where(FileRow.set == one.id).order_by(FileRow.id)
                ).all()
                for one in sets
            ]
            decided = select(DecisionRow).where(DecisionRow.study == study).order_by(DecisionRow.id)
            return StudyContents(
                plain_row(own),
                tuple(plain_row(one) for one in sets),
                tuple(tuple(plain_row(one) for one in some) for some in files),
                tuple(plain_row(one) for one in session.scalars(decided)),
            )

    def take_in(
        self,
        contents: StudyContents,
        study: str,
        image: Callable[[str], bytes],
        fill: Callable[[str], None],
        check: Callable[[str], None],
        progress: Progress,
    ) -> Study:
        """Create a study from the contents of another one.

        Parameters
        ----------
        contents : StudyContents
        study : str
            Its id, if no study here has the same one.
        image : callable
            Takes a content hash and returns the image.
        fill : callable
            Takes the id that the study gets and adds its results.
        check : callable
            Takes its id once it is complete, and raises an error if the study is unusable.
        progress : callable

        Returns
        -------
        Study

        Raises
        ------
        DataError
            If an image cannot be used.
        OutputError
            If the disk is full or cannot be written to.
        """
        self._remove_rest()
        self._check_room(contents)
        made = self._transact(partial(self._begin_arrival, contents=contents, study=study))
        written: dict[Path, int] = {}
        try:
            facts = self._take_images(contents, image, written, progress)
            for own, files in zip(contents.sets, contents.files, strict=True):
                self._take_set(made, own, [{**one, **facts(one)} for one in files])
            rows = [{**one, "study": made} for one in contents.decisions]
            self._insert(DecisionRow, rows)
            fill(made)
            found = self._transact(partial(self._end_arrival, made=made))
            check(made)
        except BaseException:
            with suppress(OutputError):  # if this fails, the next copy or sweep removes it
                self._discard(made)
                self._withdraw(written)
            raise
        return found

    def _check_room(self, contents: StudyContents) -> None:
        stored = stored_names(self.images)
        needed = sum(size for sha256, size in contents.images.items() if sha256 not in stored)
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise OutputError(
                f"The study's images take {needed / 1e6:,.0f} MB, and {self.folder} has "
                f"{free / 1e6:,.0f} MB left; free some space, then import it again."
            )

    def _begin_arrival(self, session: Session, contents: StudyContents, study: str) -> str:
        made = secrets.token_hex(6) if session.get(StudyRow, study) else study
        session.add(StudyRow(**contents.study, id=made, deleted=UNFINISHED))
        session.flush()
        session.add(
            JobRow(
                id=secrets.token_hex(6),
                study=made,
                target="import",
                state="running",
                owner=answer_for(self.folder),
                created=now(),
            )
        )
        return made

    def _take_images(
        self,
        contents: StudyContents,
        image: Callable[[str], bytes],
        written: dict[Path, int],
        progress: Progress,
    ) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        """Check and store images; return what tells of a file what was seen in its image."""
        seen: dict[str, dict[str, Any]] = {}
        names = [*contents.images]
        for some in in_batches(names, _AT_ONCE):
            progress("images", len(seen), len(names))
            new = [path for one in some if not (path := stored_at(self.images, one)).exists()]
            with write_together(problem=self._not_taken) as write:
                for sha256 in some:
                    data = image(sha256)
                    found = check_image(data)
                    if found.problem:
                        raise DataError(
                            f"Image {sha256[:12]}… of the study cannot be used here: "
                            f"{found.problem}."
                        )
                    self._store(sha256, data, write)
                    seen[sha256] = {
                        "pages": found.pages,
                        "deep": found.deep,
                        "numbers": found.numbers,
                        "reach": found.reach,
                        "channels": found.channels,
                        "note": found.note,
                        "look": found.look or None,
                    }
            written |= {path: path.stat().st_mtime_ns for path in new}
        progress("images", len(names), len(names))
        refused = {
            "pages": 1,
            "deep": False,
            "numbers": "",
            "reach": 0.0,
            "channels": 0,
            "note": "",
            "look": None,
        }
        return lambda file: refused if file["problem"] else seen[file["sha256"]]

    def _take_set(self, study: str, own: Mapping[str, Any], files: list[dict[str, Any]]) -> None:
        made = secrets.token_hex(6)
        self._insert(SetRow, [{**own, "id": made, "study": study}])
        self._insert(FileRow, [{**one, "set": made} for one in files])

    def _insert(self, table: type[Any], rows: Iterable[Mapping[str, Any]]) -> None:
        for some in in_batches([*rows], ROWS):
            self._transact(partial(Session.execute, statement=insert(table), params=some))

    def _end_arrival(self, session: Session, made: str) -> Study:
        session.execute(delete(JobRow).where(JobRow.study == made))
        row = session.get(StudyRow, made)
        if row is None:  # another process considered this one dead
            raise StudyError("The study was removed during the import; import it again.")
        row.deleted = None
        session.flush()
        found: Study = to_record(Study, row)
        return found

    def _withdraw(self, written: Mapping[Path, int]) -> None:
        """Remove imported images, unless another study uses them by now."""
        with self._session() as session:
            for path, stamp in written.items():
                wanted = select(FileRow.id).where(FileRow.sha256 == path.name).limit(1)
                with suppress(OSError):
                    # Receiving an image that is already stored updates its time.
                    if session.scalar(wanted) is None and path.stat().st_mtime_ns == stamp:
                        path.unlink()

    def _not_taken(self, reason: str) -> str:
        return (
            f"An image cannot be stored in {self.images} ({reason}); free some space, then import "
            "the study again."
        )
