"""The command ``restore``: put a backup of the app's database back.

Takes a backup that the workspace made automatically, by default the latest. It replaces the
database, which is kept under another name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from celltransfer_core.cli.options import add_common


def add_restore(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``restore``."""
    parser.set_defaults(command=_restore)
    parser.add_argument(
        "--backup",
        type=Path,
        metavar="FILE",
        help="a file of CELLTRANSFER_HOME/backups (default: the latest readable one)",
    )
    add_common(parser)


def _restore(options: argparse.Namespace) -> None:
    from celltransfer_core.runtime.home_folder import home
    from celltransfer_core.studies.backups import restore

    database = home().absolute() / "studies.sqlite"
    restored, aside = restore(database, options.backup)
    print(f"{restored} has replaced {database}; the previous file was moved to {aside}.")
