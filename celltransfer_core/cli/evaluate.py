"""TODO celltransfer_core/cli/evaluate.py."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.cli.options import (
    add_method,
    add_protocol,
    add_reference,
    add_skip,
    add_work,
)
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.sentences import describe_dataset, describe_evaluation
from celltransfer_core.cli.settings import _names, _reference, measured, of_those_here, write_log
from celltransfer_core.errors import DataError

if TYPE_CHECKING:
    from celltransfer_core.config import Config
    from celltransfer_core.data.dataset import Dataset
    from celltransfer_core.evaluation.paper import Printed
    from celltransfer_core.evaluation.protocol import Protocol
    from celltransfer_core.evaluation.result import Evaluation
    from celltransfer_core.types import Labels


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_evaluate)
    folders = parser.add_argument_group("folders")
    add_reference(folders)
    folders.add_argument(
        "--query",
        type=Path,
        required=True,
        metavar="DIR",
        help="cells whose types are known, likewise; used to score and for nothing else",
    )
    folders.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a further set without types for the t-SNE correction; may be repeated",
    )
    folders.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the results; the same again goes on where it was interrupted",
    )
    add_protocol(parser)
    reader = parser.add_argument_group("reader")
    reader.add_argument(
        "--reader",
        action="store_true",
        help="play a person who confirms every cluster and then answers the queue: reader.csv",
    )
    reader.add_argument(
        "--reader-errors",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the reader's answers that are wrong",
    )
    add_skip(add_method(parser))
    add_work(parser)


def _evaluate(options: argparse.Namespace) -> None:
    from celltransfer_core.data.folders import read_dataset
    from celltransfer_core.data.pooling import draw_per_class
    from celltransfer_core.evaluation.truth import true_labels
    from celltransfer_core.runtime.files import check_writable

    config, protocol = measured(options)
    say = (lambda *_: None) if options.quiet else print
    config = of_those_here(config, skip=options.skip_missing, say=say)
    if not 0 <= options.reader_errors < 1:
        raise DataError(
            f"--reader-errors cannot be {options.reader_errors:g}; it takes 0 to below 1."
        )
    check_writable(options.out)
    workers = options.workers
    with closing(Screen(quiet=options.quiet)) as screen:
        query = read_dataset(options.query, workers=workers, progress=screen)
        truth = true_labels(query)
        reference = _reference(options, screen)
        if options.per_class is not None:
            reference = draw_per_class(reference, options.per_class, config.seed)
        extras = {
            name: read_dataset(folder, workers=workers, progress=screen)
            for name, folder in _names(options.extra, ("reference", "query")).items()
        }
        screen.close()
        for name, dataset in (("reference", reference), ("query", query), *extras.items()):
            say(describe_dataset(name, dataset))
        found = _measure(
            reference,
            query,
            truth,
            extras,
            config,
            protocol,
            options.out,
            workers,
            screen,
            _printed("+".join(_names(options.reference)), options.query.resolve().name),
            options.reader_errors if options.reader else None,
        )
    write_log(options.out, options, screen.seconds)
    say("\n" + describe_evaluation(found))
    say(f"\nWritten to {options.out}: results.csv, results.md, results.html. {RESEARCH_USE}")


def _measure(
    reference: Dataset,
    query: Dataset,
    truth: Labels,
    extras: dict[str, Dataset],
    config: Config,
    protocol: Protocol,
    out: Path,
    workers: int | None,
    screen: Screen,
    printed: Sequence[Printed] = (),
    reader_errors: float | None = None,
) -> Evaluation:
    from dataclasses import replace

    from celltransfer_core.evaluation.measured import evaluate
    from celltransfer_core.evaluation.played_reader import play_reader
    from celltransfer_core.evaluation.report.write import write_evaluation
    from celltransfer_core.pipeline.named import detect, identify
    from celltransfer_core.pipeline.prepared import prepare

    prepared = prepare(reference, query, config, extras=extras, workers=workers, progress=screen)
    named = identify(prepared, detect(prepared))
    found = evaluate(
        prepared, named, truth, protocol, store=out / "kept", workers=workers, progress=screen
    )
    if reader_errors is not None:
        reading = play_reader(
            prepared, named, truth, errors=reader_errors, workers=workers, progress=screen
        )
        found = replace(found, reading=reading)
    screen.close()
    write_evaluation(found, out, printed)
    return found


def _printed(reference: str, query: str, name: str = "") -> tuple[Printed, ...]:
    """Find what the paper prints for a pair, by its table's number where the pair's name is one."""
    import re

    from celltransfer_core.evaluation.paper import TABLES, printed, read_tables

    if not TABLES.is_file():
        return ()
    number = re.fullmatch(r"Table (\d+)", name)
    return printed(read_tables(), reference, query, int(number[1]) if number else None)
