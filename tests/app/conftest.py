import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from celltransfer_core.studies import Workspace, bring_up_to
from celltransfer_core.types import silent

PAGES = Path(__file__).parents[2] / "pages"
sys.path.insert(0, str(PAGES))  # as app.py does

OPTIONS = {"encoders": [["shape", "colour"], ["shape"]], "draws": 1}


@pytest.fixture(autouse=True)
def no_tables_of_other_tests():
    """Forget tables: those of another test's workspace have other pseudonyms under the same key."""
    from parts.takeaways import make_table

    yield
    make_table.clear()


@pytest.fixture(scope="session")
def finished_folder(drawn, tmp_path_factory):
    """Workspace with one study of which every stage is done; only to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    space = Workspace(folder)
    study = space.create("Drawn cells").id
    for role in ("reference", "query"):
        files = [
            (path.relative_to(drawn / role).as_posix(), path.read_bytes())
            for path in sorted((drawn / role).rglob("*.png"))
        ]
        if role == "query":
            slides = [f"{name},slide-{n % 2},patient-{n % 2}" for n, (name, _) in enumerate(files)]
            files.append(("metadata.csv", "\n".join(["file,slide,patient", *slides]).encode()))
        space.receive(space.add_set(study, role, role).id, files)
    space.change_options(study, **OPTIONS)
    bring_up_to(space, study, "classify", silent)
    return folder


@pytest.fixture
def finished(finished_folder, home):
    """Workspace of this test alone, and the finished study in it."""
    ignored = shutil.ignore_patterns("studies.sqlite*")
    shutil.copytree(finished_folder, home, dirs_exist_ok=True, ignore=ignored)
    # Its own way to copy: the file alone may lack what another connection wrote last.
    with (
        closing(sqlite3.connect(finished_folder / "studies.sqlite")) as old,
        closing(sqlite3.connect(home / "studies.sqlite")) as new,
    ):
        old.backup(new)
    space = Workspace()
    return space, space.studies()[0]


@pytest.fixture
def transported(finished):
    """The same with transport, though no cluster is confirmed."""
    space, study = finished
    space.change_options(study.id, transport="always")
    bring_up_to(space, study.id, "classify", silent)
    return space, space.study(study.id)


@pytest.fixture
def open_page(home, monkeypatch):
    """Open a page of the app: ``open_page("clusters", study.id)`` gives an AppTest that ran.

    Further arguments go into the session's state before the page runs.
    """

    def opened(page, study=None, cookies=(), address=(), **state):
        monkeypatch.setattr(ContextProxy, "cookies", dict(cookies))
        app = AppTest.from_file(str(PAGES / "main.py"), default_timeout=60)
        if study is not None:
            app.query_params["study"] = study
        for key, value in dict(address).items():
            app.query_params[key] = value
        for key, value in {"reader": "Ann", **state}.items():
            if value is not None:
                app.session_state[key] = value
        return app.switch_page(f"{page}.py").run()

    return opened
