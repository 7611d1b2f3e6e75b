"""The command line: ``python -m celltransfer_core``."""

from __future__ import annotations

import sys
from contextlib import suppress

from celltransfer_core.cli.main import main

if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
