"""Facts and problems of this installation.

Nothing is written, and large packages are imported only when needed, so that this also works if
half of the packages are missing.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from celltransfer_core.about import APP, ASSETS, PROJECT, __version__
from celltransfer_core.errors import CellTransferError, one_line
from celltransfer_core.runtime.extras import EXTRAS, how_to_install, missing
from celltransfer_core.runtime.home_folder import home

PACKAGES = (
    "alembic",
    *("faiss", "imagecodecs", "itsdangerous", "joblib", "lazy_loader", "loky", "networkx", "numba"),
    *("numpy", "onnxruntime", "openpyxl", "pandas", "PIL", "platformdirs", "plotly", "ot"),
    *("psutil", "pyarrow", "skimage", "sklearn", "scipy", "sqlalchemy", "starlette", "streamlit"),
    *("threadpoolctl", "tifffile", "tqdm"),
)
"""Required modules."""

_PYTHONS = ((3, 11), (3, 14))  # minimum (included) and upper bound (excluded)
_ROOM = 2 << 30  # bytes of disk that a study of some thousand cells needs
_MEMORY = 4 << 30  # bytes, likewise
_SHOWN = ("numpy", "onnxruntime", "scikit-learn", "streamlit", "torch")


@dataclass
class Findings:
    """Facts and problems that were found."""

    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Facts by group and name."""
    problems: list[str] = field(default_factory=list)
    """Problems that prevent CellTransfer from working, each with what to do."""
    advice: list[str] = field(default_factory=list)
    """Optional things that are missing, each with what to do."""


def look() -> Findings:
    """Examine this installation.

    Returns
    -------
    Findings
    """
    found = Findings()
    _look_at_packages(found)
    _look_at_encoders(found)
    _look_at_machine(found)
    _look_at_places(found)
    return found


def _look_at_packages(found: Findings) -> None:
    found.facts["program"] = {
        "CellTransfer": __version__,
        "installation": str(PROJECT),
        "Python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        **{name: said for name in _SHOWN if (said := _version(name))},
    }
    lowest, beyond = _PYTHONS
    if not lowest <= sys.version_info[:2] < beyond:
        found.problems.append(
            f"Python {platform.python_version()} is not supported: use 3.{lowest[1]} to "
            f"3.{beyond[1] - 1}."
        )
    if gone := missing("", *PACKAGES):
        found.problems.append(f"{', '.join(gone)} not installed: pip install celltransfer")
    lost = [path for path in (APP / "app.py", APP / "pages", ASSETS) if not path.exists()]
    if lost:
        found.problems.append(
            f"{' and '.join(map(str, lost))} missing: install CellTransfer again."
        )
    found.facts["extras"] = {
        name: f"not installed ({', '.join(gone)}): {how_to_install(name)}"
        if (gone := missing(name))
        else "installed"
        for name in EXTRAS
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _look_at_encoders(found: Findings) -> None:
    if missing("", *PACKAGES):
        return
    from celltransfer_core.encoders.catalogue import SHIPPED, available_encoders

    if not list(SHIPPED.glob("*.onnx")):
        found.problems.append(f"There is no encoder in {SHIPPED}: install CellTransfer again.")
    entries = available_encoders()
    here = [one.id for one in entries if one.here and not one.problem]
    found.facts["encoders"] = {
        "here": ", ".join(here),
        "not downloaded": ", ".join(one.id for one in entries if not one.here),
    }
    found.advice += [f"Encoder {one.id}: {one.problem}" for one in entries if one.problem]


def _look_at_machine(found: Findings) -> None:
    facts = found.facts["machine"] = {"GPU": _gpu()}
    if missing("", "psutil"):
        return
    import psutil

    from celltransfer_core.runtime.system import cpu_count

    memory = psutil.virtual_memory()
    facts["processors"] = str(cpu_count())
    facts["memory"] = f"{_gb(memory.total)}, of which {_gb(memory.available)} free"
    if memory.total < _MEMORY:
        found.advice.append(
            f"Memory: at least {_gb(_MEMORY)} is recommended for sets of thousands of cells."
        )


def _gpu() -> str:
    if missing("encoders", "torch"):
        return "not used (cell and the built-in encoders do not need one; torch is not installed)"
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "Apple's" if torch.backends.mps.is_available() else "none"


def _look_at_places(found: Findings) -> None:
    folder = home().absolute()
    there = next(one for one in (folder, *folder.parents) if one.is_dir())
    room = shutil.disk_usage(there).free
    found.facts["places"] = {
        "studies, cache": f"{folder} (CELLTRANSFER_HOME)",
        "database": _database(),
        "own encoders": str(folder / "encoders"),
        "free disk": _gb(room),
    }
    if not os.access(there, os.W_OK):
        found.problems.append(
            f"{there} is not writable: change its permissions, or set CELLTRANSFER_HOME to another "
            "folder."
        )
    elif room < _ROOM:
        found.problems.append(
            f"Only {_gb(room)} of disk space are left in {there}, and studies need {_gb(_ROOM)}: "
            "free some space, or set CELLTRANSFER_HOME to a folder on another disk."
        )
    elif folder.is_dir() and not missing("", *PACKAGES):
        found.problems += _fault_of_workspace(folder)


def _database() -> str:
    if not (url := os.environ.get("CELLTRANSFER_DATABASE")):
        return "studies.sqlite in that folder"
    from sqlalchemy import make_url

    return f"{make_url(url).render_as_string(hide_password=True)} (CELLTRANSFER_DATABASE)"


def _fault_of_workspace(folder: Path) -> list[str]:
    """Open the workspace, if there is one, and return what is wrong with it."""
    if not (folder / "studies.sqlite").is_file() and not os.environ.get("CELLTRANSFER_DATABASE"):
        return []
    from celltransfer_core.studies.workspace import Workspace

    try:
        Workspace(folder).studies()
    except CellTransferError as error:
        return [str(error)]
    except Exception as error:
        return [f"The workspace {folder} cannot be read ({one_line(error, 200)})."]
    return []


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
