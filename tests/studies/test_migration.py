"""A workspace of any earlier version is brought to today's tables, whole or not at all."""

import json
import os
import zipfile
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from packaging.version import Version
from sqlalchemy import MetaData, create_engine, func, insert, inspect, select, text

from celltransfer_core.about import __version__
from celltransfer_core.cli.main import main
from celltransfer_core.errors import OutputError
from celltransfer_core.studies import Workspace, database as database_module, migration
from celltransfer_core.studies.backups import backups
from celltransfer_core.studies.migration import REVISION

DATA = Path(__file__).parents[1] / "data"
EARLIER = {
    "0.1.0": DATA / "workspace-0.1.0.zip",
    "0.2.0": DATA / "workspace-0.2.0-without-revision.zip",
}
"""By the revision of its tables, of which it keeps no word itself."""

TABLES = database_module.StudyRow.metadata


def make_tables(engine, revision):
    """Make the tables as they were at a revision."""
    steps = migration._steps().iterate_revisions(revision, "base")
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            for step in reversed([*steps]):
                step.module.upgrade()


def all_rows(connection):
    """Give the rows of all tables but those that say which revision it is."""
    found = MetaData()
    found.reflect(connection)
    return {
        table.name: [dict(row._mapping) for row in connection.execute(select(table))]
        for table in found.sorted_tables
        if table.name != "alembic_version"
    }


def schema(engine):
    """Give all that is told of the tables of a database, in an order of its own."""
    found = inspect(engine)

    def ordered(listed):
        return sorted(json.dumps(one, default=str, sort_keys=True) for one in listed)

    return {
        name: [
            ordered(found.get_columns(name)),
            ordered([found.get_pk_constraint(name)]),
            ordered(found.get_foreign_keys(name)),
            ordered(found.get_unique_constraints(name)),
            ordered(found.get_indexes(name)),
            ordered(found.get_check_constraints(name)),
        ]
        for name in found.get_table_names()
    }


@pytest.fixture
def url(home, database):
    """Address of this test's database, where nothing is yet."""
    return os.environ.get("CELLTRANSFER_DATABASE") or f"sqlite:///{home / 'studies.sqlite'}"


@pytest.fixture
def plain(url):
    """That database as SQLAlchemy alone reaches it."""
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def forgotten():
    """Open what a test opens as a new process would."""
    database_module._open_engine.cache_clear()


@pytest.fixture
def earlier(home, plain):
    """Put an earlier version's workspace in the place of this test's: ``earlier("0.1.0")``."""

    def put(revision):
        with zipfile.ZipFile(EARLIER[revision]) as archive:
            archive.extractall(home)
        if plain.dialect.name == "sqlite":
            return
        make_tables(plain, revision)
        old = create_engine(f"sqlite:///{home / 'studies.sqlite'}")
        there = MetaData()
        there.reflect(plain)
        with old.connect() as before, plain.begin() as after:
            for name, rows in all_rows(before).items():
                if rows:
                    after.execute(insert(there.tables[name]), rows)
            for name in ("decisions", "files"):  # where their numbers go on
                last = select(func.max(there.tables[name].c.id)).scalar_subquery()
                after.execute(select(func.setval(f"{name}_id_seq", last)))
        old.dispose()

    return put


def opened():
    """Open the workspace; on PostgreSQL after a backup, as its operator says."""
    return Workspace(backed_up=True)


def test_the_last_revision_is_the_one_of_this_version():
    steps = migration._steps()
    assert steps.get_heads() == [REVISION]
    releases = [tuple(map(int, step.revision.split(".")[:3])) for step in steps.walk_revisions()]
    assert releases == sorted(releases, reverse=True)  # an earlier version names a release by them
    assert releases[0] <= Version(__version__).release


@pytest.mark.parametrize("revision", EARLIER)
def test_the_tables_of_a_revision_are_those_that_its_version_made(tmp_path, revision):
    with zipfile.ZipFile(EARLIER[revision]) as archive:
        archive.extract("studies.sqlite", tmp_path)
    kept, made = (
        create_engine(f"sqlite:///{tmp_path / name}.sqlite") for name in ("studies", "made")
    )
    make_tables(made, revision)
    assert schema(kept) == schema(made)
    kept.dispose()
    made.dispose()


@pytest.mark.parametrize("begun", ["", *EARLIER])
def test_the_tables_are_those_that_the_program_knows(earlier, plain, begun):
    if begun:
        earlier(begun)
    opened()
    with plain.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, TABLES) == [], "write a revision; see CONTRIBUTING.md"
        assert context.get_current_heads() == (REVISION,)
    kept = schema(plain)
    del kept["alembic_version"]
    with plain.begin() as connection:
        for table in reversed([*TABLES.sorted_tables]):
            table.drop(connection)
        TABLES.create_all(connection)
    made = schema(plain)
    del made["alembic_version"]
    assert kept == made


@pytest.mark.parametrize("begun", EARLIER)
def test_all_that_was_kept_is_there(earlier, plain, begun):
    earlier(begun)
    with plain.connect() as connection:
        before = all_rows(connection)
    space = opened()
    with plain.connect() as connection:
        after = all_rows(connection)
    for name, rows in before.items():
        assert [{column: row[column] for column in rows[0]} for row in after[name]] == rows
    kept = next(study for study in space.studies() if study.name.startswith("Kept"))
    signed = next(study for study in space.studies() if study.name.startswith("Signed"))
    assert {one.who for one in space.decisions(kept.id, "match")} == {"Ann"}
    assert signed.signed_by == "Ann"
    assert space.pooled(kept.id, "query").read(0).ndim == 3
    space.decide(kept.id, "match", {}, "Bob")
    database_module._open_engine.cache_clear()
    assert Workspace().count_decisions(kept.id, "match") == 2  # nothing is asked any more


def test_on_postgresql_it_waits_for_a_backup(earlier, plain, database, capsys):
    if database == "sqlite":
        pytest.skip("SQLite is copied automatically")
    earlier("0.1.0")
    before = schema(plain)
    with pytest.raises(OutputError, match="pg_dump"):
        Workspace()
    assert main(["migrate"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "migrate --backed-up" in said
    assert schema(plain) == before
    assert main(["migrate", "--backed-up"]) == 0
    assert f"has the database schema of version {REVISION}" in capsys.readouterr().out
    assert len(Workspace().studies()) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork beside other threads
def test_processes_that_open_it_at_once_change_it_once(earlier, home, database, caplog):
    earlier("0.1.0")
    asked, go = os.pipe()
    ours = []
    for _ in range(4):
        if (pid := os.fork()) == 0:
            ended = 99
            try:
                os.read(asked, 1)
                opened().studies()
                ended = len(caplog.records)
            finally:
                os._exit(ended)
        ours.append(pid)
    os.write(go, b"0000")
    ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in ours]
    os.close(asked)
    os.close(go)
    assert sorted(ended) == [0, 0, 0, 1]
    assert len(backups(home / "studies.sqlite")) == (database == "sqlite")


def test_a_change_that_fails_leaves_all_as_it_was(earlier, home, plain, monkeypatch):
    earlier("0.1.0")
    with plain.connect() as connection:
        rows = all_rows(connection)
    before = schema(plain)
    plain.dispose()
    step = migration._steps().get_revision("0.2.0").module
    change = step.upgrade

    def fail():
        change()
        step.op.execute(text("DELETE FROM files"))
        step.op.execute(text("DELETE FROM nowhere"))

    with monkeypatch.context() as broken:
        broken.setattr(step, "upgrade", fail)
        for _ in range(2):
            with pytest.raises(OutputError, match="nowhere"):
                opened()
    assert schema(plain) == before
    with plain.connect() as connection:
        assert all_rows(connection) == rows
    plain.dispose()
    assert backups(home / "studies.sqlite") == []
    assert len(opened().studies()) == 2


def test_a_newer_workspace_is_refused_in_one_line(space, study, plain, home, capsys):
    with plain.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '7.1.0.2'"))
    database_module._open_engine.cache_clear()
    said = "made by a newer version of CellTransfer; install at least 7.1.0."
    with pytest.raises(OutputError, match=said):
        opened()
    for words in (["migrate", "--backed-up"], ["job", "1"]):
        assert main(words) == 2
        ended = capsys.readouterr().err
        assert ended.count("\n") == 1
        assert said in ended
    with plain.connect() as connection:
        assert connection.scalar(text("SELECT name FROM studies")) == study.name
    assert backups(home / "studies.sqlite") == []
