"""Measure what is lost if power, disk, clock or another process fails at the wrong moment.

    python tests/benchmarks/faults.py [--kills 200] [--seed 0]

Kills (SIGKILL) the worker of every stage, its whole process group, the process that starts jobs,
the app's server during an upload, a writer of decisions, an export, and the command line, each at a
random moment, and then continues as a person would. A case passes if the results are identical byte
for byte to those of an undisturbed run, every acknowledged decision and file is present, and no
file is incomplete. Further cases: a full disk, a read-only workspace, a clock that is set back, two
servers on one workspace, and corrupted bytes in the database, cache, results and images. Needs
Linux. Disks are small tmpfs mounts, which need root; without root this part is skipped and counted
as skipped. The last line is the headline.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import Workspace, start
from celltransfer_core.web import upload_access
from tests.benchmarks.faults_parts import (
    PROJECT,
    STAGES,
    STOPS_WITHIN,
    FaultError,
    check_images,
    child,
    copy,
    draw_files,
    finish,
    new_study,
    only_study,
    results,
    said,
    settled,
)

JOBS = tuple(f"{how}, {stage}" for how in ("worker", "group", "starter") for stage in STAGES)
OTHERS = ("server, upload", "decisions", "export", "command line")
KILLS = (*JOBS, *OTHERS)
FAULTS = (
    *(f"full disk, {what}" for what in ("embed", "classify", "decisions")),
    *(f"only to be read, {what}" for what in ("pages", "classify")),
    "clock goes back a day",
    "two servers, jobs",
    "two servers, decisions",
    *(
        f"bytes rot, {what}"
        for what in ("results", "cache", "cached results", "images", "database")
    ),
)
REPEATS = {"bytes rot": 4, "two servers": 2}


class Bench:
    """A study before each stage, the undisturbed results, and how long each part takes."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)  # noqa: S311
        self.files = draw_files()
        self.before: dict[str, Path] = {}
        self.seconds: dict[str, float] = {}
        self.whole: dict[str, dict[str, str]] = {}
        self.number = 0
        at = folder / "undisturbed"
        new_study(at, self.files)
        for stage in STAGES:
            self.before[stage] = copy(at, folder / f"before {stage}")
            begun = time.monotonic()
            finish(at, stage)
            self.seconds[stage] = time.monotonic() - begun
            self.whole[stage] = results(at)
        self.done = copy(at, folder / "done")

    def prepare_files(self) -> None:
        """Make the export and the tables of the command line that nothing disturbed."""
        folder = self.folder
        self.zip, self.seconds["export"] = self._exported(copy(self.done, folder / "exported"))
        self.cells = folder / "cells"
        for role, some in self.files.items():
            for name, data in some:
                path = self.cells / role / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        begun = time.monotonic()
        self.tables = self._command(folder / "home", folder / "out")
        self.seconds["command line"] = time.monotonic() - begun

    def fresh(self, source: Path) -> Path:
        """Copy a workspace to a folder of its own."""
        self.number += 1
        return copy(source, self.folder / f"trial {self.number}")

    def moment(self, seconds: float) -> None:
        """Wait for a random time of at most so long."""
        time.sleep(self.random.uniform(0, seconds))

    def same(self, home: Path, stage: str) -> None:
        """See that the results are those of the undisturbed run."""
        found = results(home)
        for name, kept in self.whole[stage].items():
            if found.get(name) != kept:
                raise FaultError(f"{name.split('-')[0]} differs" if name in found else f"no {name}")
        check_images(home)

    # Kills

    def kill_job(self, how: str, stage: str) -> None:
        """Kill who works on a stage, or who starts the work; then go on."""
        home = self.fresh(self.before[stage])
        space = Workspace(home)
        study = only_study(space)
        if how == "starter":
            starter = child("begin", home, stage, stdin=subprocess.PIPE)
            starter.stdout.readline()
            starter.stdin.write("\n")
            starter.stdin.flush()
            self.moment(0.4)
            kill(starter)
        else:
            job = start(space, study, stage)
            self.moment(1.1 * self.seconds[stage])
            with suppress(ProcessLookupError):
                (os.killpg if how == "group" else os.kill)(job.pid, signal.SIGKILL)
            settled(space, study, STOPS_WITHIN)
        results(home)
        finish(home, stage)
        self.same(home, stage)

    def kill_decisions(self) -> None:
        """Kill a process that decides; all that it was told is kept must be."""
        home = self.fresh(self.done)
        writer = child("decide", home, "Ann")
        writer.stdout.readline()
        self.moment(1.0)
        self.kept(home, told(kill(writer)))

    def kept(self, home: Path, acknowledged: list[list[int]]) -> None:
        """See that decisions are there, and that those of one stroke are all or none."""
        space = Workspace(home)
        found = space.decisions(only_study(space), "review")
        lost = {one for some in acknowledged for one in some} - {one.id for one in found}
        if lost:
            raise FaultError(f"{len(lost)} decisions lost")
        strokes = Counter((one.who, one.payload["n"]) for one in found)
        if any(count != (3 if n % 2 else 1) for (_, n), count in strokes.items()):
            raise FaultError("half a stroke of decisions")
        with closing(sqlite3.connect(home / "studies.sqlite")) as database:
            if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise FaultError("database damaged")

    def _exported(self, home: Path) -> tuple[bytes, float]:
        begun = time.monotonic()
        found = said(child("export", home, "x"))[-1][0]
        (path,) = (home / "results").rglob(found)
        return path.read_bytes(), time.monotonic() - begun

    def kill_export(self) -> None:
        """Kill an export; the file is whole or not there, and is written in the end."""
        home = self.fresh(self.done)
        process = child("export", home, "x")
        self.moment(self.seconds["export"])
        kill(process)
        for path in (home / "results").rglob("export-*.zip"):
            if path.read_bytes() != self.zip:
                raise FaultError("half an export")
        if self._exported(home)[0] != self.zip:
            raise FaultError("the export differs")

    def _run(self, home: Path, out: Path) -> subprocess.Popen:
        sets = ("--reference", self.cells / "reference", "--query", self.cells / "query")
        how = ("--out", out, "--encoders", "shape,colour", "--draws", "1", "--seed", "0", "--quiet")
        return subprocess.Popen(
            [sys.executable, "-m", "celltransfer_core", "run", *map(str, (*sets, *how))],
            cwd=PROJECT,
            env={**os.environ, "CELLTRANSFER_HOME": str(home)},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _command(self, home: Path, out: Path) -> dict[str, str]:
        process = self._run(home, out)
        if process.wait(300):
            raise FaultError(process.stderr.read()[:160])
        return whole_files(out)

    def kill_command(self) -> None:
        """Kill the command line, then give the same command again."""
        self.number += 1
        home, out = self.folder / f"home {self.number}", self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        process = self._run(home, out)
        self.moment(self.seconds["command line"])
        kill(process, group=self.random.random() < 0.5)
        for name, kept in whole_files(out).items():
            if self.tables.get(name) != kept:
                raise FaultError(f"half a file ({name})")
        if self._command(home, out) != self.tables:
            raise FaultError("the tables differ")

    def kill_server(self) -> None:
        """Kill the server while files are sent, start it again, and send the rest."""
        self.number += 1
        home = self.folder / f"trial {self.number}"
        space = Workspace(home)
        study = space.create("Drawn").id
        image_set = space.add_set(study, "reference", "reference")
        files, taken = self.files["reference"], []
        with serving(home) as (port, process):
            sender = threading.Thread(
                target=send_files, args=(port, space, image_set, files, taken), daemon=True
            )
            sender.start()
            self.moment(0.8)
            kill(process)
            sender.join(30)
        check_images(home)
        known = space.known_files(image_set.id)
        if lost := set(taken) - set(known):
            raise FaultError(f"{len(lost)} files lost")
        with serving(home) as (port, process):
            rest = [one for one in files if one[0] not in known]
            send_files(port, space, image_set, rest, taken)
            kill(process)
        dataset = space.dataset(space.image_set(image_set.id))
        sent = sorted({hashlib.sha256(data).hexdigest() for _, data in files})
        if sorted(dataset.cells) != sent or dataset.left_out:
            raise FaultError("the set differs")

    def kill(self, kind: str) -> None:
        """Kill once, and see what came of it."""
        how, _, stage = kind.partition(", ")
        if stage in STAGES:
            self.kill_job(how, stage)
        else:
            ways = (self.kill_server, self.kill_decisions, self.kill_export, self.kill_command)
            ways[OTHERS.index(kind)]()


def kill(process: subprocess.Popen, *, group: bool = False) -> str:
    """End a process of ours as a power cut would; return what else it had printed."""
    with suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    return process.communicate()[0] or ""


def told(text: str) -> list[list[int]]:
    """Read the whole lines that a killed process had printed."""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("]\n")]


def whole_files(folder: Path) -> dict[str, str]:
    """Hash the files of a run, except the one that holds times, and temporary ones."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*"))
        if path.is_file() and path.name != "run.json" and not path.name.startswith(".")
    }


def send_files(port, space, image_set, files, taken) -> None:
    """Send files in batches of three, as a page does, and note those that were acknowledged."""
    access = upload_access(space, image_set)
    for at in range(0, len(files), 3):
        some = files[at : at + 3]
        head = json.dumps([{"name": name, "size": len(data)} for name, data in some]).encode()
        body = len(head).to_bytes(4, "big") + head + b"".join(data for _, data in some)
        try:
            with closing(http.client.HTTPConnection("localhost", port, timeout=30)) as connection:
                connection.request(
                    "POST", f"/{access['url']}", body, {access["header"]: access["token"]}
                )
                answer = connection.getresponse()
                if answer.status == 200 and json.loads(answer.read())["taken"] == len(some):
                    taken += [name for name, _ in some]
        except (OSError, http.client.HTTPException, ValueError):
            return  # the server was killed


@contextmanager
def serving(home: Path):
    """Start the app; give its port and process once it answers."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true",
         f"--server.port={port}"],
        cwd=PROJECT,
        env={**os.environ, "CELLTRANSFER_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while True:
            with suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
                break
            if time.monotonic() > until:
                raise FaultError("the server does not start")
            time.sleep(0.05)
        yield port, process
    finally:
        kill(process)


class Table:
    """What was tried, and what survived."""

    def __init__(self) -> None:
        self.tried, self.survived = Counter(), Counter()
        self.faults: Counter[tuple[str, str]] = Counter()

    def attempt(self, kind: str, once) -> None:
        """Try once; note how it went."""
        self.tried[kind] += 1
        try:
            once()
        except (FaultError, CellTransferError) as fault:
            self.faults[kind, str(fault)] += 1
        except Exception as error:
            self.faults[kind, f"{type(error).__name__}: {error}"[:200]] += 1
        else:
            self.survived[kind] += 1
            return
        print(f"… {kind}: {list(self.faults)[-1][1]}", file=sys.stderr, flush=True)

    def show(self) -> None:
        """Print all of it, the headline last."""
        print(f"{'kind':28} {'tried':>6} {'survived':>9}")
        for kind, tried in self.tried.items():
            print(f"{kind:28} {tried:6} {self.survived[kind]:9}")
        for (kind, fault), times in sorted(self.faults.items()):
            print(f"  {kind}: {fault} ({times} times)")
        print(f"survived {self.survived.total()} of {self.tried.total()}")


def main():
    from tests.benchmarks.faults_other import Other

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="kinds that begin with this")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    table = Table()
    with suppress(KeyboardInterrupt), TemporaryDirectory() as name:  # it shows what it has
        bench = Bench(Path(name), options.seed)
        bench.prepare_files()
        chosen = [kind for kind in KILLS if kind.startswith(options.only or "")]
        for number in range(options.kills if chosen else 0):
            kind = chosen[number % len(chosen)]
            table.attempt(kind, lambda kind=kind: bench.kill(kind))
            for old in (*bench.folder.glob("trial *"), *bench.folder.glob("home *")):
                shutil.rmtree(old, ignore_errors=True)
        for kind in FAULTS:
            if kind.startswith(options.only or ""):
                for _ in range(REPEATS.get(kind.split(",")[0], 1)):
                    table.attempt(kind, lambda kind=kind: Other(bench).meet(kind))
    table.show()


if __name__ == "__main__":
    main()
