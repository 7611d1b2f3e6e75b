"""A worker whose work is to wait, without computing: ``python worker.py JOB FILE SECONDS``.

It appends a line to the file when its work begins.
"""

import sys
import time
from pathlib import Path

from celltransfer_core.studies import Workspace, processes


def wait(workspace, study, target, progress):
    with Path(sys.argv[2]).open("a") as file:
        file.write("began\n")
    until = time.monotonic() + float(sys.argv[3])
    while time.monotonic() < until:
        time.sleep(0.05)


processes.bring_up_to = wait
processes.run_job(Workspace(), sys.argv[1])
