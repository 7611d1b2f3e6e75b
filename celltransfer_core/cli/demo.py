"""The command ``demo``: draw two small sets of cells to try things on.

In goes the name of a new folder; out come a drawn reference and query in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from celltransfer_core.cli.options import add_common


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``demo``."""
    parser.set_defaults(command=_demo)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing")
    add_common(parser)


def _demo(options: argparse.Namespace) -> None:
    from celltransfer_core.demo.sets import DRAWN_NOTICE, draw_demo

    draw_demo(options.folder, seed=options.seed)
    print(DRAWN_NOTICE)
    print(
        f"python -m celltransfer_core run --reference {options.folder / 'reference'} "
        f"--query {options.folder / 'query'} --out {options.folder / 'results'}"
    )
