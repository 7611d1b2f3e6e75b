"""``run --continue``: type the next slides with the types learned from a study or a run.

In: a study of the workspace or the folder of a run, and a folder of new images. Out: the tables of
the new cells, and a batch in the study. Existing results do not change.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.cli.predict import WRITTEN, describe_batch, describe_model, write_typed
from celltransfer_core.cli.run_log import write_log
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.studies import PREFIX, study_named
from celltransfer_core.errors import DataError, StudyError

if TYPE_CHECKING:
    from celltransfer_core.pipeline.typed_batch import TypedBatch
    from celltransfer_core.studies.arriving_files import Seen
    from celltransfer_core.studies.records import Study
    from celltransfer_core.studies.workspace import Workspace

_FOLLOWED = ("continued", "query", "out", "workers", "scheduler", "quiet", "debug", "command")
"""Options that ``--continue`` accepts; the study or the run determines all others."""


def add_continue(folders: argparse._ArgumentGroup) -> None:
    """Add the option for the study or run to continue.

    Parameters
    ----------
    folders : argparse._ArgumentGroup
    """
    folders.add_argument(
        "--continue",
        dest="continued",
        type=Path,
        metavar="STUDY",
        help="use the types learned from a study of the workspace (its name or id, or study:NAME) "
        "or from a run (its --out) instead of --reference, without any confirmation and without "
        "transport; existing results do not change; a study, signed off or not, keeps the new "
        "cells as a batch",
    )


def continue_run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Type new cells with the types learned from a study or a run.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Supplies the options' defaults.
    options : argparse.Namespace

    Raises
    ------
    CellTransferError
        If there is no such study or run, it has no typed cells, or the images cannot be used.
    """
    _refuse_others(parser, options)
    if options.workers is not None and options.workers < 1:
        raise DataError("--workers must be at least 1.")
    named = study_named(options.continued)
    with closing(Screen(quiet=options.quiet)) as screen:
        if not named and (options.continued / "manifest.json").is_file():
            told = _continue_folder(options, screen)
        else:
            told = _continue_study(named or str(options.continued), options, screen)
    write_log(options.out, options, screen.seconds)
    if not options.quiet:
        print(f"{told}\n{RESEARCH_USE}")


def _refuse_others(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse and list options that would be ignored."""
    given = [
        action.option_strings[0]
        for action in parser._actions
        if action.option_strings
        and action.dest not in (*_FOLLOWED, "help")
        and getattr(options, action.dest) != action.default
    ]
    if given:
        raise DataError(
            f"--continue cannot be combined with {', '.join(given)}: the study or the run "
            "determines these settings. Leave them out, or give --reference instead of --continue."
        )


def _continue_folder(options: argparse.Namespace, screen: Screen) -> str:
    """Type new cells with the classifier in the folder of a run."""
    from celltransfer_core.data.folders import read_dataset
    from celltransfer_core.outputs.model_file import read_model
    from celltransfer_core.outputs.write import MODEL
    from celltransfer_core.runtime.files import check_writable

    folder: Path = options.continued
    if options.out.resolve() == folder.resolve():
        raise DataError("--out is the folder of the run, which must not change; give another one.")
    if not (folder / MODEL).is_file():
        raise DataError(f"{folder / MODEL} is missing: the run has fewer than two types to learn.")
    model = read_model(folder / MODEL, workers=options.workers)
    check_writable(options.out)
    channels = model.view_.scales[0].channels
    query = read_dataset(
        options.query, channels=channels, workers=options.workers, progress=screen
    ).with_um_per_px(_pixel_size(folder))
    batch = model.type_batch(query, progress=screen)
    write_typed(batch, model, options.out, options.query.resolve().name)
    return "\n".join(
        (
            describe_model(model),
            describe_batch(batch),
            *_offer(batch, str(folder), options.query),
            f"Written to {options.out}: {', '.join(WRITTEN)}.",
        )
    )


def _pixel_size(folder: Path) -> float | None:
    """Return the pixel size of the query in µm; the next slides are of the same microscope."""
    try:
        described: Any = json.loads((folder / "manifest.json").read_bytes())
        scales = described["inputs"]["query"].get("scales", [])
        sizes = {float(one["um_per_px"]) for one in scales}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return sizes.pop() if len(sizes) == 1 else None


def _continue_study(named: str, options: argparse.Namespace, screen: Screen) -> str:
    """Add new cells to a study as a batch, and type them."""
    from celltransfer_core.outputs.differential import batches_differential
    from celltransfer_core.outputs.drift import drift_page, drift_table
    from celltransfer_core.outputs.formats import csv_bytes
    from celltransfer_core.outputs.typed_by_model import batches_table
    from celltransfer_core.runtime.files import check_writable, write_atomically
    from celltransfer_core.studies.batches import (
        describe_problems,
        type_batches,
        typed_batches,
    )
    from celltransfer_core.studies.records import clean_name
    from celltransfer_core.studies.workspace import Workspace

    space = Workspace()
    study = _find(space, named)
    check_writable(options.out)
    name = clean_name(options.query.resolve().name)
    told, _ = receive_folder(space, study, options.query, name)
    problems = type_batches(space, study.id, screen)
    if name in problems:
        raise StudyError(describe_problems({name: problems[name]}))
    typed = typed_batches(space, study.id)
    if name not in typed:
        raise StudyError(
            f"{options.query} has no usable image that is not already in {study.name}."
        )
    own = {name: typed[name]}
    for file, data in (
        ("predictions.csv", csv_bytes(batches_table(own))),
        ("differential.csv", csv_bytes(batches_differential(own))),
        ("drift.csv", csv_bytes(drift_table(typed))),
        ("batches.html", drift_page(study.name, typed).encode()),
    ):
        write_atomically(options.out / file, data)
    return "\n".join(
        (
            told,
            describe_batch(own[name]),
            *_offer(own[name], f"{PREFIX}{study.name}", options.query),
            *([describe_problems(problems)] if problems else []),
            f"Written to {options.out}: predictions.csv and differential.csv of this batch;",
            f"drift.csv and batches.html of all batches of {study.name} ({len(typed):,}).",
        )
    )


def _find(space: Workspace, named: str) -> Study:
    from celltransfer_core.studies.finished import find_study

    try:
        return find_study(space, named)
    except StudyError as error:
        raise StudyError(f"{named} is not a folder written by run. {error}") from error


def receive_folder(
    space: Workspace, study: Study, folder: Path, name: str, *, only: Seen | None = None
) -> tuple[str, Seen]:
    """Add the images of a folder to a batch of a study, which is created if necessary.

    Parameters
    ----------
    space : Workspace
    study : Study
    folder : Path
    name : str
        Name of the batch.
    only : dict from str to stamp, optional
        The files to add; all by default.

    Returns
    -------
    told : str
        How many files were added or left out.
    dealt : dict from str to stamp
        Those of ``only`` that need not be given again. Files that could not be read now are not
        among them, nor are tables of a batch that has no image yet.
    """
    from celltransfer_core.studies.arriving_files import Seen, add_files

    new = already = refused = 0
    dealt = Seen()
    again = " and run again: finished work is kept"
    for part in add_files(space, study.id, folder, name, only, again):
        dealt |= part.files
        new += part.cells
        already += part.already
        refused += part.left_out.total() + part.unread.total()
    told = f"Files added to batch {name} of {study.name}: {new:,}"
    told += f"; left out, already in the study: {already:,}" if already else ""
    told += f"; not usable: {refused:,}" if refused else ""
    return f"{told}.", dealt


def _offer(batch: TypedBatch, source: str, query: Path) -> list[str]:
    """Suggest a run of their own for new slides that have drifted."""
    from celltransfer_core.outputs.drift import transport_pays

    if not transport_pays(batch):
        return []
    lines = [
        "Stain or proportions have drifted. Confirming clusters of these slides, and transport to",
        "them, may be worthwhile:",
    ]
    reference = source
    if not source.startswith(PREFIX):
        reference = "REFERENCE"
        lines.append(f"export --as-reference {source!r} --out {reference}")
    return [*lines, f"run --reference {reference!r} --query {str(query)!r} --out DIR"]
