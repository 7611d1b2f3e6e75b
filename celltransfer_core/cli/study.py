"""The command ``study``: list the app's studies, move them as one file, and compare them.

Takes studies of ``CELLTRANSFER_HOME``, by name or id, and writes files with one study each, or
tables. An earlier run of a study is written ``STUDY@NUMBER``, as listed by ``study runs``.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.cli.options import Parser, add_common
from celltransfer_core.cli.screen import Screen
from celltransfer_core.errors import DataError, OutputError, StudyError

if TYPE_CHECKING:
    from celltransfer_core.outputs.compared import ComparedRuns, ReviewedRun
    from celltransfer_core.studies.records import Study
    from celltransfer_core.studies.workspace import Workspace

_FIRST = 10  # changed cells on the screen


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``study``."""
    parser.set_defaults(command=_list_studies)
    actions = parser.add_subparsers(metavar="ACTION", parser_class=Parser)
    listing = actions.add_parser("list", help="list the studies (the default action)")
    listing.set_defaults(command=_list_studies)
    exporting = actions.add_parser("export", help="write a study to one file")
    exporting.set_defaults(command=_export_study)
    exporting.add_argument("study", metavar="STUDY", help="its name or id")
    exporting.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a zip file: images, settings, decisions with reader and time, results",
    )
    importing = actions.add_parser("import", help="import a study written by export")
    importing.set_defaults(command=_import_study)
    importing.add_argument(
        "file", type=Path, metavar="FILE", help="the study is imported completely or not at all"
    )
    runs = actions.add_parser("runs", help="list the runs of a study")
    runs.set_defaults(command=_list_runs)
    runs.add_argument("study", metavar="STUDY", help="its name or id")
    comparing = actions.add_parser(
        "compare", help="show which cells two studies, or two runs of one study, type differently"
    )
    comparing.set_defaults(command=_compare)
    for side in ("first", "second"):
        comparing.add_argument(
            side, metavar="STUDY[@RUN]", help="name or id, and the number of a run"
        )
    comparing.add_argument("--out", type=Path, metavar="FILE.csv", help="all changed cells")
    for one in (exporting, importing):
        one.add_argument("--quiet", action="store_true", help="print no progress and no summary")
    for command in (parser, listing, exporting, importing, runs, comparing):
        add_common(command)


def _list_studies(_: argparse.Namespace) -> None:
    from celltransfer_core.studies.records import ROLES
    from celltransfer_core.studies.workspace import Workspace

    space = Workspace()
    for study in space.studies():
        counts = space.count_files(study.id)
        images = ", ".join(f"{counts[role]:,} {role}" for role in ROLES if role in counts)
        facts = [images or "no images", *(study.tags or ())]
        facts += [f"signed off by {study.signed_by}"] if study.signed else []
        facts += ["archived"] if study.archived else []
        print(f"{study.id}  {study.changed[:16]}  {study.name} ({', '.join(facts)})")


def _find(space: Workspace, asked: str) -> Study:
    """Find a study by its id, or else by its name."""
    every = space.studies()
    found = [one for one in every if one.id == asked] or [one for one in every if one.name == asked]
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise StudyError(f"Several studies are named {asked}; give the id of one: {ids}.")
    if not found:
        raise StudyError(f"There is no study {asked} in {space.folder}; see `study list`.")
    return found[0]


def _export_study(options: argparse.Namespace) -> None:
    from celltransfer_core.studies.study_moves import export_study
    from celltransfer_core.studies.workspace import Workspace

    space = Workspace()
    study = _find(space, options.study)
    if options.file.is_dir():
        raise OutputError(f"{options.file} is a folder; give the name of a file to write.")
    with closing(Screen(quiet=options.quiet)) as screen:
        export_study(space, study.id, options.file, progress=screen)
    if not options.quiet:
        size = options.file.stat().st_size / 1e6
        print(f"{study.name} is written to {options.file} ({size:,.1f} MB).")


def _import_study(options: argparse.Namespace) -> None:
    from celltransfer_core.studies.study_moves import import_study
    from celltransfer_core.studies.workspace import Workspace

    try:
        file = options.file.open("rb")
    except OSError as error:
        raise DataError(f"{options.file} cannot be read ({error.strerror}).") from error
    with file, closing(Screen(quiet=options.quiet)) as screen:
        found = import_study(Workspace(), file, progress=screen)
    if not options.quiet:
        print(f"{found.study.name} is here as {found.study.id}: {found.told}")


def _list_runs(options: argparse.Namespace) -> None:
    from celltransfer_core.studies.study_runs import NOW, study_runs
    from celltransfer_core.studies.workspace import Workspace

    space = Workspace()
    for number, run in enumerate(study_runs(space, _find(space, options.study).id)):
        shown = "current state, with all answers" if run.key == NOW else "as it was computed"
        print(f"{number}  {run.written[:16]}  {shown}")


def _compare(options: argparse.Namespace) -> None:
    from celltransfer_core.outputs.compared import compare_runs
    from celltransfer_core.outputs.formats import csv_bytes
    from celltransfer_core.runtime.files import write_atomically
    from celltransfer_core.studies.workspace import Workspace

    space = Workspace()
    found = compare_runs(*(_reviewed(space, side) for side in (options.first, options.second)))
    print(_describe(found))
    if options.out:
        write_atomically(options.out, csv_bytes(found.table()))
        print(f"\nWritten to {options.out}.")


def _reviewed(space: Workspace, asked: str) -> ReviewedRun:
    from celltransfer_core.studies.study_runs import reviewed_run, study_runs

    named, _, number = asked.rpartition("@")
    if not named or not number.isdecimal():
        return reviewed_run(space, _find(space, asked).id)
    study = _find(space, named)
    runs = study_runs(space, study.id)
    if int(number) >= len(runs):
        raise StudyError(f"{named} has no run {number}; see `study runs`.")
    return reviewed_run(space, study.id, runs[int(number)].key, name=asked)


def _describe(found: ComparedRuns) -> str:
    """Describe what changed, and why."""
    first, second = found.first.name, found.second.name
    lines = [
        (
            f"{len(found.changes):,} of {found.shared:,} shared cells have a different type in "
            f"{second}."
        )
    ]
    if found.flows:
        lines += ["", "cells  from → to"]
        lines += [f"{n:>5,}  {a} → {b}" for (a, b), n in found.flows.items()]
    if found.differences:
        lines += ["", f"differences: {first} | {second}"]
        lines += [
            f"  {one.what}: {one.first or '–'} | {one.second or '–'}" for one in found.differences
        ]
    if found.changes:
        lines += [
            "",
            f"changed cells (the first {_FIRST})"
            if len(found.changes) > _FIRST
            else "\nchanged cells",
        ]
        lines += [
            f"  {one.cell[:12]}  {one.before} → {one.after}  ({one.because})"
            for one in found.changes[:_FIRST]
        ]
    return "\n".join(lines)
