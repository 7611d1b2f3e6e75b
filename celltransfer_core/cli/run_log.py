"""The log of a command, ``run.json``: its options and the time of each stage.

Written next to the results. Unlike the manifest, it contains times and paths.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from celltransfer_core.runtime.files import write_atomically
from celltransfer_core.runtime.system import peak_memory


def write_log(folder: Path, options: argparse.Namespace, seconds: dict[str, float]) -> None:
    """Write ``run.json``: options, times, and paths, which the manifest does not contain.

    Parameters
    ----------
    folder : Path
    options : argparse.Namespace
    seconds : dict from stage to float
    """
    log: dict[str, object] = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "options": {
            name: str(value)
            for name, value in vars(options).items()
            if value is not None and name != "command"
        },
        "seconds": {stage: round(spent, 2) for stage, spent in seconds.items()},
        "peak_memory_mb": peak_memory() >> 20,
    }
    write_atomically(folder / "run.json", (json.dumps(log, indent=1) + "\n").encode())
