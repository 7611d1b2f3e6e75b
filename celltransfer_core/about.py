"""The version of CellTransfer, what it may be used for, and where its own files lie."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.2.0"

RESEARCH_USE = "For research use only: not a medical device."

PROJECT = Path(__file__).parents[1]
"""The folder that holds the package: that of a checkout, or where packages are installed."""

_INSTALLED = PROJECT / "celltransfer_app"  # as a wheel lays it, see pyproject.toml

APP = _INSTALLED if _INSTALLED.is_dir() else PROJECT
"""The folder that holds ``app.py``, its pages and :data:`ASSETS`."""

ASSETS = APP / "assets"
"""Pictures, scripts, guides and the encoders that are shipped."""
