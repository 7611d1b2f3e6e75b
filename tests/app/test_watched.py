"""The watched folder on the Data page: chosen, shown, stopped."""

import datetime as dt
import importlib.util
import re
import shutil

import pytest

from celltransfer_core.studies import Watcher, batches_of, bring_up_to, watching
from celltransfer_core.types import silent
from celltransfer_core.web import ROOTS, watch_folders, watchable
from tests.app.conftest import PAGES
from tests.app.test_batches import button, text_of


@pytest.fixture
def scope(tmp_path, drawn, monkeypatch):
    """A folder below a root, with the images of two slides."""
    made = tmp_path / "root" / "scope"
    images = sorted((drawn / "reference").rglob("*.png"))
    for number, path in enumerate(images[:6]):
        slide = made / f"slide {number % 2}"
        slide.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, slide / f"{number}.png")
    monkeypatch.setenv(ROOTS, str(tmp_path / "root"))
    return made


@pytest.fixture
def checked(finished, monkeypatch):
    """Check watched folders twice, as the app does meanwhile; jobs run at once."""
    space, _ = finished

    def start(workspace, study, target):
        job = workspace.add_job(study, target)
        assert workspace.begin_job(job.id, "server:1:1", 1)
        bring_up_to(workspace, study, target, silent)
        workspace.end_job(workspace.job(job.id), "done", "")
        return workspace.job(job.id)

    monkeypatch.setattr(watching, "start", start)
    watcher = Watcher(space, watchable)

    def check():
        watcher.check()
        watcher.check()

    return check


def choose(app, folder):
    box = next(one for one in app.selectbox if one.key == "folder to watch")
    return box.set_value(str(folder)).run()


def keys_of(app):
    return {one.key for one in app.button}


def test_without_roots_nothing_is_offered(finished, open_page, monkeypatch):
    _, study = finished
    monkeypatch.delenv(ROOTS, raising=False)
    app = open_page("data", study.id)
    assert not app.exception
    assert "watch folder" not in keys_of(app)
    assert "Watched folder" not in text_of(app)


def test_from_the_choice_to_the_typed_cells_and_the_end(finished, scope, checked, open_page):
    space, study = finished
    space.sign(study.id, "Ann")
    app = open_page("data", study.id)
    assert button(app, "watch folder").disabled
    app = choose(app, scope)
    button(app, "watch folder").click().run()
    assert not app.exception
    watch = space.watched(study.id)
    assert (watch.folder, watch.who) == (str(scope), "Ann")
    assert "watch folder" not in keys_of(app)
    assert "by Ann · first check within seconds" in text_of(app)
    assert "No file has been added yet" in text_of(app)
    checked()
    app = open_page("data", study.id)
    assert not app.exception
    assert re.search(r"last checked \d+ s ago", text_of(app))
    assert "3 cells to slide 0, 3 cells to slide 1" in text_of(app)
    (table,) = [one.value for one in app.dataframe if "Batch" in one.value]
    assert table["Cells"].tolist() == [3, 3]
    button(app, "stop watching").click().run()
    assert space.watched(study.id) is None
    assert len(batches_of(space, study.id)) == 2
    assert "watch folder" in keys_of(app)


def test_who_watches_is_asked_first(finished, scope, open_page):
    space, study = finished
    app = open_page("data", study.id, reader="")
    app = choose(app, scope)
    button(app, "watch folder").click().run()
    assert space.watched(study.id) is None
    next(one for one in app.text_input if one.key == "name asked").set_value("Bob")
    next(one for one in app.button if one.label == "Save my name").click().run()
    assert space.watched(study.id).who == "Bob"


def test_a_folder_outside_the_roots_is_refused(finished, scope, open_page, monkeypatch):
    space, study = finished
    app = choose(open_page("data", study.id), scope)
    (scope.parents[1] / "other").mkdir()
    monkeypatch.setenv(ROOTS, str(scope.parents[1] / "other"))  # since the page was drawn
    button(app, "watch folder").click().run()
    assert "may not be imported from" in text_of(app)
    assert space.watched(study.id) is None


def test_what_is_wrong_is_shown_with_its_reason(finished, scope, checked, open_page, monkeypatch):
    space, study = finished
    (scope / "slide 0" / "broken.png").write_bytes(b"nothing")
    space.watch(study.id, str(scope), "Ann")
    checked()
    app = open_page("data", study.id)
    assert "1 file left out (is text, not a PNG" in text_of(app)
    assert "tried again" not in text_of(app)
    aside = scope.rename(scope.with_name("aside"))
    checked()
    app = open_page("data", study.id)
    assert "does not exist now" in text_of(app)
    assert "This is tried again automatically" in text_of(app)
    aside.rename(scope)
    monkeypatch.setenv(ROOTS, "")
    checked()
    app = open_page("data", study.id)
    assert "so it is not read" in text_of(app)  # shown, although nothing may be chosen now
    assert "stop watching" in keys_of(app)


def test_a_study_that_is_no_longer_typed_still_shows_what_is_watched(
    finished, scope, checked, open_page
):
    space, study = finished
    space.watch(study.id, str(scope), "Ann")
    space.change_options(study.id, encoders=[["colour"]])
    checked()
    app = open_page("data", study.id)
    assert not app.exception
    assert "are not typed yet" in text_of(app)
    button(app, "stop watching").click().run()
    assert space.watched(study.id) is None


def test_a_folder_that_nobody_checks_says_so(finished, scope, open_page, monkeypatch):
    space, study = finished
    early = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    with monkeypatch.context() as patch:
        patch.setattr("celltransfer_core.studies.watch_list.now", early.isoformat)
        watch = space.watch(study.id, str(scope), "Ann")
    app = open_page("data", study.id)
    assert "not checked yet" in text_of(app)
    assert "It has not been checked for 5 min" in text_of(app)
    assert space.own_watch(watch, "another:1:1")
    assert space.update_watch(watch, "another:1:1", checked=early.isoformat())
    app = open_page("data", study.id)
    assert "It has not been checked for 5 min" in text_of(app)


def test_the_app_checks_them_while_it_runs():
    spec = importlib.util.spec_from_file_location("whole_app", PAGES.parent / "app.py")
    whole = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(whole)
    assert whole.app._user_lifespan is watch_folders
