"""The command ``demo``: draw two small sets of synthetic cells to try CellTransfer on.

Writes a synthetic reference and query into a new folder.
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
    parser.add_argument(
        "--per-type", type=_count, metavar="N", help="reference cells of each type (40)"
    )
    parser.add_argument("--cells", type=_count, metavar="N", help="number of query cells (240)")
    add_common(parser)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def _demo(options: argparse.Namespace) -> None:
    from celltransfer_core.demo.sets import DRAWN_NOTICE, PER_TYPE, QUERY_CELLS, draw_demo

    draw_demo(
        options.folder,
        seed=options.seed,
        reference_per_type=options.per_type or PER_TYPE,
        query_cells=options.cells or QUERY_CELLS,
    )
    print(DRAWN_NOTICE)
    print(
        f"python -m celltransfer_core run --reference {options.folder / 'reference'} "
        f"--query {options.folder / 'query'} --out {options.folder / 'results'}"
    )
