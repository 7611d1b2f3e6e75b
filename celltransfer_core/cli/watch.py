"""The command ``watch``: type the images of a folder as they arrive.

In: a folder and a study. Each sub-folder becomes a batch of the study, and so do the images in the
folder itself. A file is used once it no longer changes.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.cli.continued import receive_folder
from celltransfer_core.cli.options import add_work
from celltransfer_core.cli.predict import describe_batch
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.studies import study_named
from celltransfer_core.errors import CellTransferError, DataError, OutputError, StudyError

if TYPE_CHECKING:
    from celltransfer_core.studies.arriving_files import Arrivals, Seen
    from celltransfer_core.studies.records import Study
    from celltransfer_core.studies.workspace import Workspace


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``watch``."""
    parser.set_defaults(command=_watch)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder in which images arrive")
    parser.add_argument(
        "--continue",
        dest="continued",
        type=Path,
        required=True,
        metavar="STUDY",
        help="study of the workspace, by name or id, that the images are added to: one batch per "
        "sub-folder, and one for the files in the folder itself",
    )
    parser.add_argument(
        "--every",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how often to check; a file is used if it has not changed since the last check (10)",
    )
    parser.add_argument(
        "--once", action="store_true", help="use the files that are there now, then exit"
    )
    add_work(parser)


def _watch(options: argparse.Namespace) -> None:
    from celltransfer_core.studies.arriving_files import Arrivals
    from celltransfer_core.studies.batches import describe_problems
    from celltransfer_core.studies.finished import find_study
    from celltransfer_core.studies.workspace import Workspace

    if not options.folder.is_dir():
        raise DataError(
            f"{options.folder} is not a folder; give the folder in which images arrive."
        )
    if not 0 < options.every < float("inf"):
        raise DataError(f"--every cannot be {options.every}; it must be above 0.")
    space = Workspace()
    named = study_named(options.continued) or str(options.continued)
    study = find_study(space, named)
    if not options.quiet:
        print(f"Watching {options.folder} for {study.name}; Ctrl-C stops it.", flush=True)
    arrivals = Arrivals(options.folder)
    arrivals.look()
    before: dict[str, str] = {}
    while True:
        time.sleep(options.every)
        settled = arrivals.look()
        space.study(study.id)  # ends the command if it was deleted meanwhile
        problems = _take(space, study, options, arrivals, settled) if settled else before
        if problems and options.once:
            raise StudyError(describe_problems(problems))
        if options.once:
            return
        if problems and problems != before:  # tried again with the next files
            print(describe_problems(problems), file=sys.stderr, flush=True)
        before = problems


def _take(
    space: Workspace,
    study: Study,
    options: argparse.Namespace,
    arrivals: Arrivals,
    settled: Seen,
) -> dict[str, str]:
    """Add files batch by batch, and type them; return what went wrong, by batch or folder."""
    from celltransfer_core.studies.batches import type_batches, typed_batches

    names, problems, done = {}, {}, {}
    for head, files in arrivals.batches(settled).items():
        try:
            name = arrivals.name_of(head)
            told, dealt = receive_folder(space, study, options.folder / head, name, only=files)
        except OutputError:  # the others could not be written either
            raise
        except CellTransferError as error:
            problems[head or options.folder.name] = str(error)
            continue
        done[head] = dealt
        if dealt or options.once:
            names[name] = told
    if not names:  # they are tried again with the next look
        return problems
    try:
        with closing(Screen(quiet=options.quiet)) as screen:
            problems |= type_batches(space, study.id, screen)
    except OutputError:
        raise
    except CellTransferError as error:  # tried again with the next look: nothing is settled
        return problems | {study.name: str(error)}
    for head, dealt in done.items():
        arrivals.settle(head, dealt)
    if not options.quiet:
        typed = typed_batches(space, study.id)
        for name, told in names.items():
            print(f"{told}\n{describe_batch(typed[name]) if name in typed else ''}", flush=True)
    return problems
