"""The command ``check``: find suspected label errors in a reference.

Reads a folder of typed cells, prints the most doubtful ones, and writes ``check.csv``.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.cli.columns import add_label_columns
from celltransfer_core.cli.options import (
    add_channels,
    add_new_types,
    add_settings,
    add_skip,
    add_types_at,
    add_work,
)
from celltransfer_core.cli.per_set import chosen_channels, label_columns, types_levels
from celltransfer_core.cli.run_log import write_log
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.sentences import describe_check, describe_dataset
from celltransfer_core.cli.settings import (
    accepted_types,
    config_of,
    named_folders,
    without_missing,
)
from celltransfer_core.cli.studies import add_least_confidence, read_study, study_named

if TYPE_CHECKING:
    from celltransfer_core.data.dataset import Dataset


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``check``."""
    parser.set_defaults(command=_check, preset="default")
    folders = parser.add_argument_group("folders")
    folders.add_argument(
        "--reference",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="typed cells: one sub-folder per type, or labels.csv; or study:NAME, a finished "
        "study; may be repeated to pool several sets",
    )
    add_least_confidence(folders)
    add_types_at(folders)
    add_channels(folders)
    add_label_columns(folders)
    add_new_types(folders)
    folders.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for check.csv (default: print only)"
    )
    method = parser.add_argument_group("method")
    add_settings(method, ("encoders", "network", "framing", "colour", "seed"))
    add_skip(method)
    add_work(parser)


def _check(options: argparse.Namespace) -> None:
    from celltransfer_core.outputs.check_table import check_table
    from celltransfer_core.outputs.formats import csv_bytes
    from celltransfer_core.pipeline.reference_check import check_reference
    from celltransfer_core.runtime.files import check_writable, write_atomically

    say = (lambda *_: None) if options.quiet else print
    config = without_missing(config_of(options), skip=options.skip_missing, say=say)
    if options.out:
        check_writable(options.out)
    with closing(Screen(quiet=options.quiet)) as screen:
        reference = _read(options, screen)
        screen.close()
        say(describe_dataset("reference", reference))
        found = check_reference(reference, config, workers=options.workers, progress=screen)
    say("\n" + describe_check(found))
    if options.out:
        table = csv_bytes(check_table(found))
        write_atomically(options.out / "check.csv", table)
        write_log(options.out, options, screen.seconds)
        say(f"\nWritten to {options.out}: check.csv, most suspicious labels first. {RESEARCH_USE}")


def _read(options: argparse.Namespace, screen: Screen) -> Dataset:
    from celltransfer_core.data.folders import read_dataset
    from celltransfer_core.data.pooling import pool

    folders = named_folders(options.reference)
    columns = label_columns(options.label_columns, options.reference)
    levels = types_levels(options.types_at, options.reference)
    channels = chosen_channels(options.channels, options.reference)
    sets = [
        read_study(study, options.least_confidence)
        if (study := study_named(folder))
        else read_dataset(
            folder,
            labelled=True,
            types_at=levels.get(folder.resolve()),
            columns=columns.get(folder.resolve()),
            channels=channels.get(folder.resolve()),
            accepted=accepted_types(options),
            workers=options.workers,
            progress=screen,
        )
        for folder in folders.values()
    ]
    return sets[0] if len(sets) == 1 else pool(sets, names=[*folders])
