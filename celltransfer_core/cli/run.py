"""TODO celltransfer_core/cli/run.py."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.cli.options import add_method, add_reference, add_skip, add_work
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.sentences import describe_dataset, describe_run
from celltransfer_core.cli.settings import _config, _names, _reference, of_those_here, write_log


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_run)
    folders = parser.add_argument_group("folders")
    add_reference(folders)
    folders.add_argument("--query", type=Path, required=True, metavar="DIR", help="cells to type")
    folders.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a further set without types, which helps to name the query's "
        "clusters; may be repeated",
    )
    folders.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the results"
    )
    folders.add_argument(
        "--format",
        choices=("csv", "parquet", "h5ad"),
        default="csv",
        help="what tables are written as beside CSV",
    )

    method = add_method(parser)
    add_skip(method)
    method.add_argument(
        "--clusters-from",
        type=Path,
        metavar="FILE",
        help="keep the clusters of an earlier clusters.csv",
    )
    method.add_argument(
        "--matches", type=Path, metavar="FILE", help="a matches.csv in which you confirmed clusters"
    )
    method.add_argument(
        "--reviews",
        type=Path,
        metavar="FILE",
        help="a reviews.csv with what readers said of query cells: it teaches the vote",
    )
    method.add_argument(
        "--filtering", choices=("auto", "none"), help="leave out types that no cluster matches"
    )
    method.add_argument(
        "--keep",
        nargs="+",
        metavar="TYPE",
        help="keep these types though no cluster matches them",
    )
    method.add_argument(
        "--alignment",
        choices=("fgw", "centre", "none"),
        help="fused Gromov-Wasserstein, means alone, or none",
    )
    method.add_argument("--classifier", choices=("knn", "linear"))
    method.add_argument(
        "--vote-weights",
        choices=("confirmed", "prior", "equal"),
        help="evenly, but aligned voters as far as clusters are confirmed (the default); by what "
        "they do on the reference and how the sets mix; or evenly",
    )
    method.add_argument(
        "--draws", type=int, metavar="N", help="reference subsets for each part of the query"
    )
    method.add_argument(
        "--flag-threshold", type=float, metavar="SHARE", help="flag cells with less agreement"
    )
    add_work(parser)


def _run(options: argparse.Namespace) -> None:
    from celltransfer_core.data.folders import read_dataset
    from celltransfer_core.outputs.read_back import read_answers, read_clusters, read_matches
    from celltransfer_core.outputs.write import write_run
    from celltransfer_core.pipeline.result import type_names
    from celltransfer_core.pipeline.runs import run
    from celltransfer_core.runtime.files import check_writable

    say = (lambda *_: None) if options.quiet else print
    config = of_those_here(_config(options), skip=options.skip_missing, say=say)
    confirmations = read_matches(options.matches) if options.matches else ()
    check_writable(options.out)
    workers = options.workers
    with closing(Screen(quiet=options.quiet)) as screen:
        # The query first: it is mostly the smaller, and a wrong folder shows at once.
        query = read_dataset(options.query, workers=workers, progress=screen)
        reference = _reference(options, screen)
        extras = {
            name: read_dataset(folder, workers=workers, progress=screen)
            for name, folder in _names(options.extra, ("reference", "query")).items()
        }
        screen.close()
        for name, dataset in (("reference", reference), ("query", query), *extras.items()):
            say(describe_dataset(name, dataset))
        clusters = read_clusters(options.clusters_from, query) if options.clusters_from else None
        reviews = (
            read_answers(options.reviews, query, type_names(reference)) if options.reviews else ()
        )
        result = run(
            reference,
            query,
            config,
            extras=extras,
            confirmations=confirmations,
            reviews=reviews,
            clusters=clusters,
            workers=workers,
            progress=screen,
        )
    write_run(result, options.out, options.format, reviews)
    write_log(options.out, options, screen.seconds)
    say(describe_run(result))
    say(f"\nWritten to {options.out}: predictions.csv and the rest. {RESEARCH_USE}")
