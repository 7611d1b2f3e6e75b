"""Errors of databases say what they are; a workspace that cannot be written is looked at."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import pytest

psycopg = pytest.importorskip("psycopg", reason="needs the extra postgres")

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from celltransfer_core.errors import OutputError
from celltransfer_core.studies import Workspace, engine as engine_module, load_run
from celltransfer_core.studies.engine import explain
from tests import postgres


@pytest.fixture
def connection(home):
    """A database of its own, whose errors are SQLite's."""
    with closing(sqlite3.connect(home / "own.sqlite", isolation_level=None)) as own:
        own.execute("CREATE TABLE rows (text)")
        yield own


def fill(own, home):
    own.execute("PRAGMA max_page_count=2")
    own.execute("INSERT INTO rows VALUES (?)", ["x" * 100_000])


def only_read(own, home):
    own.execute("PRAGMA query_only=ON")
    own.execute("INSERT INTO rows VALUES ('x')")


def lock(own, home):
    own.execute("BEGIN IMMEDIATE")
    with closing(sqlite3.connect(home / "own.sqlite", timeout=0)) as other:
        other.execute("INSERT INTO rows VALUES ('x')")


def open_folder(own, home):
    sqlite3.connect(home)


def open_text(own, home):
    (home / "text").write_text("no database, but long enough to be taken for one" * 50)
    with closing(sqlite3.connect(home / "text")) as other:
        other.execute("SELECT 1 FROM sqlite_master")


OF_SQLITE = {
    fill: "disk is full",
    only_read: "it is read-only",
    lock: "locked for too long",
    open_folder: "cannot be opened",
    open_text: "is damaged",
}


@pytest.mark.parametrize("fault", OF_SQLITE, ids=lambda fault: fault.__name__)
def test_errors_of_sqlite_say_what_they_are(connection, home, fault):
    with pytest.raises(sqlite3.DatabaseError) as caught:
        fault(connection, home)
    assert OF_SQLITE[fault] in explain(OperationalError("", {}, caught.value))


OF_POSTGRESQL = {
    "53100": "disk is full",
    "25006": "it is read-only",
    "55P03": "locked for too long",
    "40P01": "locked for too long",
    "08006": "was lost",
    "57P01": "was lost",
    "53300": "no more connections",
    "28P01": "refused this user",
    "3D000": "refused this user",
    "42501": "refused this user",
    "XX001": "is damaged",
    "58030": "disk failed",
    "57014": "its database failed",
}


@pytest.mark.parametrize(("state", "said"), OF_POSTGRESQL.items())
def test_errors_of_postgresql_say_what_they_are(state, said):
    cause = psycopg.errors.lookup(state)("words of the server")
    assert said in explain(OperationalError("", {}, cause))


def test_a_fault_of_ours_is_none_of_the_database():
    for kind, state in ((IntegrityError, "23505"), (ProgrammingError, "42P01")):
        assert explain(kind("", {}, psycopg.errors.lookup(state)("of ours"))) == ""


def test_a_lock_that_stays_is_said_in_time(space, study, monkeypatch):
    monkeypatch.setattr(engine_module, "PATIENCE", 0.1)
    monkeypatch.setattr(engine_module, "_BUSY", 0.1)
    space._engine.dispose()  # what is open waits longer
    with closing(sqlite3.connect(space.folder / "studies.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutputError, match="locked for too long"):
            space.decide(study.id, "match", {}, "Ann")
        assert space.decisions(study.id) == ()  # who reads does not wait
    space.decide(study.id, "match", {}, "Ann")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork beside other threads
def test_many_processes_open_an_empty_workspace_at_once(home):
    asked, go = os.pipe()
    ours = []
    for number in range(5):
        if (pid := os.fork()) == 0:
            code = 1
            try:
                os.read(asked, 1)
                Workspace().create(f"study {number}")
                code = 0
            finally:
                os._exit(code)
        ours.append(pid)
    os.write(go, b"00000")
    assert [os.waitpid(pid, 0)[1] for pid in ours] == [0] * 5
    assert len(Workspace().studies()) == 5
    os.close(asked)
    os.close(go)


@pytest.fixture
def disk():
    """A small disk that can be filled, and made to be read only."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("needs root for a disk of its own")
    folder = Path(tempfile.mkdtemp(prefix="celltransfer-disk-"))
    if subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=20m", "small", folder], check=False
    ).returncode:
        pytest.skip("needs the right to mount a disk of its own")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)  # noqa: S607
    folder.rmdir()


def fill_disk(folder):
    with (folder / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def lock_disk(folder):
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)  # noqa: S607


@pytest.mark.parametrize(
    ("spoil", "is_open"), [(fill_disk, False), (fill_disk, True), (lock_disk, False)]
)
def test_a_workspace_that_cannot_be_written_is_looked_at(finished_folder, disk, spoil, is_open):
    shutil.copytree(finished_folder, disk / "home")
    url = f"sqlite:///{disk / 'home' / 'studies.sqlite'}"
    before = Workspace(disk / "home", url)
    study = before.studies()[0].id
    if not is_open:  # as after a restart
        before._engine.dispose()
    spoil(disk)
    space = Workspace(disk / "home", url)
    assert [one.id for one in space.studies()] == [study]
    assert load_run(space, study).query.n_cells == 30
    large = {"text": "x" * 1_000_000}  # the log of an open database has some room
    with pytest.raises(OutputError, match=r"disk is full|it is read-only"):
        space.decide(study, "match", large, "Ann")
    assert space.pulse(study)
    space._engine.dispose()
    if spoil is fill_disk:  # with room again it is written, without a restart
        (disk / "ballast").unlink()
        space.decide(study, "match", {}, "Ann")


def test_what_was_deleted_is_overwritten(space, study):
    space.decide(study.id, "match", {"note": "a word that must not stay"}, "Ann")
    space.delete(study.id)
    space.sweep()
    files = list(space.folder.glob("studies.sqlite*"))
    assert files
    assert not any(b"a word that must not stay" in path.read_bytes() for path in files)


def test_a_connection_that_was_cut_is_said_and_replaced(request):
    url = postgres.new_database(request.getfixturevalue("postgres_folder"), "cut")
    space = Workspace(url=url)
    study = space.create("one").id

    def work(session):
        (number,) = session.execute(text("SELECT pg_backend_pid()")).one()
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute(f"SELECT pg_terminate_backend({number})")
        session.execute(text("SELECT 1"))

    with pytest.raises(OutputError, match="connection to its database was lost"):
        space._transact(work)
    assert space.study(study).name == "one"
    space._engine.dispose()


def test_nothing_of_alembic_is_imported_to_open_what_is_of_today(space):
    code = (
        "import sys; from celltransfer_core.studies import Workspace; Workspace().studies(); "
        "print([name for name in sys.modules if name.startswith('alembic')])"
    )
    words = [sys.executable, "-c", code]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
