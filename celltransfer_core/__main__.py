"""The command line: ``celltransfer``, or ``python -m celltransfer_core``."""

from __future__ import annotations

import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from celltransfer_core.cli.main import main


def run() -> NoReturn:
    """Run the command given by the process's arguments, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # some terminal encodings lack letters such as κ
    with suppress(BrokenPipeError):
        sys.exit(main())
    sys.exit()


if __name__ == "__main__":
    run()
