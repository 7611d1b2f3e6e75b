"""Where what is kept between runs lies: ``CELLTRANSFER_HOME`` in, a folder out."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Return the folder for what is kept between runs: ``CELLTRANSFER_HOME``, or the user's own.

    Returns
    -------
    Path
    """
    from platformdirs import user_data_path

    configured = os.environ.get("CELLTRANSFER_HOME")
    return Path(configured) if configured else user_data_path("celltransfer", appauthor=False)
