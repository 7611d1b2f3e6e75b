"""CellTransfer: type the cells of a new microscope from a set that is already typed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

RESEARCH_USE = "For research use only: not a medical device."

if TYPE_CHECKING:
    from celltransfer_core.datasets import Dataset, read_dataset
    from celltransfer_core.export import write_run
    from celltransfer_core.pipeline import PAPER, Config, RunResult, run

# Imported when first asked for, so that the command line starts at once.
_HOME = {
    "Config": "pipeline",
    "Dataset": "datasets",
    "PAPER": "pipeline",
    "RunResult": "pipeline",
    "read_dataset": "datasets",
    "run": "pipeline",
    "write_run": "export",
}

__all__ = [
    "PAPER",
    "RESEARCH_USE",
    "Config",
    "Dataset",
    "RunResult",
    "__version__",
    "read_dataset",
    "run",
    "write_run",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"celltransfer_core.{_HOME[name]}"), name)
    raise AttributeError(f"module 'celltransfer_core' has no attribute {name!r}")
