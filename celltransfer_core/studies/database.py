"""TODO celltransfer_core/studies/database.py."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, Engine, ForeignKey, UniqueConstraint, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class _Row(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012


class StudyRow(_Row):
    __tablename__ = "studies"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    created: Mapped[str]
    changed: Mapped[str]
    drawn: Mapped[bool] = mapped_column(default=False)
    deleted: Mapped[str | None]
    signed: Mapped[str | None]
    signed_by: Mapped[str] = mapped_column(default="")
    options: Mapped[dict[str, Any]]


class SetRow(_Row):
    __tablename__ = "sets"
    id: Mapped[str] = mapped_column(primary_key=True)
    study: Mapped[str] = mapped_column(ForeignKey("studies.id"), index=True)
    role: Mapped[str]
    name: Mapped[str]
    position: Mapped[int]
    revision: Mapped[str]
    um_per_px: Mapped[float | None]
    mapping: Mapped[dict[str, Any]]
    tables: Mapped[dict[str, Any]]


class FileRow(_Row):
    __tablename__ = "files"
    id: Mapped[int] = mapped_column(primary_key=True)
    set: Mapped[str] = mapped_column(ForeignKey("sets.id"))
    path: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(index=True)
    problem: Mapped[str]
    pages: Mapped[int]
    deep: Mapped[bool]
    __table_args__ = (UniqueConstraint("set", "path"),)


class DecisionRow(_Row):
    __tablename__ = "decisions"
    id: Mapped[int] = mapped_column(primary_key=True)
    study: Mapped[str] = mapped_column(ForeignKey("studies.id"), index=True)
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    who: Mapped[str]
    at: Mapped[str]
    undone: Mapped[bool] = mapped_column(default=False)


class JobRow(_Row):
    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(primary_key=True)
    study: Mapped[str] = mapped_column(ForeignKey("studies.id"), index=True)
    target: Mapped[str]
    state: Mapped[str]
    phase: Mapped[str] = mapped_column(default="")
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(default="")
    pid: Mapped[int | None]
    beat: Mapped[float] = mapped_column(default=0.0)
    phase_began: Mapped[float] = mapped_column(default=0.0)
    created: Mapped[str]
    ended: Mapped[str | None]
    cancel: Mapped[bool] = mapped_column(default=False)


def plain(kind: type[Any], row: Any) -> Any:
    return kind(**{f.name: getattr(row, f.name) for f in fields(kind)})


@lru_cache(maxsize=8)
def _engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def settle(connection: Any, _: Any) -> None:
            # Readers do not wait for writers; a commit survives kill -9 of this process.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA busy_timeout=20000")
            connection.execute("PRAGMA foreign_keys=ON")

    _Row.metadata.create_all(engine)
    return engine


def copy(row: Any, **changes: Any) -> Any:
    values = {column.name: getattr(row, column.name) for column in row.__table__.columns}
    values.update(changes)
    return type(row)(**{name: value for name, value in values.items() if value is not None})
