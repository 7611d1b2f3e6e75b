"""Environment variables: one thread per task in workers, and the address of a scheduler."""

from __future__ import annotations

import os
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

SCHEDULER = "CELLTRANSFER_SCHEDULER"
"""Environment variable with the address of a Dask scheduler; without it, work runs locally."""

ENVIRONMENT = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    ),
    # The memory of one task's matrices is reused by the next: the kernel need not clear it again.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "LOKY_MAX_MEMORY_LEAK_SIZE": "1e15",  # large libraries are not a leak: keep the worker
    "POT_BACKEND_DISABLE_PYTORCH": "1",  # it would load 300 MB that no POT task needs
}
"""Variables of every worker process."""

_NO_REPORTS = {
    # Without it, ONNX Runtime writes an id of the machine to a file and reports to its makers.
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}

TRIES = 3
"""Number of times that a task is started before the work is given up."""


def send_no_reports() -> None:
    """Prevent libraries from reporting to their makers, here and in processes started later.

    This must be called before the libraries are imported.
    """
    os.environ.update(_NO_REPORTS)
