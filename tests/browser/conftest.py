import shutil
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

from celltransfer_core.studies import Workspace, bring_up_to, open_demo
from celltransfer_core.types import silent
from tests.browser.driving import App, free_port


@pytest.fixture(scope="session")
def start_app():
    """Start an app on a folder; all are ended with the session."""
    started = []

    def start(home, port=None, *options, script="app.py"):
        started.append(App(Path(home), port or free_port(), options, script))
        return started[-1].start()

    yield start
    for app in started:
        if app.process.poll() is None:
            app.kill(signal.SIGTERM)
        assert app.asked == []


@pytest.fixture(scope="session")
def app(start_app, tmp_path_factory):
    """One app for all tests that leave it running."""
    return start_app(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def demo(start_app, tmp_path_factory):
    """The app on the demo study, filled; to be looked at, not changed."""
    folder = tmp_path_factory.mktemp("demo")
    space = Workspace(folder)
    study = open_demo(space).id
    bring_up_to(space, study, "classify", silent)
    return start_app(folder), study


@pytest.fixture(scope="module")  # its event loop is in the way of tests of other modules
def browser():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def is_here(address):
    where = urlsplit(address)
    return where.scheme in ("data", "blob") or where.hostname == "localhost"


def is_held_back(said):
    return "Content Security Policy" in said or "Permissions policy" in said


@pytest.fixture
def page(browser):
    """A fresh page; what goes wrong in its scripts, or leaves this machine, fails the test.

    So does whatever the pages' own policy of what may be loaded holds back.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    faults = []
    tab.on("console", lambda said: faults.append(said.text) if is_held_back(said.text) else None)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda asked: None if is_here(asked.url) else faults.append(asked.url))
    yield tab
    context.close()
    assert faults == []
