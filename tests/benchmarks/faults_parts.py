"""Parts of the benchmark of faults: a small study, its digest, and processes to kill.

When run as a program, it is one of those processes: ``ROLE FOLDER ARGUMENT``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from PIL import Image

from celltransfer_core.demo import QUERY_STYLE, REFERENCE_STYLE, draw_cell
from celltransfer_core.errors import CellTransferError
from celltransfer_core.outputs import write_images
from celltransfer_core.studies import (
    Workspace,
    current_job,
    export_path,
    load_result,
    load_run,
    start,
    start_preparation,
)

PROJECT = Path(__file__).resolve().parents[2]
TYPES = ("eosinophil", "lymphocyte", "neutrophil")
STAGES = ("embed", "clusters", "matches", "classify")
OPTIONS = {"encoders": [["shape", "colour"]], "draws": 1}
OF_THE_CLOCK = {"seconds"}
"""Fields that hold how long the work took; all others must be the same, byte for byte."""
OF_THE_PLACE = {"root"}
"""Fields that hold where the workspace lies."""
STOPS_WITHIN = 20.0
"""Seconds within which a dead job must be known to be dead."""


class FaultError(Exception):
    """Something was lost, halved, or went on otherwise than undisturbed."""


def draw_files() -> dict[str, list[tuple[str, bytes]]]:
    """Draw a reference of three types and a query of two."""
    rng = np.random.default_rng(7)

    def drawn(name, style):
        file = io.BytesIO()
        Image.fromarray(draw_cell(name, rng, style)).save(file, "PNG")
        return file.getvalue()

    known = [(f"{t}/{n}.png", drawn(t, REFERENCE_STYLE)) for t in TYPES for n in range(14)]
    asked = [(f"{n:02}.png", drawn(TYPES[1 if n % 3 else 0], QUERY_STYLE)) for n in range(30)]
    return {"reference": known, "query": asked}


def new_study(folder: Path, files) -> None:
    """Make a workspace with one study of these files."""
    space = Workspace(folder)
    study = space.create("Drawn").id
    for role, some in files.items():
        space.receive(space.add_set(study, role, role).id, some)
    space.change_options(study, **OPTIONS)


def only_study(space: Workspace) -> str:
    """Return the id of the one study."""
    return space.studies()[0].id


def digest(value: object) -> str:
    """Hash a result: every array, text and number of it, but neither times nor places."""
    found = hashlib.sha256()

    def add(part):
        if dataclasses.is_dataclass(part):
            for field in dataclasses.fields(part):
                if field.name not in OF_THE_CLOCK | OF_THE_PLACE:
                    found.update(field.name.encode())
                    add(getattr(part, field.name))
        elif isinstance(part, np.ndarray):
            found.update(f"{part.dtype}{part.shape}".encode())
            found.update(part.tobytes())
        elif isinstance(part, Mapping):
            for key, inner in part.items():
                found.update(repr(key).encode())
                add(inner)
        elif isinstance(part, list | tuple):
            found.update(f"[{len(part)}".encode())
            for inner in part:
                add(inner)
        elif isinstance(part, set | frozenset):
            found.update(repr(sorted(part, key=repr)).encode())
        else:
            found.update(repr(part).encode())

    add(value)
    return found.hexdigest()[:16]


def results(folder: Path) -> dict[str, str]:
    """Read every result of a workspace; one that cannot be read is a half file."""
    found = {}
    for path in sorted((folder / "results").rglob("*.joblib")):
        if (result := load_result(path)) is None:
            raise FaultError(f"half a result ({path.name.split('-')[0]})")
        found[path.name] = digest(result)
    return found


def check_images(folder: Path) -> None:
    """See that every stored image is the one that its name says."""
    for path in (folder / "images").glob("??/*"):
        if "." in path.name:
            continue  # a temporary file, or one that was put out of the way: nothing reads it
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
            raise FaultError("half an image")


def finish(folder: Path, target: str = "classify") -> None:
    """Go on as a person would: wait for what runs, then press the button again."""
    space = Workspace(folder)
    study = only_study(space)
    for _ in range(3):
        settled(space, study, 120)
        start(space, study, target)
        job = settled(space, study, 120)
        if job.state == "done":
            return
        if job.state == "failed":
            raise FaultError(f"failed: {job.message}"[:120])
    raise FaultError(f"{job.state} again and again")


def settled(space, study, seconds):
    """Wait until no job runs; return the newest, or None."""
    until = time.monotonic() + seconds
    while (job := current_job(space, study)) is not None and job.active:
        if time.monotonic() > until:
            raise FaultError(f"a job stays {job.state} after {seconds:g} s")
        time.sleep(0.1)
    return job


def child(role: str, folder: Path, argument: str = "", **more) -> subprocess.Popen:
    """Start a process of this file, on a workspace."""
    return subprocess.Popen(
        [sys.executable, __file__, role, str(folder), argument],
        cwd=PROJECT,
        env={**os.environ, "CELLTRANSFER_HOME": str(folder), **more.pop("env", {})},
        stdout=subprocess.PIPE,
        stderr=more.pop("stderr", subprocess.PIPE),
        text=True,
        start_new_session=True,
        **more,
    )


def said(process: subprocess.Popen, seconds: float = 180) -> list:
    """Wait for the end of a process and return the lines that it printed, as JSON."""
    out, wrong = process.communicate(timeout=seconds)
    if process.returncode > 0:
        raise FaultError((wrong.strip().splitlines() or ["no reason"])[-1][:160])
    return [json.loads(line) for line in out.splitlines() if line.endswith(("]", "}", '"'))]


def send(line) -> None:
    """Print a line for the process that watches."""
    print(json.dumps(line), flush=True)


# Roles


def _decide(folder, argument):
    """Decide again and again, one and three at a time; say each when it is kept."""
    space = Workspace(folder)
    study = only_study(space)
    most = int(argument.split(",")[1]) if "," in argument else 10**9
    name = argument.split(",")[0] or "Ann"
    send(["ready"])
    for number in range(most):
        many = [{"n": number, "of": of} for of in range(3 if number % 2 else 1)]
        kept = space.decide_all(study, "review", many, name)
        send([one.id for one in kept])


def _begin(folder, argument):
    """Start a job as a server does, and stay."""
    space = Workspace(folder)
    study = only_study(space)
    send(["ready"])
    sys.stdin.readline()
    try:
        send([start(space, study, argument or "classify").id])
    except CellTransferError as error:
        send(["refused", str(error)])
    sys.stdin.readline()


def _finish(folder, argument):
    """Bring the study up to a stage; say the digest of its results, or why it cannot be."""
    try:
        finish(folder, argument or "classify")
        send(results(folder))
    except (CellTransferError, FaultError) as error:
        send(["refused", str(error)])


def _export(folder, argument):
    """Write the zip of images as the Export page does."""
    space = Workspace(folder)
    study = only_study(space)
    run = load_run(space, study)
    query = space.pooled(study, "query")
    path = export_path(space, study, "images", ".zip", argument)
    labels = [str(one) for one in run.predicted]

    def write(target, progress):
        write_images(query, labels, target, progress=progress)

    send(["ready"])
    start_preparation(path, write).result()
    send([path.name])


def _pages(folder, argument):
    """Read what pages show; say what is refused."""
    space = Workspace(folder)
    try:
        study = only_study(space)
        current_job(space, study)
        send(["read", len(space.decisions(study)), load_run(space, study) is not None])
        space.decide(study, "review", {"n": -1}, "Ann")
        send(["decided"])
    except CellTransferError as error:
        send(["refused", str(error)])


def _rotten(folder, argument):
    """Read what pages show, then go on: all in one process, which has read nothing before."""
    _pages(folder, argument)
    _finish(folder, argument)


ROLES = {
    "decide": _decide, "begin": _begin, "finish": _finish, "export": _export, "pages": _pages,
    "rotten": _rotten,
}  # fmt: skip


def copy(source: Path, target: Path) -> Path:
    """Copy a workspace; it may be open, so its database is copied by SQLite.

    To open and close the file itself would drop the locks that SQLite holds on it here.
    """
    name = "studies.sqlite"
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(f"{name}*"))
    with (
        closing(sqlite3.connect(source / name)) as old,
        closing(sqlite3.connect(target / name)) as new,
    ):
        old.backup(new)
    return target


if __name__ == "__main__":
    if back := float(os.environ.get("CLOCK_BACK", "0")):
        true_time = time.time
        time.time = lambda: true_time() - back
    try:
        ROLES[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
    except CellTransferError as refused:
        send(["refused", str(refused)])
