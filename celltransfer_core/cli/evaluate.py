"""The command ``evaluate``: the paper's protocol (5.1, 5.2) on a query whose types are known.

Reads two folders of typed cells, and writes ``results.csv``, ``results.md`` and ``results.html``,
and with ``--reader`` the curve of a simulated reader.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.cli.doubts import describe_doubts
from celltransfer_core.cli.options import (
    add_folders,
    add_method,
    add_new_types,
    add_protocol,
    add_sample,
    add_skip,
    add_work,
)
from celltransfer_core.cli.per_set import label_columns, types_levels
from celltransfer_core.cli.run_log import write_log
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.sentences import describe_dataset, describe_evaluation
from celltransfer_core.cli.settings import (
    config_and_protocol,
    named_folders,
    read_extras,
    read_query,
    read_reference,
    with_types,
    without_missing,
)
from celltransfer_core.config.samples import find_sample
from celltransfer_core.errors import DataError

if TYPE_CHECKING:
    from celltransfer_core.benchmark.sets import PairSets
    from celltransfer_core.config.config import Config
    from celltransfer_core.evaluation.paper import Printed
    from celltransfer_core.evaluation.protocol import Protocol
    from celltransfer_core.evaluation.result import Evaluation


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``evaluate``."""
    parser.set_defaults(command=_evaluate)
    folders = add_folders(
        parser,
        query="cells with known types, in the same form; their types are used only for scoring",
        out="folder for the results; run the same command again to continue an interrupted "
        "evaluation",
    )
    add_new_types(folders)
    add_protocol(parser)
    reader = parser.add_argument_group("reader")
    reader.add_argument(
        "--reader",
        action="store_true",
        help="simulate a reader who confirms every cluster and then answers the queue: reader.csv",
    )
    reader.add_argument(
        "--reader-errors",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the reader's answers that are wrong",
    )
    method = add_method(parser)
    add_sample(method)
    add_skip(method)
    add_work(parser)


def _evaluate(options: argparse.Namespace) -> None:
    from celltransfer_core.pipeline.result import type_names
    from celltransfer_core.runtime.files import check_writable

    config, protocol = config_and_protocol(options)
    say = (lambda *_: None) if options.quiet else print
    if options.methods is None and "nmtune" not in protocol.members:
        from celltransfer_core.runtime.extras import how_to_install

        say(f"NMTune is left out because torch is not installed: {how_to_install('encoders')}")
    config = without_missing(config, skip=options.skip_missing, say=say)
    if not 0 <= options.reader_errors < 1:
        raise DataError(
            f"--reader-errors cannot be {options.reader_errors:g}; it takes a number from 0 to "
            "below 1."
        )
    if options.sample:
        find_sample(options.sample)  # find a wrong name before thousands of images are read
    check_writable(options.out)
    with closing(Screen(quiet=options.quiet)) as screen:
        sets = _read_sets(options, config, screen)
        screen.close()
        both = {"reference": sets.reference, "query": sets.query}
        for name, dataset in (*both.items(), *sets.extras.items()):
            say(describe_dataset(name, dataset))
        if not options.quiet:  # it takes seconds
            for line in describe_doubts(sets.reference, sets.query, sets.extras):
                say(line)
        found = evaluate_sets(
            sets,
            with_types(config, type_names(sets.reference), options.sample),
            protocol,
            options.out,
            workers=options.workers,
            screen=screen,
            printed=printed_figures(
                "+".join(named_folders(options.reference)), options.query.resolve().name
            ),
            reader_errors=options.reader_errors if options.reader else None,
        )
    write_log(options.out, options, screen.seconds)
    say("\n" + describe_evaluation(found))
    say(f"\nWritten to {options.out}: results.csv, results.md, results.html. {RESEARCH_USE}")


def _read_sets(options: argparse.Namespace, config: Config, screen: Screen) -> PairSets:
    from celltransfer_core.benchmark.sets import PairSets
    from celltransfer_core.data.pooling import draw_per_class
    from celltransfer_core.evaluation.truth import true_labels

    query = read_query(options, screen)
    levels = types_levels(options.types_at, (*options.reference, options.query))
    columns = label_columns(options.label_columns, (*options.reference, options.query))
    own = options.query.resolve()
    reference = read_reference(options, screen)
    types = set(reference.cell_labels.tolist())
    truth = true_labels(query, levels.get(own), columns.get(own), types)
    if options.per_class is not None:
        reference = draw_per_class(reference, options.per_class, config.seed)
    return PairSets(reference, query, truth, read_extras(options, screen))


def evaluate_sets(
    sets: PairSets,
    config: Config,
    protocol: Protocol,
    out: Path,
    *,
    workers: int | None,
    screen: Screen,
    printed: Sequence[Printed] = (),
    reader_errors: float | None = None,
) -> Evaluation:
    """Measure every method on a pair of sets, and write the results.

    Parameters
    ----------
    sets : PairSets
    config : Config
    protocol : Protocol
    out : Path
        Folder for the results, including those computed before an interruption.
    workers : int, optional
    screen : Screen
    printed : sequence of Printed
        The paper's figures for this pair.
    reader_errors : float, optional
        Share of wrong answers of a simulated reader; None for no reader.

    Returns
    -------
    Evaluation
    """
    from celltransfer_core.evaluation.measured import evaluate
    from celltransfer_core.evaluation.report.write import write_evaluation
    from celltransfer_core.evaluation.simulated_reader import simulate_reader
    from celltransfer_core.pipeline.named import detect, identify
    from celltransfer_core.pipeline.prepared import prepare

    prepared = prepare(
        sets.reference, sets.query, config, extras=sets.extras, workers=workers, progress=screen
    )
    named = identify(prepared, detect(prepared))
    found = evaluate(
        prepared, named, sets.truth, protocol, store=out / "kept", workers=workers, progress=screen
    )
    if reader_errors is not None:
        reading = simulate_reader(
            prepared,
            named,
            sets.truth,
            errors=reader_errors,
            left_out=found.leaked,
            workers=workers,
            progress=screen,
        )
        found = replace(found, reading=reading)
    screen.close()
    write_evaluation(found, out, printed)
    return found


def printed_figures(reference: str, query: str, name: str = "") -> tuple[Printed, ...]:
    """Find the paper's figures for a pair.

    Parameters
    ----------
    reference, query : str
        Names of the sets.
    name : str
        Name of the pair; ``Table N`` selects the table.

    Returns
    -------
    tuple of Printed
    """
    from celltransfer_core.evaluation.paper import TABLES, printed, read_tables

    if not TABLES.is_file():
        return ()
    number = re.fullmatch(r"Table (\d+)", name)
    return printed(read_tables(), reference, query, int(number[1]) if number else None)
