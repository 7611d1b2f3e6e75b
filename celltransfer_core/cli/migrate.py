"""The command ``migrate``: upgrade the database of the app's workspace to this version.

Needs confirmation that a PostgreSQL database was backed up, and prints its revision. A SQLite
database needs no confirmation and is upgraded when it is opened.
"""

from __future__ import annotations

import argparse

from celltransfer_core.cli.options import add_common


def add_migrate(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``migrate``."""
    parser.set_defaults(command=_migrate)
    parser.add_argument(
        "--backed-up",
        action="store_true",
        help="confirm that the PostgreSQL database has been backed up; SQLite is copied "
        "automatically",
    )
    add_common(parser)


def _migrate(options: argparse.Namespace) -> None:
    from celltransfer_core.studies.migration import REVISION
    from celltransfer_core.studies.workspace import Workspace

    space = Workspace(backed_up=options.backed_up)
    print(f"The workspace {space.folder} has the database schema of version {REVISION}.")
