"""The command ``export``: use the types of one run or study for the next slides.

In: the folder of a run, or a study of the workspace. Out: a reference of its own domain, or a
portable classifier.
"""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.cli.options import add_common
from celltransfer_core.cli.predict import describe_model
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.studies import add_least_confidence, open_study, study_named
from celltransfer_core.errors import DataError

if TYPE_CHECKING:
    from celltransfer_core.outputs.reference_cells import ReferenceCells


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``export``."""
    parser.set_defaults(command=_export)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--as-reference",
        type=Path,
        metavar="RUN",
        help="write the query's cells with their final types as a reference; takes a folder "
        "written by run, or study:NAME, a finished study",
    )
    what.add_argument(
        "--model",
        type=Path,
        metavar="RUN",
        help="write a portable classifier from a folder written by run or from study:NAME: a "
        "file without images, for predict",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="new folder for the reference, or file for the classifier",
    )
    parser.add_argument(
        "--query",
        type=Path,
        metavar="DIR",
        help="folder of the run's query, if it has been moved",
    )
    add_least_confidence(parser)
    parser.add_argument("--quiet", action="store_true", help="print no progress and no summary")
    add_common(parser)


def _export(options: argparse.Namespace) -> None:
    with closing(Screen(quiet=options.quiet)) as screen:
        told = _model(options) if options.model else _as_reference(options, screen)
    if not options.quiet:
        print(f"{told}\n{RESEARCH_USE}")


def _as_reference(options: argparse.Namespace, screen: Screen) -> str:
    from celltransfer_core.outputs.reference_cells import LEAST_CONFIDENCE, write_reference
    from celltransfer_core.outputs.run_folder import read_run_folder

    least = LEAST_CONFIDENCE if options.least_confidence is None else options.least_confidence
    study = study_named(options.as_reference)
    of = open_study(study) if study else read_run_folder(options.as_reference, options.query)
    chosen = of.reference_cells(least)
    write_reference(chosen, options.out, of.manifest, of.read, progress=screen)
    counts = ", ".join(f"{name} {sum(ways.values()):,}" for name, ways in chosen.types.items())
    left = "".join(f"\n  left out: {n:,} {why}" for why, n in chosen.left_out.items())
    written = f"{len(chosen.cells):,} cells ({counts}) written to {options.out}.{left}"
    return f"{written}\n  {_decided(chosen)}"


def _decided(chosen: ReferenceCells) -> str:
    """Say how the types of the cells were decided."""
    ways = Counter(one.decided for one in chosen.cells)
    if set(ways) == {"vote"}:
        return (
            "all types are by the vote, confirmed by no person: its errors would be learned. "
            "Confirm the clusters first."
        )
    return (
        f"types by readers: {ways['person']:,}; by confirmed clusters: {ways['cluster']:,}; by the "
        f"vote: {ways['vote']:,}"
    )


def _model(options: argparse.Namespace) -> str:
    from celltransfer_core.outputs.model_file import read_model, write_model
    from celltransfer_core.outputs.write import MODEL

    study = study_named(options.model)
    if not study and not (options.model / MODEL).is_file():
        raise DataError(
            f"{options.model / MODEL} does not exist: give the --out of a run that typed cells of "
            "at least two types, or study:NAME."
        )
    model = open_study(study).classifier() if study else read_model(options.model / MODEL)
    write_model(model, options.out)
    return f"{describe_model(model)}\nWritten to {options.out}."
