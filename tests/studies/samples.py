import io
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from celltransfer_core.studies import export_path, start_preparation
from celltransfer_core.studies.owners import MARK, owner_of


def png(shade=0, side=16):
    """A small image of one colour, as a file."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 100, 200 - shade)).save(file, "PNG")
    return file.getvalue()


def files_below(folder):
    """Images of a folder as a study receives them: name and bytes."""
    return [
        (p.relative_to(folder).as_posix(), p.read_bytes()) for p in sorted(folder.rglob("*.png"))
    ]


def prepared(space, study, name="images", text="zip"):
    """A file for download that holds this text."""
    path = export_path(space, study, name, ".zip", text)

    def write(target, progress):
        progress("images", 1, 1)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    start_preparation(path, write).result()
    return path


def dead_owner():
    """Name a process of this machine that is dead."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = owner_of(process.pid)
        process.kill()
    return owner


def elsewhere():
    """Name a process of another machine."""
    return "another/machine:1:1"


def begun(space, study, owner):
    """Make a job that a process has begun."""
    job = space.add_job(study, "embed")
    assert space.begin_job(job.id, owner, 1)
    return space.job(job.id)


def started_worker(job, log, work):
    """Start a process that runs a job; see :mod:`tests.studies.worker` for its work."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.studies.worker", job, str(log), str(work)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, MARK: job},
        start_new_session=True,
    )
