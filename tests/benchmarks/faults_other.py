"""Faults other than kills: full and locked disks, clocks, two servers, corrupted bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from celltransfer_core.studies import Workspace, start
from tests.benchmarks.faults_parts import (
    PROJECT,
    FaultError,
    check_images,
    child,
    copy,
    finish,
    only_study,
    said,
    settled,
)

DAY = 86_400
MOUNT, UNMOUNT = shutil.which("mount") or "mount", shutil.which("umount") or "umount"


@contextmanager
def small_disk(source: Path, room: int):
    """Give a copy of a workspace on a disk of its own, with so many bytes left."""
    target = Path(tempfile.mkdtemp(prefix="disk"))
    size = room + sum(-(-p.stat().st_size // 4096) * 4096 for p in source.rglob("*") if p.is_file())
    size += 4096 * sum(1 for _ in source.rglob("*"))
    subprocess.run([MOUNT, "-t", "tmpfs", "-o", f"size={size}", "small", target], check=True)
    try:
        yield copy(source, target / "home"), target
    finally:
        subprocess.run([UNMOUNT, "-l", target], check=True)
        target.rmdir()


class Other:
    """One fault, and what came of it."""

    def __init__(self, bench) -> None:
        self.bench = bench

    def meet(self, kind: str) -> None:
        """Bring a fault about."""
        name, _, what = kind.partition(", ")
        if name == "bytes rot":
            self.rot(what)
        elif name == "two servers":
            self.two_servers(what)
        elif name == "clock goes back a day":
            self.clock()
        elif os.geteuid() != 0:
            raise FaultError("left out: needs root for a disk of its own")
        elif name == "full disk":
            self.full(what)
        else:
            self.locked(what)

    def full(self, what: str) -> None:
        """Fill the disk: what is asked for is refused with the reason; with room it goes on."""
        bench = self.bench
        source = bench.done if what == "decisions" else bench.before[what]
        with small_disk(source, 100_000) as (home, disk):
            ballast = disk / "ballast"
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            if what == "decisions":
                answers = said(child("decide", home, "Ann,400"))
                if answers[-1][0] != "refused":
                    raise FaultError("a full disk took 400 strokes")
                ballast.unlink()
                bench.kept(home, answers[1:-1])
                return
            began = time.monotonic()
            answers = said(child("finish", home, what))
            if answers[-1][0] != "refused":
                raise FaultError("a full disk took a result")
            if time.monotonic() - began > 60:
                raise FaultError(f"a full disk was noticed after {time.monotonic() - began:.0f} s")
            if "nternal error" in answers[-1][1]:
                raise FaultError(answers[-1][1][:160])
            ballast.unlink()
            subprocess.run([MOUNT, "-o", "remount,size=500m", disk], check=True)
            found = said(child("finish", home, what))[-1]
            if found != bench.whole[what]:
                raise FaultError(f"differs with room again: {str(found)[:160]}")

    def locked(self, what: str) -> None:
        """Let the workspace only be read: pages read, what writes is refused with the reason."""
        bench = self.bench
        source = bench.done if what == "pages" else bench.before[what]
        with small_disk(source, 50_000_000) as (home, disk):
            said(child("pages", home))  # the database is open for once, as it would be
            subprocess.run([MOUNT, "-o", "remount,ro", disk], check=True)
            answers = said(child("pages" if what == "pages" else "finish", home, what))
            if answers[-1][0] != "refused":
                raise FaultError(f"written though locked: {answers[-1]}"[:160])
            subprocess.run([MOUNT, "-o", "remount,rw", disk], check=True)
            if what != "pages" and said(child("finish", home, what))[-1] != bench.whole[what]:
                raise FaultError("differs when unlocked")

    def clock(self) -> None:
        """Turn the clock back a day after a job was killed, and after decisions."""
        home = self.bench.fresh(self.bench.before["embed"])
        space = Workspace(home)
        study = only_study(space)
        job = start(space, study, "classify")
        time.sleep(1.5)
        os.kill(job.pid, 9)
        first = space.decide(study, "review", {"n": 0}, "Ann")
        back = {"CLOCK_BACK": str(DAY)}
        found = said(child("finish", home, "classify", env=back))[-1]
        if not isinstance(found, dict):
            raise FaultError(f"with the clock back: {found[-1]}"[:160])
        said(child("decide", home, "Ann,2", env=back))
        if space.decisions(study, "review")[0].id != first.id:
            raise FaultError("decisions in another order")
        if {k: found[k] for k in self.bench.whole["matches"]} != self.bench.whole["matches"]:
            raise FaultError("results differ")

    def two_servers(self, what: str) -> None:
        """Let two servers do the same at once."""
        bench = self.bench
        if what == "decisions":
            home = bench.fresh(bench.done)
            writers = [child("decide", home, f"{name},40") for name in ("Ann", "Bob")]
            bench.kept(home, [one for writer in writers for one in said(writer)[1:]])
            return
        home = bench.fresh(bench.before["embed"])
        servers = [child("begin", home, "classify", stdin=subprocess.PIPE) for _ in range(2)]
        for server in servers:
            server.stdout.readline()
        for server in servers:
            server.stdin.write("\n")
            server.stdin.flush()
        space = Workspace(home)
        study = only_study(space)
        names = {server.stdout.readline() for server in servers}
        settled(space, study, 120)
        for server in servers:
            server.communicate("\n", timeout=60)
        if len(names) != 1 or len(space.jobs(study)) != 1:
            raise FaultError(f"{len(space.jobs(study))} jobs")
        finish(home)
        bench.same(home, "classify")

    def rot(self, what: str) -> None:
        """Change bytes of files, or cut them; go on to the same results, as a person would."""
        bench = self.bench
        home = bench.fresh(bench.done)
        if what == "database":
            (home / "backups").mkdir()
            shutil.copyfile(home / "studies.sqlite", home / "backups" / "studies-2026-01-01.sqlite")
        if what in ("cache", "images"):
            shutil.rmtree(home / "results")
        if what == "images":
            shutil.rmtree(home / "cache")
        for path in self._rotten(home, what):
            data = bytearray(path.read_bytes())
            for _ in range(bench.random.choice((1, 8))):
                data[bench.random.randrange(len(data))] ^= 255
            path.write_bytes(data[: bench.random.choice((len(data), len(data) // 2))])
        found = said(child("rotten", home, "classify"))[-1]
        if not isinstance(found, dict):
            self._mend(what, home, found[1])
            found = said(child("finish", home, "classify"))[-1]
        if found != bench.whole["classify"]:
            raise FaultError(f"results differ, and nothing says so: {found}"[:160])
        check_images(home)

    def _mend(self, what: str, home: Path, reason: str) -> None:
        """Do what the program asks for; it asks where it cannot help itself."""
        if what == "images" and "damaged on disk or missing" in reason:
            space = Workspace(home)
            for image_set in space.sets(only_study(space)):
                space.receive(image_set.id, self.bench.files[image_set.role])
        elif what == "database" and "The last backup is" in reason:
            subprocess.run(
                [sys.executable, "-m", "celltransfer_core", "restore"],
                cwd=PROJECT,
                env={**os.environ, "CELLTRANSFER_HOME": str(home)},
                stdout=subprocess.DEVNULL,
                check=True,
            )
        else:
            raise FaultError(f"not computed anew: {reason}"[:160])

    def _rotten(self, home: Path, what: str) -> list[Path]:
        wanted = {
            "results": "results/*/*.joblib",
            "cache": "cache/*.sqlite",
            "cached results": "cache/results/*.joblib",
            "images": "images/??/*",
            "database": "studies.sqlite",
        }
        found = sorted(home.glob(wanted[what]))
        return self.bench.random.sample(found, min(2, len(found)))
