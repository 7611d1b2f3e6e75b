import itertools
import shutil

import pytest
from sqlalchemy import Integer, create_engine, insert, select

from celltransfer_core.studies import (
    Workspace,
    bring_up_to,
    database as database_module,
    processes,
)
from celltransfer_core.types import silent
from tests import postgres
from tests.studies.samples import files_below, png

OPTIONS = {"encoders": [["shape", "colour"]], "draws": 1}

ON_BOTH = (
    "test_database",
    "test_decisions",
    "test_erasure",
    "test_duplicates",
    "test_every_call",
    "test_jobs_one_owner",
    "test_jobs_way_out",
    "test_migration",
    "test_received",
    "test_sets",
    "test_sets_read",
    "test_statements",
    "test_study_list",
    "test_transactions",
    "test_watch_list",
    "test_work_list",
    "test_workspace",
)
"""Modules whose tests run on SQLite and on PostgreSQL."""

_names = (f"test_{number}" for number in itertools.count())


def pytest_generate_tests(metafunc):
    if metafunc.module.__name__.rsplit(".", 1)[-1] in ON_BOTH:
        metafunc.parametrize("database", ("sqlite", "postgresql"), indirect=True)


@pytest.fixture(scope="session")
def postgres_folder():
    """Start one server for all tests of this process."""
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.server() as folder:
        yield folder


@pytest.fixture(autouse=True)
def database(request, home, monkeypatch):
    """Give each test a database of its own; the kind of it."""
    kind = getattr(request, "param", "sqlite")
    monkeypatch.delenv("CELLTRANSFER_DATABASE", raising=False)
    if kind == "postgresql":
        url = postgres.new_database(request.getfixturevalue("postgres_folder"), next(_names))
        monkeypatch.setenv("CELLTRANSFER_DATABASE", url)
    made, open_engine = [], database_module.open_engine

    def opened(url):
        made.append(open_engine(url))
        return made[-1]

    monkeypatch.setattr(database_module, "open_engine", opened)
    yield kind
    for engine in made:
        engine.dispose()


@pytest.fixture
def space(home, database):
    return Workspace()


@pytest.fixture
def study(space):
    """A study without images."""
    return space.create("Slides of May")


@pytest.fixture
def query_set(space, study):
    """An empty query set of that study."""
    return space.add_set(study.id, "query", "query")


@pytest.fixture
def ready_study(space, study, query_set):
    """Id of a study with an image in both sets."""
    reference = space.add_set(study.id, "reference", "reference")
    for number, images in enumerate((query_set, reference)):
        space.receive(images.id, [("a/1.png", png(number))])
    return study.id


@pytest.fixture
def spawned(monkeypatch):
    """Keep the commands of jobs that are started; each is a process that only waits."""
    started, made, popen = [], [], processes.subprocess.Popen

    def spawn(command, **options):
        if "job" in command:
            started.append(command)
        made.append(popen(["sleep", "60"], start_new_session=True))
        return made[-1]

    monkeypatch.setattr(processes.subprocess, "Popen", spawn)
    yield started
    for process in made:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def drawn_folder(drawn, tmp_path_factory):
    """Workspace with a study of drawn cells; only to be copied."""
    folder = tmp_path_factory.mktemp("drawn workspace")
    space = Workspace(folder, f"sqlite:///{folder / 'studies.sqlite'}")
    study = space.create("Drawn").id
    for role in ("reference", "query"):
        space.receive(space.add_set(study, role, role).id, files_below(drawn / role))
    space.change_options(study, **OPTIONS)
    return folder


def copy_workspace(source, target, url=None):
    """Copy a workspace with a SQLite database, into the database at ``url``."""
    ignored = shutil.ignore_patterns("studies.sqlite*")
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
    space = Workspace(target, url or f"sqlite:///{target / 'studies.sqlite'}")
    tables = database_module.StudyRow.metadata.sorted_tables
    old = create_engine(f"sqlite:///{source / 'studies.sqlite'}")
    with old.connect() as before, space._engine.begin() as after:
        for table in tables:
            counted = {c.name for c in table.primary_key if isinstance(c.type, Integer)}
            ordered = select(table).order_by(*table.primary_key)
            rows = [
                {name: value for name, value in row._mapping.items() if name not in counted}
                for row in before.execute(ordered)
            ]
            if rows:
                after.execute(insert(table), rows)
    old.dispose()
    return space.studies()[0].id


@pytest.fixture(scope="session")
def finished_folder(drawn_folder, tmp_path_factory):
    """The same with the results of all stages; only to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    study = copy_workspace(drawn_folder, folder)
    bring_up_to(
        Workspace(folder, f"sqlite:///{folder / 'studies.sqlite'}"), study, "classify", silent
    )
    return folder


@pytest.fixture
def drawn_study(drawn_folder, space):
    """Id of a study of drawn cells, in this test's workspace."""
    return copy_workspace(drawn_folder, space.folder, space.url)


@pytest.fixture
def finished(finished_folder, space):
    """Id of such a study of which every stage is done."""
    return copy_workspace(finished_folder, space.folder, space.url)
