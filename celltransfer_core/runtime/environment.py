"""The environment of workers, by name: one thread a task, and where a scheduler is."""

from __future__ import annotations

import os
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

SCHEDULER = "CELLTRANSFER_SCHEDULER"
"""Environment variable with the address of a Dask scheduler; without it work stays here."""

ENVIRONMENT = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    ),
    # Matrices of one task make room for those of the next: the kernel need not clear it again.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "LOKY_MAX_MEMORY_LEAK_SIZE": "1e15",  # large libraries are no leak: the worker stays
    "POT_BACKEND_DISABLE_PYTORCH": "1",  # it would load 300 MB that no task of POT's needs
}
"""Variables of every worker process."""

_NO_REPORTS = {
    # Without it ONNX Runtime gives the machine an id, in a file, and reports to its makers.
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}

TRIES = 3
"""Times that a task is started before the work is given up."""


def send_no_reports() -> None:
    """Keep libraries from reporting to their makers, here and in processes that start later.

    It must be called before they are imported.
    """
    os.environ.update(_NO_REPORTS)
