"""Upgrades of a workspace's database to the tables of this version.

Given an engine, its database is brought to the current revision. The folder ``revisions`` holds
one file per revision, named after the release that introduced it. Alembic runs them; it is imported
only if there is something to run.
"""

from __future__ import annotations

import logging
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from celltransfer_core.errors import OutputError
from celltransfer_core.studies.backups import back_up_before
from celltransfer_core.studies.engine import patiently, writing

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

REVISION = "0.2.0.3"
"""The revision that this version reads and writes: the last one in the folder ``revisions``."""

_FIRST = "0.1.0"  # for tables made before revisions were recorded

_FOLDER = str(Path(__file__).with_name("revisions"))

_ONE_AT_A_TIME = threading.Lock()  # Alembic keeps its state in module variables

_log = logging.getLogger(__name__)


def migrate(engine: Engine, file: Path | None, *, backed_up: bool) -> None:
    """Bring a database to the revision of this version, completely or not at all.

    Several processes may do so at once: one does the work, the others wait for it.

    Parameters
    ----------
    engine : Engine
    file : Path or None
        File of a SQLite database; a copy is kept beside it if its tables are changed.
    backed_up : bool
        Whether a PostgreSQL database was backed up, so that its tables may be changed.

    Raises
    ------
    OutputError
        If a newer version made the database, it was not backed up, or a copy cannot be written.
    SQLAlchemyError
        If it cannot be opened or changed.
    """
    with engine.connect() as connection:
        kept = _revision(connection)
    if kept != REVISION:
        with _ONE_AT_A_TIME:
            patiently(lambda: _upgrade(engine, file, backed_up=backed_up))


def _revision(connection: Connection) -> str:
    """Return the revision of a database; empty if it has no tables yet."""
    found = inspect(connection)
    kept: str | None = None
    if found.has_table("alembic_version"):
        kept = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return kept or (_FIRST if found.has_table("studies") else "")


def _upgrade(engine: Engine, file: Path | None, *, backed_up: bool) -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    copy = None
    try:
        with writing(engine).begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('celltransfer'))")
            kept = _revision(connection)
            if kept == REVISION:  # another process has upgraded it meanwhile
                return
            if kept:
                _check(kept, may_change=backed_up or file is not None)
                copy = back_up_before(file, REVISION) if file else None
            context = MigrationContext.configure(connection)
            with Operations.context(context):
                for step in reversed([*_steps().iterate_revisions(REVISION, kept or "base")]):
                    step.module.upgrade()
            context.stamp(_steps(), REVISION)
    except BaseException:
        if copy:
            copy.unlink(missing_ok=True)
        raise
    if kept:
        where = f"; a copy of the previous version is {copy}" if copy else ""
        _log.warning("%s was changed for version %s%s.", file or engine.url, REVISION, where)


@cache
def _steps() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(_FOLDER, version_locations=[_FOLDER])


def _check(kept: str, *, may_change: bool) -> None:
    """Refuse a database that cannot be upgraded, or must be backed up first."""
    if kept not in {step.revision for step in _steps().walk_revisions()}:
        raise OutputError(
            "This workspace was made by a newer version of CellTransfer; install at least "
            f"{'.'.join(kept.split('.')[:3])}."
        )
    if not may_change:
        raise OutputError(
            f"The database of this workspace must be upgraded to version {REVISION}: stop the app, "
            "back the database up with pg_dump, then run python -m celltransfer_core migrate "
            "--backed-up."
        )
