"""The command line: ``celltransfer``, or ``python -m celltransfer_core``."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import NoReturn

from celltransfer_core.cli.main import main


def run() -> NoReturn:
    """Run the command that the process was called with, and end it."""
    with suppress(BrokenPipeError):
        sys.exit(main())
    sys.exit()


if __name__ == "__main__":
    run()
