"""The folder for data that is kept between runs, set by ``CELLTRANSFER_HOME``."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Return the folder for data kept between runs: ``CELLTRANSFER_HOME``, or the user's own.

    Returns
    -------
    Path
    """
    from platformdirs import user_data_path

    configured = os.environ.get("CELLTRANSFER_HOME")
    return Path(configured) if configured else user_data_path("celltransfer", appauthor=False)
