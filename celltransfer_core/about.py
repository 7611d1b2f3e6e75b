"""The version of CellTransfer, its permitted use, and the location of its files."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.2.0"

RESEARCH_USE = "For research use only: not a medical device."

PROJECT = Path(__file__).parents[1]
"""The folder that contains the package: a checkout, or the folder of installed packages."""

_INSTALLED = PROJECT / "celltransfer_app"  # as laid out by a wheel, see pyproject.toml

APP = _INSTALLED if _INSTALLED.is_dir() else PROJECT
"""The folder that contains ``app.py``, its pages and :data:`ASSETS`."""

ASSETS = APP / "assets"
"""The folder of pictures, scripts, guides and shipped encoders."""
