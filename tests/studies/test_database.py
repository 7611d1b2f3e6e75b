import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, text

from celltransfer_core.errors import OutputError
from celltransfer_core.studies import Workspace, database as database_module


@pytest.fixture
def anew(monkeypatch):
    """Open the database with each Workspace, as other processes would."""
    made, open_engine = [], database_module._open_engine.__wrapped__

    def opened(url, backed_up):
        made.append(open_engine(url, backed_up))
        return made[-1]

    monkeypatch.setattr(database_module, "_open_engine", opened)
    yield
    for engine in made:
        engine.dispose()


@pytest.mark.usefixtures("home", "database", "anew")
def test_many_servers_open_a_new_workspace_at_once():
    ready = threading.Barrier(6)

    def opened(number):
        ready.wait()
        return Workspace().create(f"study {number}").id

    with ThreadPoolExecutor(6) as pool:
        made = set(pool.map(opened, range(6)))
    assert {study.id for study in Workspace().studies()} == made


@pytest.mark.usefixtures("anew")
def test_columns_that_a_version_between_two_releases_lacks_are_added(space, study):
    job = space.add_job(study.id, "embed")
    old = create_engine(space.url)
    with old.begin() as connection:
        connection.execute(text("ALTER TABLE jobs DROP COLUMN owner"))
        for later in ("tags", "archived"):  # which came with revisions
            connection.execute(text(f"ALTER TABLE studies DROP COLUMN {later}"))
        connection.execute(text("DROP TABLE watches"))
        connection.execute(text("DROP TABLE alembic_version"))
    old.dispose()
    assert Workspace(backed_up=True).job(job.id) == job


def test_a_change_in_the_same_moment_waits_for_another_one(space, study, monkeypatch):
    # Both begin in the millisecond in which the study was changed last.
    monkeypatch.setattr(database_module, "now", lambda: study.changed)
    ready = threading.Barrier(8)

    def add(_):
        ready.wait()
        return Workspace().add_job(study.id, "embed").id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(add, range(8)))) == 1
    assert len(space.jobs(study.id)) == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://user@host/name", "use SQLite or PostgreSQL"),
        ("oracle+unknown://user@host/name", "use SQLite or PostgreSQL"),
        ("postgresql+nodriver://user@host/name", "cannot be opened"),
        ("postgresql+psycopg://user@/name?host=/nowhere", "cannot be opened"),
        ("not an address", "cannot be opened"),
    ],
)
def test_other_databases_are_refused(tmp_path, url, reason):
    with pytest.raises(OutputError, match=reason):
        Workspace(tmp_path, url)
