"""The command ``run``: from two folders of cells to a folder of tables (3.1–3.4).

Reads a reference with types and a query without, and writes ``predictions.csv``, the clusters,
their matches, and the manifest.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from functools import partial
from pathlib import Path

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.cli.columns import review_columns
from celltransfer_core.cli.continued import add_continue, continue_run
from celltransfer_core.cli.doubts import describe_doubts
from celltransfer_core.cli.options import (
    add_folders,
    add_method,
    add_new_types,
    add_sample,
    add_skip,
    add_work,
)
from celltransfer_core.cli.run_log import write_log
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.sentences import describe_dataset, describe_run
from celltransfer_core.cli.settings import (
    config_of,
    read_extras,
    read_query,
    read_reference,
    with_types,
    without_missing,
)
from celltransfer_core.config.samples import find_sample
from celltransfer_core.errors import DataError


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``run``."""
    parser.set_defaults(command=partial(_run, parser))
    out = "folder for the results"
    folders = add_folders(parser, query="cells to type", out=out, required=False)
    add_continue(folders)
    folders.add_argument(
        "--format",
        choices=("csv", "parquet", "h5ad", "xlsx"),
        default="csv",
        help="format of the tables beside CSV; xlsx is one Excel workbook, tables.xlsx",
    )
    method = add_method(parser, run=True)
    add_sample(method)
    add_skip(method)
    annotations = parser.add_argument_group("annotations", "answers and edits of an earlier run")
    annotations.add_argument(
        "--clusters-from",
        type=Path,
        metavar="FILE",
        help="keep the clusters of an earlier clusters.csv",
    )
    annotations.add_argument(
        "--matches", type=Path, metavar="FILE", help="a matches.csv in which you confirmed clusters"
    )
    annotations.add_argument(
        "--reviews",
        type=Path,
        metavar="FILE",
        help="answers on query cells, which update the vote: a reviews.csv, any table with a "
        "column of files (or sha256) and a column of types, or a folder of images by type",
    )
    annotations.add_argument(
        "--review-columns",
        type=review_columns,
        metavar="file=A,label=B",
        help="columns of that table that hold the files and the types, if they have other names",
    )
    annotations.add_argument(
        "--reviewer",
        default="",
        metavar="NAME",
        help="reader who gave these answers, if the file does not name one (default: the "
        "file's name)",
    )
    add_new_types(annotations)
    add_work(parser)


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.continued:
        continue_run(parser, options)
        return
    if not options.reference:
        parser.error("the following arguments are required: --reference (or --continue)")
    from celltransfer_core.outputs.read_back import read_clusters, read_matches, read_said
    from celltransfer_core.outputs.write import write_run
    from celltransfer_core.pipeline.result import type_names
    from celltransfer_core.pipeline.runs import run
    from celltransfer_core.runtime.extras import need
    from celltransfer_core.runtime.files import check_writable

    say = (lambda *_: None) if options.quiet else print
    config = without_missing(config_of(options), skip=options.skip_missing, say=say)
    if options.sample:
        find_sample(options.sample)  # find a wrong name before thousands of images are read
    if options.matches:
        read_matches(options.matches)  # likewise unreadable files
    if options.format == "h5ad":
        need("formats", "An h5ad file", DataError, "anndata")
    check_writable(options.out)
    workers = options.workers
    with closing(Screen(quiet=options.quiet)) as screen:
        # The query first: it is usually smaller, so that a wrong folder is noticed at once.
        query = read_query(options, screen)
        reference = read_reference(options, screen)
        extras = read_extras(options, screen)
        screen.close()
        for name, dataset in (("reference", reference), ("query", query), *extras.items()):
            say(describe_dataset(name, dataset))
        if not options.quiet:  # it takes seconds
            for line in describe_doubts(reference, query, extras):
                say(line)
        clusters = read_clusters(options.clusters_from, query) if options.clusters_from else None
        confirmations, reviews = read_said(
            options.matches,
            options.reviews,
            query,
            type_names(reference),
            options.new_types,
            columns=options.review_columns,
            reader=options.reviewer,
        )
        result = run(
            reference,
            query,
            with_types(config, type_names(reference), options.sample),
            extras=extras,
            confirmations=confirmations,
            reviews=reviews,
            clusters=clusters,
            workers=workers,
            progress=screen,
        )
    write_run(result, options.out, options.format, reviews)
    write_log(options.out, options, screen.seconds)
    say(describe_run(result, reviews))
    say(f"\nWritten to {options.out}: predictions.csv and the other files. {RESEARCH_USE}")
