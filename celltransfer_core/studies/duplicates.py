"""Copies of studies: all rows and results of a study, under a new name.

The copy has the same images, options and decisions as the study had at one moment. Very large
studies are copied in steps. Meanwhile the copy is hidden
(:mod:`celltransfer_core.studies.unfinished`); it appears when it is complete.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from celltransfer_core.errors import OutputError, StudyError
from celltransfer_core.runtime.files import write_whole
from celltransfer_core.studies.database import (
    UNFINISHED,
    DecisionRow,
    JobRow,
    SetRow,
    StudyRow,
    copy_row,
    to_record,
)
from celltransfer_core.studies.erasure import files_of
from celltransfer_core.studies.owners import answer_for
from celltransfer_core.studies.records import Study, clean_name, now
from celltransfer_core.studies.unfinished import UnfinishedTable, copy_rows

_TRIES = 3  # attempts to copy a study that changes meanwhile


class DuplicateTable(UnfinishedTable):
    """Makes copies of studies."""

    def duplicate(self, study: str, name: str) -> Study:
        """Copy a study with its images, options, decisions and results, but without its signature.

        Parameters
        ----------
        study : str
        name : str

        Returns
        -------
        Study

        Raises
        ------
        StudyError
            If there is no such study, or its sets keep changing during the copy.
        """
        name = clean_name(name)
        self._remove_rest()
        for _ in range(_TRIES):
            made, twins, before = self._transact(partial(self._begin_copy, study=study, name=name))
            try:
                for old, new in twins.items():
                    self._copy_files(old, new)
                self._copy_results(study, made)
                copied = self._transact(partial(self._end_copy, study, made, before))
                if copied is not None:
                    return copied
            except BaseException:
                with suppress(OutputError):  # if this fails, the next copy removes it
                    self._discard(made)
                raise
            self._discard(made)
        raise StudyError(
            "The images of the study kept changing while it was copied; try again when all have "
            "been added."
        )

    def _begin_copy(
        self, session: Session, study: str, name: str
    ) -> tuple[str, dict[str, str], object]:
        """Make a hidden copy without files and decisions, owned by this process."""
        made = copy_row(
            self._lock(session, study),
            id=secrets.token_hex(6),
            name=name,
            created=now(),
            changed=now(),
            deleted=UNFINISHED,
            signed=None,
            signed_by=None,
            archived=None,
        )
        session.add(made)
        session.flush()
        session.add(
            JobRow(
                id=secrets.token_hex(6),
                study=made.id,
                target="duplicate",
                state="running",
                owner=answer_for(self.folder),
                created=now(),
            )
        )
        twins = {}
        for image_set in session.scalars(select(SetRow).where(SetRow.study == study)).all():
            twins[image_set.id] = secrets.token_hex(6)
            session.add(copy_row(image_set, id=twins[image_set.id], study=made.id))
        return made.id, twins, _sets_of(session, study)

    def _end_copy(self, study: str, made: str, before: object, session: Session) -> Study | None:
        """Copy what is missing and show the copy; return None if the sets changed meanwhile."""
        options = self._lock(session, study).options
        row = session.get(StudyRow, made)
        if row is None or _sets_of(session, study) != before:
            return None
        session.execute(copy_rows(DecisionRow, DecisionRow.study == study, study=made))
        session.execute(delete(JobRow).where(JobRow.study == made))
        row.options, row.changed, row.deleted = options, now(), None
        session.flush()
        found: Study = to_record(Study, row)
        return found

    def _copy_results(self, study: str, made: str) -> None:
        source, target = self._results_folder(study), self._results_folder(made)
        for path in files_of(source):
            with suppress(OSError, OutputError):  # a result that cannot be copied is computed again
                write_whole(target / path.relative_to(source), partial(shutil.copy2, path))

    def _results_folder(self, study: str) -> Path:
        return self.folder / "results" / study


def _sets_of(session: Session, study: str) -> object:
    """Collect values that change when a set, its images or its tables do."""
    columns: Any = SetRow.__table__.columns
    found = session.execute(select(*columns).where(SetRow.study == study).order_by(SetRow.id))
    return [tuple(row) for row in found]
