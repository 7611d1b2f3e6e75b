import shutil
import sqlite3
from contextlib import closing

import pytest

from celltransfer_core.studies import Workspace, bring_up_to
from celltransfer_core.types import silent
from tests.studies.samples import files_below

OPTIONS = {"encoders": [["shape", "colour"]], "draws": 1}


@pytest.fixture
def space(home):
    return Workspace()


@pytest.fixture
def study(space):
    """A study without images."""
    return space.create("Slides of May")


@pytest.fixture
def query_set(space, study):
    """An empty query set of that study."""
    return space.add_set(study.id, "query", "query")


@pytest.fixture(scope="session")
def drawn_folder(drawn, tmp_path_factory):
    """Workspace with a study of drawn cells; only to be copied."""
    folder = tmp_path_factory.mktemp("drawn workspace")
    space = Workspace(folder)
    study = space.create("Drawn").id
    for role in ("reference", "query"):
        space.receive(space.add_set(study, role, role).id, files_below(drawn / role))
    space.set_options(study, OPTIONS)
    return folder


def copy_workspace(source, target):
    """Copy a workspace; both may be open."""
    name = "studies.sqlite"
    ignored = shutil.ignore_patterns(f"{name}*")
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
    with (
        closing(sqlite3.connect(source / name)) as old,
        closing(sqlite3.connect(target / name)) as new,
    ):
        old.backup(new)
    return Workspace(target).studies()[0].id


@pytest.fixture(scope="session")
def finished_folder(drawn_folder, tmp_path_factory):
    """The same with the results of all stages; only to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    study = copy_workspace(drawn_folder, folder)
    bring_up_to(Workspace(folder), study, "classify", silent)
    return folder


@pytest.fixture
def drawn_study(drawn_folder, home):
    """Id of a study of drawn cells, in this test's workspace."""
    return copy_workspace(drawn_folder, home)


@pytest.fixture
def finished(finished_folder, home):
    """Id of such a study of which every stage is done."""
    return copy_workspace(finished_folder, home)
