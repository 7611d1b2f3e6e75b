"""Measure how fast the app is with a large study, and how much memory its server needs.

    python tests/benchmarks/dashboard.py [--files 17000] [--keep DIR]
    python tests/benchmarks/dashboard.py --quick [--reference DIR --query DIR]

Synthetic cells are uploaded in a browser as folders, embedded, clustered, matched and typed as by a
user; then every page is opened twice, a cell is typed and a cluster is confirmed with a key. Times
are measured until the page in the browser stops changing; memory is that of the server alone,
because jobs run in separate processes. Needs Linux and Chromium. The last line is the headline.

With ``--quick``, the time until a visitor sees the first typed result is measured, from two folders
(synthetic ones unless others are given) and for the demo. For comparison, the same functions are
called without the app in one process, alternately. Clicks are counted.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from celltransfer_core.demo import REFERENCE_TYPES, draw_demo
from celltransfer_core.studies import arrived, current_job
from tests.browser.driving import STEPS, App, free_port, settle

LONG = 1_800_000  # ms
QUERY_SHARE = 0.3
MB = 1024  # in kB
EVERY = 0.2  # s


class Memory(threading.Thread):
    """Resident memory of a process, MB: at the beginning, and the most of each part of the work."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.status = Path(f"/proc/{pid}/status")
        self.idle = self.most = self.now()
        self.overall = self.idle
        self.start()

    def now(self) -> float:
        """Return what is resident now."""
        return int(re.search(r"VmRSS:\s+(\d+) kB", self.status.read_text())[1]) / MB

    def run(self) -> None:
        """Look again and again, until the process is gone."""
        while self.status.exists():
            try:
                self.most = max(self.most, self.now())
            except (OSError, TypeError):
                return
            self.overall = max(self.overall, self.most)
            time.sleep(EVERY)


class Table:
    """Rows of what was done, in how long, and the most memory meanwhile; printed as they come."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.seconds: dict[str, float] = {}
        print(f"{'what':44} {'seconds':>8} {'server MB':>10}")
        print(f"{'idle':44} {'':>8} {memory.idle:10.0f}", flush=True)

    @contextmanager
    def row(self, name):
        """Measure what is done inside."""
        self.memory.most = self.memory.now()
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started
        print(f"{name:44} {self.seconds[name]:8.2f} {self.memory.most:10.0f}", flush=True)


def still(page):
    """Wait until the script has run and what it loads late is there."""
    expect(page.locator("h1")).to_be_visible(timeout=LONG)
    page.wait_for_function(
        "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
        " && !document.querySelector('[data-testid=stSkeleton]')",
        timeout=LONG,
    )


def send(page, table, role, folder, files):
    """Choose a folder for a role and wait until all of it is taken and shown."""
    zone = page.get_by_role("group", name=f"Add images to {role}")
    with table.row(f"{files:,} {role.lower()} files sent and shown"):
        zone.locator("input[webkitdirectory]").set_input_files(folder)
        expect(page.get_by_text(f"{files:,} cells in {files:,} files")).to_be_visible(timeout=LONG)


def fill(page, table):
    """Embed, group, match and type, one button after the other."""
    settle(page)
    with table.row("embedded"):
        page.get_by_role("link", name="2 · Embeddings").click()
        page.get_by_role("button", name="Look at every cell").click(timeout=LONG)
        expect(page.get_by_text("query cells are embedded")).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Continue to clusters").click()
    with table.row("clusters found"):
        page.get_by_role("button", name="Find clusters", exact=True).click(timeout=LONG)
        found = page.get_by_role("heading", name="clusters, largest first")
        expect(found).to_be_visible(timeout=LONG)
    settle(page)
    with table.row("clusters matched"):
        page.get_by_role("button", name="Match the clusters to types").click()
        expect(page.get_by_text("clusters have an answer")).to_be_visible(timeout=LONG)
    settle(page)
    with table.row("cells typed"):
        page.get_by_role("link", name="5 · Classify").click()
        page.get_by_role("button", name="Type every cell", exact=True).click(timeout=LONG)
        expect(page.get_by_text("Mean agreement")).to_be_visible(timeout=LONG)


def browse(page, table, url, study):
    """Open every page twice."""
    for step in STEPS:
        for visit in ("first", "again"):
            with table.row(f"{step}, {visit}"):
                page.goto(f"{url}/{step}?study={study}")
                still(page)
    settle(page)


def decide(page, table, url, study):
    """Type a cell, then confirm a cluster (after which cells would have to be typed again)."""
    page.goto(f"{url}/review?study={study}")
    settle(page)
    with table.row("review: a cell typed"):
        page.keyboard.press("1")
        expect(page.get_by_text("Reviewed of")).to_be_visible()
    page.goto(f"{url}/matches?study={study}")
    settle(page)
    with table.row("matches: a cluster confirmed"):
        settled = page.get_by_text(re.compile(r"\d+ of \d+ clusters have an answer"))
        before = settled.inner_text()
        page.keyboard.press("a")
        expect(settled).not_to_have_text(before)


BARE = """
import sys, time
from pathlib import Path
from celltransfer_core.data import read_dataset
from celltransfer_core.demo import draw_demo
from celltransfer_core.pipeline import run
from celltransfer_core.runtime import Cache
from celltransfer_core.studies.demo import PER_TYPE, QUERY_CELLS
began = time.perf_counter()
reference, query, cache, drawn = map(Path, sys.argv[1:])
if not reference.exists():
    draw_demo(drawn, reference_per_type=PER_TYPE, query_cells=QUERY_CELLS)
found = run(
    read_dataset(reference, labelled=True), read_dataset(query), cache=Cache(cache)
)
print(time.perf_counter() - began)
"""


def bare(reference, query, *, drawn=None):
    """Type cells by the pipeline's functions alone; return seconds."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", BARE, reference, query, cache, drawn or ""]
        ended = subprocess.run(
            command, capture_output=True, check=True, text=True, cwd=Path(__file__).parents[2]
        )
    return float(ended.stdout.split()[-1])


class Visitor:
    """Somebody who opens the app for the first time, and counts clicks."""

    def __init__(self, page):
        self.page, self.clicks = page, 0

    def click(self, role, name):
        """Click what has a role and a name."""
        settle(self.page)
        self.page.get_by_role(role, name=name).first.click(timeout=LONG)
        self.clicks += 1

    def choose(self, zone, folder, sets):
        """Choose a folder, and wait until the cells of so many sets are shown."""
        zone = self.page.get_by_role("group", name=zone)
        zone.locator("input[webkitdirectory]").set_input_files(folder)
        self.clicks += 1
        shown = self.page.get_by_text(re.compile(r"[\d,]+ cells in [\d,]+ files"))
        expect(shown).to_have_count(sets, timeout=LONG)

    def wait_for_types(self, app, began):
        """Wait for the first typed result and then for the map; return the seconds of either."""
        space = app.space
        while not (begun := [one.id for one in space.studies() if space.jobs(one.id)]):
            time.sleep(0.1)
        (study,) = begun
        seconds = []
        for what in ("unaligned", "map"):
            while what not in arrived(space, study):
                job = current_job(space, study)
                assert job.active, job.message
                time.sleep(0.1)
            seconds.append(time.perf_counter() - began)
        self.page.goto(f"{app.url}/classify?study={study}")
        expect(self.page.get_by_text("Mean agreement")).to_be_visible(timeout=LONG)
        return seconds


def visit(chromium, folder, act):
    """Start an app on an empty workspace and act as its first visitor; return what came of it."""
    folder.mkdir(parents=True)
    app = App(folder, free_port()).start()
    try:
        page = chromium.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(120_000)
        visitor = Visitor(page)
        seconds = act(visitor, app)
        page.close()
        return (*seconds, visitor.clicks)
    finally:
        app.kill()


def measure_waiting(chromium, folder, reference, query):
    """Measure a visitor's wait for two folders and for the demo, by turns with bare functions."""

    def two_folders(visitor, app):
        app.space.create("Another study")  # an empty workspace opens the demo
        visitor.page.goto(app.url)
        settle(visitor.page)
        began = time.perf_counter()
        visitor.choose("Your reference", reference, 1)
        visitor.choose("Add images to Query", query, 2)
        visitor.click("button", "Type my cells")
        return visitor.wait_for_types(app, began)

    def demo(visitor, app):
        app.space.create("Another study")
        visitor.page.goto(app.url)
        settle(visitor.page)
        began = time.perf_counter()
        visitor.click("button", "Open the demo study")
        return visitor.wait_for_types(app, began)

    drawn = folder / "drawn demo"
    turns = [
        ("two folders", two_folders, lambda: bare(reference, query)),
        ("demo", demo, lambda: bare(drawn / "reference", drawn / "query", drawn=drawn)),
    ]
    print(f"{'from the first act to':24} {'types, s':>9} {'map, s':>7} {'bare, s':>8} {'share':>6}")
    shares = {}
    for name, act, alone in turns:
        typed, mapped, clicks = visit(chromium, folder / name, act)
        functions = alone()
        shares[name] = (typed, typed / functions, clicks)
        print(f"{name:24} {typed:9.1f} {mapped:7.1f} {functions:8.1f} {typed / functions:6.2f}")
    return shares


def main_quick(options):
    """Measure the wait for the first typed result."""
    folder = Path(tempfile.mkdtemp())
    reference, query = options.reference, options.query
    if reference is None:
        draw_demo(folder / "drawn", reference_per_type=60, query_cells=510)
        reference, query = folder / "drawn" / "reference", folder / "drawn" / "query"
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            shares = measure_waiting(chromium, folder, reference, query)
            chromium.close()
    finally:
        shutil.rmtree(folder)
    told = (
        f"{name} {seconds:.0f} s ({share:.2f} of the bare functions, {clicks} clicks)"
        for name, (seconds, share, clicks) in shares.items()
    )
    print(f"First typed result: {'; '.join(told)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=17_000)
    parser.add_argument("--keep", type=Path, help="a folder for the cells and the workspace")
    parser.add_argument("--quick", action="store_true", help="the wait for the first result alone")
    parser.add_argument("--reference", type=Path, help="with --quick: a folder a type")
    parser.add_argument("--query", type=Path, help="with --quick: a folder of images")
    options = parser.parse_args()
    if options.quick:
        main_quick(options)
        return
    folder = options.keep or Path(tempfile.mkdtemp())
    query = int(options.files * QUERY_SHARE)
    per_type = (options.files - query) // len(REFERENCE_TYPES)
    if not (folder / "drawn").exists():
        draw_demo(folder / "drawn", reference_per_type=per_type, query_cells=query)
    (folder / "home").mkdir(exist_ok=True)
    app = App(folder / "home", free_port()).start()
    study = app.space.create("Large").id
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = chromium.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(120_000)
            page.goto(f"{app.url}/data?study={study}")
            settle(page)
            memory = Memory(app.process.pid)
            table = Table(memory)
            send(
                page,
                table,
                "Reference",
                folder / "drawn" / "reference",
                per_type * len(REFERENCE_TYPES),
            )
            send(page, table, "Query", folder / "drawn" / "query", query)
            fill(page, table)
            browse(page, table, app.url, study)
            decide(page, table, app.url, study)
            chromium.close()
    finally:
        app.kill()
        if options.keep is None:
            shutil.rmtree(folder)
    sent = sum(seconds for name, seconds in table.seconds.items() if "files sent" in name)
    opened = {name: table.seconds[f"{name}, again"] for name in STEPS}
    slowest = max(opened, key=opened.get)
    print(
        f"{per_type * len(REFERENCE_TYPES) + query:,} files sent in {sent:.0f} s; server "
        f"{memory.overall - memory.idle:.0f} MB above idle; slowest page {slowest} "
        f"{opened[slowest]:.2f} s"
    )


if __name__ == "__main__":
    main()
