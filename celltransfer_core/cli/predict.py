"""The command ``predict``: type cells with a portable classifier, without a reference.

In: the file that ``export --model`` wrote, and a folder of images of the same domain. Out:
``predictions.csv``, ``drift.csv``, ``manifest.json``, ``batches.html`` and ``differential.csv``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.cli.options import add_work
from celltransfer_core.cli.screen import Screen
from celltransfer_core.errors import DataError

if TYPE_CHECKING:
    from celltransfer_core.pipeline.portable import CellClassifier
    from celltransfer_core.pipeline.typed_batch import TypedBatch


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
    from celltransfer_core.outputs.model_file import read_model
    from celltransfer_core.runtime.files import check_writable

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
        batch = model.type_batch(query, progress=screen)
    write_typed(batch, model, options.out, options.query.resolve().name)
    write_log(options.out, options, screen.seconds)
    if not options.quiet:
        print(describe_model(model))
        print(describe_batch(batch))
        print(f"Written to {options.out}: {', '.join(WRITTEN)}. {RESEARCH_USE}")


WRITTEN = ("predictions.csv", "drift.csv", "manifest.json", "batches.html", "differential.csv")
"""Files that :func:`write_typed` writes."""


def write_typed(batch: TypedBatch, model: CellClassifier, out: Path, name: str) -> None:
    """Write the cells that a classifier typed.

    Parameters
    ----------
    batch : TypedBatch
    model : CellClassifier
        The one that typed them.
    out : Path
        The folder.
    name : str
        Name of the new cells on the page, such as that of their folder.
    """
    from celltransfer_core.outputs.differential import batches_differential
    from celltransfer_core.outputs.drift import drift_page, drift_table
    from celltransfer_core.outputs.formats import csv_bytes, json_bytes
    from celltransfer_core.outputs.typed_by_model import model_manifest, typed_table
    from celltransfer_core.runtime.files import write_atomically

    drift = drift_table({"": batch}).drop(columns="batch")
    described = model_manifest(model, batch.query)
    page = drift_page(f"{name}: typed with a classifier", {name: batch}, of_study=False)
    counts = batches_differential({"": batch}).drop(columns="batch")
    tables = (csv_bytes(typed_table(batch)), csv_bytes(drift), json_bytes(described))
    for file, data in zip(WRITTEN, (*tables, page.encode(), csv_bytes(counts)), strict=True):
        write_atomically(out / file, data)


def describe_batch(batch: TypedBatch) -> str:
    """Describe the result of a classifier: cells of each type, flags, and drift.

    Parameters
    ----------
    batch : TypedBatch

    Returns
    -------
    str
        Several lines.
    """
    import numpy as np

    from celltransfer_core.outputs.drift import describe_drift

    cell = batch.query.cell_index
    counts = Counter(np.array(batch.final)[cell].tolist())
    lines = [f"  {name:<24} {count:>7,}" for name, count in counts.most_common()]
    flagged, unknown = int(batch.flagged[cell].sum()), int(batch.unknown[cell].sum())
    lines.append(
        f"{len(cell):,} files typed; {flagged:,} flagged because their confidence is low or "
        f"they are unlike all types ({unknown:,} unknown)."
    )
    said = describe_drift(batch.drift)
    lines += [f"drift: {one}" for one in said] or ["drift: no more than usual."]
    return "\n".join(lines)


def describe_model(model: CellClassifier) -> str:
    """Describe what a classifier was trained on, and its accuracy.

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
    told = (
        f"A classifier for {', '.join(model.classes_.tolist())}; trained with "
        f"{taught['answers']:,} answers on cells and {taught['clusters']:,} confirmed clusters, on "
        f"{taught['query']['cells']:,} cells; {measured}. It agreed with that vote for "
        f"{taught['agreement']:.0%} of the held-out cells."
    )
    if not taught["answers"] and not taught["clusters"]:
        told += " No person has confirmed its types: it has learned the errors of the vote too."
    return told
