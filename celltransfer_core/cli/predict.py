"""The command ``predict``: type cells with a portable classifier, without a reference at hand.

In go the file that ``export --model`` wrote and a folder of images of the same domain; out comes
``predictions.csv``.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.cli.options import add_work
from celltransfer_core.cli.screen import Screen
from celltransfer_core.errors import DataError

if TYPE_CHECKING:
    from celltransfer_core.pipeline.portable import CellClassifier


def add_predict(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``predict``."""
    parser.set_defaults(command=_predict)
    parser.add_argument(
        "--model", type=Path, required=True, metavar="FILE", help="file written by export --model"
    )
    parser.add_argument(
        "--query",
        type=Path,
        required=True,
        metavar="DIR",
        help="cells to type, from the domain of the classifier",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    parser.add_argument(
        "--um-per-px",
        type=float,
        metavar="NUMBER",
        help="pixel size in µm, if the classifier was trained with one",
    )
    add_work(parser)


def _predict(options: argparse.Namespace) -> None:
    from celltransfer_core.cli.run_log import write_log
    from celltransfer_core.data.folders import read_dataset
    from celltransfer_core.outputs.formats import csv_bytes, json_bytes
    from celltransfer_core.outputs.model_file import read_model
    from celltransfer_core.outputs.typed_by_model import model_manifest, typed_table
    from celltransfer_core.runtime.files import check_writable, write_atomically

    if options.workers is not None and options.workers < 1:
        raise DataError("--workers must be at least 1.")
    if options.um_per_px is not None and not 0 < options.um_per_px < float("inf"):
        raise DataError(f"--um-per-px cannot be {options.um_per_px}; it must be above 0.")
    model = read_model(options.model, workers=options.workers)
    check_writable(options.out)
    with closing(Screen(quiet=options.quiet)) as screen:
        query = read_dataset(
            options.query,
            channels=model.view_.scales[0].channels,
            workers=options.workers,
            progress=screen,
        ).with_um_per_px(options.um_per_px)
        probabilities = model.type_cells(query, progress=screen)
    table = typed_table(query, model.classes_.tolist(), probabilities)
    write_atomically(options.out / "predictions.csv", csv_bytes(table))
    described = json_bytes(model_manifest(model, query))
    write_atomically(options.out / "manifest.json", described)
    write_log(options.out, options, screen.seconds)
    if not options.quiet:
        doubted = int(table["flagged"].sum())
        print(describe_model(model))
        counts = table["predicted_type"].value_counts()
        print("\n".join(f"  {name:<24} {count:>7,}" for name, count in counts.items()))
        print(
            f"{len(table):,} files typed; {doubted:,} flagged because their confidence is "
            f"low.\nWritten to {options.out}: predictions.csv and manifest.json. {RESEARCH_USE}"
        )


def describe_model(model: CellClassifier) -> str:
    """Say what a classifier was taught by, and what it is worth.

    Parameters
    ----------
    model : CellClassifier

    Returns
    -------
    str
    """
    taught = model.taught_
    accuracy = taught["accuracy"]
    measured = (
        (
            f"the vote it was trained on is right for {accuracy['value']:.0%} of the cells "
            f"({accuracy['low']:.0%} to {accuracy['high']:.0%}, {accuracy['drawn_cells']} randomly "
            "drawn cells)"
        )
        if accuracy
        else (
            "too few cells were drawn at random to estimate the accuracy of the vote it was "
            "trained on"
        )
    )
    return (
        f"A classifier for {', '.join(model.classes_.tolist())}; trained with "
        f"{taught['answers']:,} answers on cells and {taught['clusters']:,} confirmed clusters, on "
        f"{taught['query']['cells']:,} cells; {measured}. For held-out cells it agreed with that "
        f"vote in {taught['agreement']:.0%}."
    )
