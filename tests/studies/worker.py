"""A worker without real work: ``python -m tests.studies.worker JOB FILE WORK``.

It appends a line to the file when its work begins. ``WORK`` is a number of seconds to wait, or how
the work loops without end: ``holding`` (C code that never lets other threads run), ``native`` (C
code that does), ``deaf`` (catches whatever is raised in it), ``pool`` (in two more processes, whose
numbers it writes to the file) or ``holding pool``.
"""

import hashlib
import itertools
import os
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from celltransfer_core.runtime import run_tasks
from celltransfer_core.studies import Workspace, job_process


def hold():
    sum(itertools.repeat(0))


def native():
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)


def deaf():
    while True:
        with suppress(BaseException):
            time.sleep(60)


def child(log, loop, _):
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")
    loop()


def pool(loop):
    list(run_tasks(partial(child, Path(sys.argv[2]), loop), [1, 2], workers=2))


def wait(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)


def work(workspace, job):
    with Path(sys.argv[2]).open("a") as file:
        file.write("began\n")
    loops = {
        "holding": hold,
        "native": native,
        "deaf": deaf,
        "pool": partial(pool, partial(wait, 60)),
        "holding pool": partial(pool, hold),
    }
    (loops.get(sys.argv[3]) or partial(wait, float(sys.argv[3])))()
    return "done", ""


def main():
    job_process._work, job_process.BEAT, job_process.GRACE = work, 0.2, 0.5
    job_process.run_job(Workspace(), sys.argv[1])


if __name__ == "__main__":
    from tests.studies import worker  # by this name its functions reach other processes

    worker.main()
