"""The version of CellTransfer, what it may be used for, and where its own files lie."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.2.0"

RESEARCH_USE = "For research use only: not a medical device."

PROJECT = Path(__file__).parents[1]
"""The folder that holds the package and the app."""

ASSETS = PROJECT / "assets"
"""Pictures, scripts, guides and the encoders that are shipped."""
