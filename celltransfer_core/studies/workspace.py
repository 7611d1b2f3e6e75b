"""What is kept: studies, their sets and images, jobs, and every word a person said.

A workspace is one folder (``CELLTRANSFER_HOME``): a database, images by content hash, and results
by a key of all their inputs. What people say is a list of decisions that only grows: undoing one
marks it, so that two readers never overwrite each other, and who said what and when stays known.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from celltransfer_core.data.checks import Checked, check_image
from celltransfer_core.data.dataset import Dataset, stored_at
from celltransfer_core.data.folders import stored_dataset
from celltransfer_core.data.pooling import pool
from celltransfer_core.errors import OutputError, StudyError
from celltransfer_core.runtime.cache import Cache, home
from celltransfer_core.studies.database import (
    DecisionRow,
    FileRow,
    JobRow,
    SetRow,
    StudyRow,
    _engine,
    copy,
    plain,
)
from celltransfer_core.studies.records import (
    Decision,
    ImageSet,
    Job,
    Received,
    Role,
    Study,
    clean_name,
    now,
)
from celltransfer_core.studies.sets_read import _key


class Workspace:
    """Everything that is kept, behind one door.

    Parameters
    ----------
    folder : Path, optional
        ``CELLTRANSFER_HOME`` by default; made when it is not there.
    url : str, optional
        Of the database, as SQLAlchemy writes it; ``CELLTRANSFER_DATABASE``, or a SQLite file in
        the folder by default.

    Raises
    ------
    OutputError
        If the folder or the database cannot be made.
    """

    def __init__(self, folder: Path | None = None, url: str | None = None) -> None:
        self.folder = (folder or home()).absolute()
        url = url or os.environ.get("CELLTRANSFER_DATABASE")
        try:
            self.images.mkdir(parents=True, exist_ok=True)
            self._engine = _engine(url or f"sqlite:///{self.folder / 'studies.sqlite'}")
        except (OSError, SQLAlchemyError) as error:
            raise OutputError(f"The workspace {self.folder} cannot be opened ({error}).") from error
        self._kept: dict[tuple[Any, ...], Dataset] = {}

    @property
    def images(self) -> Path:
        """Where images lie, by content hash."""
        return self.folder / "images"

    @property
    def cache(self) -> Cache:
        """Nuclei and embeddings."""
        return Cache(self.folder / "cache")

    @property
    def secret(self) -> str:
        """What links are signed with; made once."""
        path = self.folder / "secret.key"
        with suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
        return path.read_text()

    def result_path(self, study: str, stage: str, key: str) -> Path:
        """Return where a stage's result for these inputs lies, or will lie."""
        return self.folder / "results" / study / f"{stage}-{key}.joblib"

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with Session(self._engine) as session, session.begin():
                yield session
        except OperationalError as error:
            raise OutputError(
                f"The workspace {self.folder} cannot be written ({error.orig}); is the disk full?"
            ) from error

    # Studies

    def studies(self, *, deleted: bool = False) -> tuple[Study, ...]:
        """List studies, the last changed first.

        Parameters
        ----------
        deleted : bool
            Those that were deleted instead of those that were not.

        Returns
        -------
        tuple of Study
        """
        wanted = StudyRow.deleted.is_not(None) if deleted else StudyRow.deleted.is_(None)
        with self._session() as session:
            rows = session.scalars(select(StudyRow).where(wanted).order_by(StudyRow.changed.desc()))
            return tuple(plain(Study, row) for row in rows)

    def study(self, study: str) -> Study:
        """Find a study.

        Parameters
        ----------
        study : str
            Its id.

        Returns
        -------
        Study

        Raises
        ------
        StudyError
            If there is none, or it was deleted.
        """
        with self._session() as session:
            row = session.get(StudyRow, study)
            if row is None or row.deleted:
                raise StudyError("There is no such study any more; choose one from the list.")
            return plain(Study, row)

    def create(self, name: str, *, drawn: bool = False) -> Study:
        """Begin a study.

        Parameters
        ----------
        name : str
        drawn : bool
            Whether it is the demo.

        Returns
        -------
        Study
        """
        made = StudyRow(
            id=secrets.token_hex(6),
            name=clean_name(name),
            created=now(),
            changed=now(),
            drawn=drawn,
            deleted=None,
            signed=None,
            options={},
        )
        with self._session() as session:
            session.add(made)
            session.flush()
            return plain(Study, made)

    def rename(self, study: str, name: str) -> None:
        """Give a study another name."""
        with self._changing(study) as row:
            row.name = clean_name(name)

    def set_options(self, study: str, options: Mapping[str, Any]) -> None:
        """Keep what differs from the default configuration.

        Parameters
        ----------
        study : str
        options : mapping
            By field of ``pipeline.Config``; JSON values. It replaces what was there.
        """
        with self._changing(study) as row:
            row.options = dict(options)

    def delete(self, study: str) -> None:
        """Put a study out of sight; :meth:`restore` brings it back."""
        with self._session() as session:
            self._row(session, study).deleted = now()

    def restore(self, study: str) -> None:
        """Bring a deleted study back."""
        with self._session() as session:
            self._row(session, study).deleted = None

    def sign(self, study: str, who: str) -> None:
        """Sign a study off: it can be read but not changed after.

        Parameters
        ----------
        study : str
        who : str
        """
        with self._changing(study) as row:
            row.signed, row.signed_by = now(), clean_name(who)

    def duplicate(self, study: str, name: str) -> Study:
        """Copy a study with its images, options, decisions and results; not its signature.

        Parameters
        ----------
        study : str
        name : str

        Returns
        -------
        Study
        """
        with self._session() as session:
            old = self._row(session, study)
            made = StudyRow(
                id=secrets.token_hex(6),
                name=clean_name(name),
                created=now(),
                changed=now(),
                drawn=old.drawn,
                deleted=None,
                signed=None,
                options=old.options,
            )
            session.add(made)
            session.flush()
            for image_set in session.scalars(select(SetRow).where(SetRow.study == study)).all():
                twin = secrets.token_hex(6)
                session.add(copy(image_set, id=twin, study=made.id))
                session.flush()
                for file in session.scalars(select(FileRow).where(FileRow.set == image_set.id)):
                    session.add(copy(file, id=None, set=twin))
            decisions = (
                select(DecisionRow).where(DecisionRow.study == study).order_by(DecisionRow.id)
            )
            for decision in session.scalars(decisions).all():
                session.add(copy(decision, id=None, study=made.id))
            session.flush()
            copied: Study = plain(Study, made)
        source = self.folder / "results" / study
        if source.is_dir():
            shutil.copytree(source, self.folder / "results" / copied.id, dirs_exist_ok=True)
        return copied

    def size(self, study: str) -> int:
        """Add up what a study takes on disk: its images and its results.

        Parameters
        ----------
        study : str

        Returns
        -------
        int
            Bytes. Images that another study has too count in both.
        """
        stored = (
            select(FileRow.sha256, func.max(FileRow.size).label("size"))
            .join(SetRow, SetRow.id == FileRow.set)
            .where(SetRow.study == study, FileRow.problem == "")
            .group_by(FileRow.sha256)
            .subquery()
        )
        with self._session() as session:
            images = session.scalar(select(func.coalesce(func.sum(stored.c.size), 0))) or 0
        folder = self.folder / "results" / study
        results = folder.glob("*") if folder.is_dir() else ()
        return int(images) + sum(path.stat().st_size for path in results)

    def _row(self, session: Session, study: str) -> StudyRow:
        row = session.get(StudyRow, study)
        if row is None:
            raise StudyError("There is no such study any more; choose one from the list.")
        return row

    @contextmanager
    def _changing(self, study: str) -> Iterator[StudyRow]:
        with self._session() as session:
            yield self._touch(session, study)

    def _touch(self, session: Session, study: str) -> StudyRow:
        row = self._row(session, study)
        if row.signed:
            raise StudyError(
                f"{row.name} was signed off by {row.signed_by}; duplicate it to go on working."
            )
        row.changed = now()
        return row

    # Sets and their images

    def sets(self, study: str, role: str | None = None) -> tuple[ImageSet, ...]:
        """List a study's sets, in the order they were added.

        Parameters
        ----------
        study : str
        role : {"reference", "query", "extra"}, optional

        Returns
        -------
        tuple of ImageSet
        """
        query = select(SetRow).where(SetRow.study == study).order_by(SetRow.position)
        if role:
            query = query.where(SetRow.role == role)
        with self._session() as session:
            return tuple(plain(ImageSet, row) for row in session.scalars(query))

    def image_set(self, set_id: str) -> ImageSet:
        """Find a set.

        Parameters
        ----------
        set_id : str

        Returns
        -------
        ImageSet

        Raises
        ------
        StudyError
            If there is none.
        """
        with self._session() as session:
            return plain(ImageSet, self._set_row(session, set_id))

    def add_set(self, study: str, role: Role, name: str) -> ImageSet:
        """Add an empty set.

        Parameters
        ----------
        study : str
        role : {"reference", "query", "extra"}
            A study has one query; references are pooled.
        name : str

        Returns
        -------
        ImageSet
        """
        if role == "query" and self.sets(study, "query"):
            raise StudyError("A study has one query set; make another study for another one.")
        with self._session() as session:
            self._touch(session, study)
            last = session.scalar(select(func.max(SetRow.position)).where(SetRow.study == study))
            made = SetRow(
                id=secrets.token_hex(6),
                study=study,
                role=role,
                name=clean_name(name),
                position=(last or 0) + 1,
                revision=secrets.token_hex(6),
                um_per_px=None,
                mapping={},
                tables={},
            )
            session.add(made)
            session.flush()
            return plain(ImageSet, made)

    def change_set(
        self,
        set_id: str,
        *,
        name: str | None = None,
        mapping: Mapping[str, str] | None = None,
        um_per_px: float | None = None,
    ) -> None:
        """Rename a set, map its types, or say how large its pixels are.

        Parameters
        ----------
        set_id : str
        name : str, optional
        mapping : mapping from type to type, optional
        um_per_px : float, optional
            0 for unknown.
        """
        with self._session() as session:
            row = self._set_row(session, set_id)
            self._touch(session, row.study)
            if name is not None:
                row.name = clean_name(name)
            if mapping is not None:
                row.mapping = {key: value for key, value in mapping.items() if key != value}
            if um_per_px is not None:
                row.um_per_px = um_per_px or None

    def remove_set(self, set_id: str) -> None:
        """Take a set out of its study; images that no set has are deleted by :meth:`sweep`."""
        with self._session() as session:
            row = self._set_row(session, set_id)
            self._touch(session, row.study)
            session.execute(delete(FileRow).where(FileRow.set == set_id))
            session.delete(row)

    def _set_row(self, session: Session, set_id: str) -> SetRow:
        row = session.get(SetRow, set_id)
        if row is None:
            raise StudyError("There is no such set any more; reload the page.")
        return row

    def receive(self, set_id: str, files: Iterable[tuple[str, bytes]]) -> Received:
        """Take in files: check each, store what can be used, remember why the others cannot.

        Parameters
        ----------
        set_id : str
        files : iterable of (name, bytes)
            Names are kept as text and never used as paths. ``labels.csv`` and ``metadata.csv``
            are the set's tables. A name that is there already is replaced.

        Returns
        -------
        Received

        Raises
        ------
        StudyError
            If the set is gone or its study signed off.
        OutputError
            If an image cannot be written.
        """
        rows, tables, refused = [], {}, []
        for name, data in files:
            if name.rsplit("/", 1)[-1].lower() in ("labels.csv", "metadata.csv"):
                try:
                    tables[name.rsplit("/", 1)[-1].lower()] = data.decode("utf-8-sig")
                except UnicodeDecodeError:
                    refused.append((name, "is not UTF-8 text; save it as CSV (UTF-8)"))
                continue
            found = check_image(data)
            if found.problem:
                refused.append((name, found.problem))
            else:
                self._store(found.sha256, data)
            rows.append(
                {
                    "set": set_id,
                    "path": name,
                    "size": len(data),
                    "sha256": found.sha256,
                    "problem": found.problem,
                    "pages": found.pages,
                    "deep": found.deep,
                }
            )
        with self._session() as session:
            row = self._set_row(session, set_id)
            self._touch(session, row.study)
            row.revision = secrets.token_hex(6)
            if tables:
                row.tables = {**row.tables, **tables}
            names = [entry["path"] for entry in rows]
            for start in range(0, len(names), 500):
                some = names[start : start + 500]
                session.execute(
                    delete(FileRow).where(FileRow.set == set_id, FileRow.path.in_(some))
                )
            if rows:
                latest = {entry["path"]: entry for entry in rows}
                session.execute(insert(FileRow), list(latest.values()))
        taken = sum(not entry["problem"] for entry in rows) + len(tables)
        return Received(taken, tuple(refused))

    def _store(self, sha256: str, data: bytes) -> None:
        path = stored_at(self.images, sha256)
        if path.is_file():
            return
        beside = path.with_name(f".{sha256}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(data)
            beside.replace(path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise OutputError(
                f"An image cannot be stored in {self.images} ({error.strerror}); make room, then "
                "drop the folder again: what is there is not sent twice."
            ) from error

    def known_files(self, set_id: str) -> dict[str, int]:
        """List what a set has received, so that an interrupted upload goes on.

        Parameters
        ----------
        set_id : str

        Returns
        -------
        dict from name to bytes
        """
        with self._session() as session:
            rows = session.execute(select(FileRow.path, FileRow.size).where(FileRow.set == set_id))
            return {row.path: row.size for row in rows}

    def filled(self, study: str) -> frozenset[str]:
        """Tell which roles have a usable image.

        Parameters
        ----------
        study : str

        Returns
        -------
        frozenset of str
        """
        query = select(SetRow.role).where(
            SetRow.study == study,
            select(FileRow.id).where(FileRow.set == SetRow.id, FileRow.problem == "").exists(),
        )
        with self._session() as session:
            return frozenset(session.scalars(query))

    def has_image(self, study: str, sha256: str) -> bool:
        """Tell whether an image belongs to a study.

        Parameters
        ----------
        study : str
        sha256 : str

        Returns
        -------
        bool
        """
        query = (
            select(FileRow.id)
            .join(SetRow, SetRow.id == FileRow.set)
            .where(SetRow.study == study, FileRow.sha256 == sha256, FileRow.problem == "")
            .limit(1)
        )
        with self._session() as session:
            return session.scalar(query) is not None

    def dataset(self, image_set: ImageSet) -> Dataset:
        """Read one set, its types renamed by its mapping.

        Parameters
        ----------
        image_set : ImageSet
            A reference comes with its types; a query or an extra set never does.

        Returns
        -------
        Dataset
            Kept in memory until the set changes.

        Raises
        ------
        DataError
            If a table of it has the wrong columns, or nothing in it has a type.
        """
        return self._keep(_key(image_set), lambda: self._read_set(image_set))

    def labelled(self, image_set: ImageSet) -> Dataset:
        """Read one set with the types that came with its images, whatever its role.

        For :mod:`celltransfer_core.evaluation` alone: no step of the pipeline may see a query's.

        Parameters
        ----------
        image_set : ImageSet

        Returns
        -------
        Dataset

        Raises
        ------
        DataError
            If a table of it has the wrong columns, or nothing in it has a type.
        """
        return self._keep(
            (*_key(image_set), "labelled"), lambda: self._read_set(image_set, labelled=True)
        )

    def _read_set(self, image_set: ImageSet, *, labelled: bool = False) -> Dataset:
        with self._session() as session:
            rows = session.scalars(select(FileRow).where(FileRow.set == image_set.id))
            checked = {r.path: Checked(r.sha256, r.problem, r.pages, r.deep) for r in rows}
        labelled = labelled or image_set.role == "reference"
        made = stored_dataset(
            self.images, image_set.name, checked, image_set.tables, labelled=labelled
        )
        return pool([made], [image_set.mapping]) if labelled and image_set.mapping else made

    def _keep(self, key: tuple[Any, ...], make: Callable[[], Dataset]) -> Dataset:
        kept = self._kept.pop(key, None) or make()
        self._kept[key] = kept  # the last used is the last to go
        while len(self._kept) > 16:
            self._kept.pop(next(iter(self._kept)))
        return kept

    def pooled(self, study: str, role: Role) -> Dataset | None:
        """Read all sets of a role as one.

        Parameters
        ----------
        study : str
        role : {"reference", "query", "extra"}

        Returns
        -------
        Dataset or None
            None without any image.
        """
        sets = self.sets(study, role)
        found = {one.id: dataset for one in sets if (dataset := self.dataset(one)).n_cells}
        if len(found) < 2:
            return next(iter(found.values()), None)
        # Queries are one microscope's slides; references may come from several.
        names = [one.name for one in sets if one.id in found] if role == "reference" else None
        return self._keep(
            tuple(_key(image_set) for image_set in sets),
            lambda: pool([*found.values()], names=names),
        )

    def sweep(self) -> int:
        """Delete for good what nothing refers to: deleted studies, and images without a set.

        Returns
        -------
        int
            Bytes that were freed.
        """
        freed = 0
        for study in self.studies(deleted=True):
            with self._session() as session:
                sets = select(SetRow.id).where(SetRow.study == study.id)
                session.execute(delete(FileRow).where(FileRow.set.in_(sets)))
                for table in (SetRow, DecisionRow, JobRow):
                    session.execute(delete(table).where(table.study == study.id))
                session.execute(delete(StudyRow).where(StudyRow.id == study.id))
            folder = self.folder / "results" / study.id
            if folder.is_dir():
                freed += sum(path.stat().st_size for path in folder.glob("*"))
                shutil.rmtree(folder)
        with self._session() as session:
            used = set(session.scalars(select(FileRow.sha256).distinct()))
        for path in self.images.glob("??/*"):
            if path.name not in used:
                freed += path.stat().st_size
                path.unlink()
        return freed

    # Decisions

    def decide(self, study: str, kind: str, payload: Mapping[str, Any], who: str) -> Decision:
        """Keep something a person said; it is on disk when this returns.

        Parameters
        ----------
        study : str
        kind : str
            Such as ``match``, ``cluster`` or ``review``.
        payload : mapping
            JSON values.
        who : str

        Returns
        -------
        Decision
        """
        return self.decide_all(study, kind, [payload], who)[0]

    def decide_all(
        self, study: str, kind: str, payloads: Sequence[Mapping[str, Any]], who: str
    ) -> tuple[Decision, ...]:
        """Keep several things that were said at once; all of them or none.

        Parameters
        ----------
        study : str
        kind : str
        payloads : sequence of mapping
        who : str

        Returns
        -------
        tuple of Decision
        """
        with self._session() as session:
            self._touch(session, study)
            rows = [
                DecisionRow(study=study, kind=kind, payload=dict(p), who=clean_name(who), at=now())
                for p in payloads
            ]
            session.add_all(rows)
            session.flush()
            return tuple(plain(Decision, row) for row in rows)

    def decisions(self, study: str, kind: str | None = None) -> tuple[Decision, ...]:
        """List what was said and not undone, the oldest first.

        Parameters
        ----------
        study : str
        kind : str, optional

        Returns
        -------
        tuple of Decision
        """
        query = select(DecisionRow).where(DecisionRow.study == study, DecisionRow.undone.is_(False))
        if kind:
            query = query.where(DecisionRow.kind == kind)
        with self._session() as session:
            rows = session.scalars(query.order_by(DecisionRow.id))
            return tuple(plain(Decision, row) for row in rows)

    def count_decisions(self, study: str, kind: str) -> int:
        """Count what was said and not undone.

        Parameters
        ----------
        study : str
        kind : str

        Returns
        -------
        int
        """
        query = select(func.count()).where(
            DecisionRow.study == study, DecisionRow.kind == kind, DecisionRow.undone.is_(False)
        )
        with self._session() as session:
            return session.scalar(query) or 0

    def undo(self, study: str, kind: str, who: str) -> Decision | None:
        """Take back the last thing that this person said.

        Parameters
        ----------
        study : str
        kind : str
        who : str

        Returns
        -------
        Decision or None
            What was taken back; None if there is nothing.
        """
        with self._session() as session:
            self._touch(session, study)
            row = session.scalar(
                select(DecisionRow)
                .where(
                    DecisionRow.study == study,
                    DecisionRow.kind == kind,
                    DecisionRow.who == clean_name(who),
                    DecisionRow.undone.is_(False),
                )
                .order_by(DecisionRow.id.desc())
                .limit(1)
            )
            if row is None:
                return None
            row.undone = True
            return plain(Decision, row)

    def pulse(self, study: str) -> str:
        """Return a text that changes whenever anything in a study does.

        Parameters
        ----------
        study : str

        Returns
        -------
        str
        """
        with self._session() as session:
            row = session.get(StudyRow, study)
            said = session.execute(
                select(func.max(DecisionRow.id), func.sum(DecisionRow.undone)).where(
                    DecisionRow.study == study
                )
            ).one()
            jobs = session.execute(
                select(JobRow.id, JobRow.state)
                .where(JobRow.study == study)
                .order_by(JobRow.created)
            ).all()
            state = (row.changed, row.deleted) if row else ()
        text = f"{state}{tuple(said)}{[tuple(job) for job in jobs]}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    # Jobs

    def jobs(self, study: str) -> tuple[Job, ...]:
        """List a study's jobs, the newest first.

        Parameters
        ----------
        study : str

        Returns
        -------
        tuple of Job
        """
        query = select(JobRow).where(JobRow.study == study).order_by(JobRow.created.desc())
        with self._session() as session:
            return tuple(plain(Job, row) for row in session.scalars(query))

    def job(self, job: str) -> Job:
        """Find a job.

        Parameters
        ----------
        job : str

        Returns
        -------
        Job

        Raises
        ------
        StudyError
            If there is none.
        """
        with self._session() as session:
            row = session.get(JobRow, job)
            if row is None:
                raise StudyError("There is no such job.")
            return plain(Job, row)

    def add_job(self, study: str, target: str) -> Job:
        """Queue work, unless the study has some under way: then that is returned.

        Parameters
        ----------
        study : str
        target : str
            The stage to get to.

        Returns
        -------
        Job
        """
        with self._session() as session:
            self._touch(session, study)  # takes the write lock: two clicks make one job
            session.flush()
            active = session.scalar(
                select(JobRow).where(JobRow.study == study, JobRow.state.in_(("queued", "running")))
            )
            if active is not None:
                return plain(Job, active)
            made = JobRow(
                id=secrets.token_hex(6), study=study, target=target, state="queued", created=now()
            )
            session.add(made)
            session.flush()
            return plain(Job, made)

    def update_job(self, job: str, **values: Any) -> None:
        """Write down how far a job is.

        Parameters
        ----------
        job : str
        **values
            Columns of the job.
        """
        with self._session() as session:
            session.execute(update(JobRow).where(JobRow.id == job).values(**values))
