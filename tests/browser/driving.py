"""How the tests of the pages start the app and drive a browser."""

import base64
import http.client
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import expect

from celltransfer_core.studies import Workspace
from tests.outside import asked, watched

PROJECT = Path(__file__).parents[2]
STARTS_WITHIN = 60  # s

SOON, FILLED = 60_000, 240_000  # ms, on a machine with other work
STEPS = ("data", "embeddings", "clusters", "matches", "classify", "cells", "review", "export")

# What a person who drags a folder does; Playwright itself cannot.
DROP = """
([zone, folders]) => {
  const entry = (name, children, path) => ({
    name,
    isFile: false,
    createReader: () => {
      const waiting = Object.entries(children).map(([inner, value]) =>
        typeof value === "string"
          ? {
              name: inner,
              isFile: true,
              file: (take) => take(new File(
                [Uint8Array.from(atob(value), (c) => c.charCodeAt(0))], inner)),
            }
          : entry(inner, value));
      // As browsers do, a few at a time and then none.
      return { readEntries: (take) => take(waiting.splice(0, 2)) };
    },
  });
  const items = Object.entries(folders).map(([name, children]) => ({
    kind: "file",
    webkitGetAsEntry: () => entry(name, children),
  }));
  const event = new Event("drop", { bubbles: true, cancelable: true });
  Object.defineProperty(event, "dataTransfer", { value: { items, files: [] } });
  zone.dispatchEvent(event);
}
"""


@dataclass
class App:
    """The real app in a process of its own, on a workspace of its own."""

    home: Path
    port: int
    options: tuple[str, ...] = ()
    script: str = "app.py"
    process: subprocess.Popen | None = None

    @property
    def url(self):
        return f"http://localhost:{self.port}"

    @property
    def space(self):
        return Workspace(self.home)

    def start(self):
        """Start, and wait until it answers."""
        command = [sys.executable, "-m", "streamlit", "run", self.script]
        options = ["--server.headless=true", f"--server.port={self.port}"]
        with (self.home / "app.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *options, *self.options],
                cwd=PROJECT,
                env={**watched(self.home / "asked.txt"), "CELLTRANSFER_HOME": str(self.home)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + STARTS_WITHIN
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"no app:\n{(self.home / 'app.log').read_text()}")
        return self

    def _answers(self):
        connection = http.client.HTTPConnection("localhost", self.port, timeout=5)
        try:
            with closing(connection):
                connection.request("GET", "/_stcore/health")
                return connection.getresponse().status == 200
        except OSError:
            time.sleep(0.1)
            return False

    @property
    def asked(self):
        """Whom it asked outside this machine, so far."""
        return asked(self.home / "asked.txt")

    def kill(self, how=None):
        """End it at once, as a power cut would."""
        self.process.send_signal(how or signal.SIGKILL)
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def drop(page, zone, folder):
    """Drop a folder of this machine onto a zone."""

    def told(path):
        if path.is_file():
            return base64.b64encode(path.read_bytes()).decode()
        return {inner.name: told(inner) for inner in sorted(path.iterdir())}

    page.evaluate(DROP, [zone.element_handle(), {folder.name: told(folder)}])


def settle(page):
    """Wait until the page has drawn itself, and what it loads late is there."""
    expect(page.locator("h1")).to_be_visible(timeout=SOON)
    page.wait_for_function(
        "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
    )
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=SOON)
    page.wait_for_load_state("networkidle")


def look_at(page, app, study, step=""):
    """Open a page and see that it is whole."""
    page.goto(f"{app.url}/{step}?study={study}")
    see_whole(page)


def see_whole(page):
    """See that a page has drawn itself, without an error."""
    settle(page)
    expect(page.get_by_text("For research use only").first).to_be_visible()
    for wrong in ("stException", "stAlertContentError"):
        expect(page.get_by_test_id(wrong)).to_have_count(0)


def again(page):
    """Reload a page, as somebody does who is not sure, and see that it is whole."""
    page.reload()
    see_whole(page)
