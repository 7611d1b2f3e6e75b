"""Entry point of the command line: its commands and exit codes.

Takes the words of the command line and returns the exit code. Large packages are imported only when
a command runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from celltransfer_core.about import RESEARCH_USE, __version__
from celltransfer_core.cli.app import add_app
from celltransfer_core.cli.benchmark import add_benchmark
from celltransfer_core.cli.check import add_check
from celltransfer_core.cli.demo import add_demo
from celltransfer_core.cli.doctor import add_doctor
from celltransfer_core.cli.encoders import add_encoders
from celltransfer_core.cli.evaluate import add_evaluate
from celltransfer_core.cli.export import add_export
from celltransfer_core.cli.migrate import add_migrate
from celltransfer_core.cli.options import DONE, FAULT, INTERRUPTED, MENDABLE, Parser, add_common
from celltransfer_core.cli.predict import add_predict
from celltransfer_core.cli.restore import add_restore
from celltransfer_core.cli.run import add_run
from celltransfer_core.cli.study import add_study
from celltransfer_core.cli.watch import add_watch
from celltransfer_core.errors import CellTransferError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the process by default.

    Returns
    -------
    int
        0 done, 2 an error that the user can fix (one line says how), 1 an error of CellTransfer or
        of the installation, 130 interrupted.
    """
    options = _parser().parse_args(arguments)
    from celltransfer_core.runtime.cluster import on_cluster

    try:
        with on_cluster(getattr(options, "scheduler", None)):
            code: int | None = options.command(options)
    except CellTransferError as error:
        if options.debug:
            raise
        print(f"celltransfer: {error}", file=sys.stderr)
        return MENDABLE
    except KeyboardInterrupt:
        print(
            "celltransfer: interrupted; finished work is kept, run the same command to continue.",
            file=sys.stderr,
        )
        return INTERRUPTED
    except Exception as error:
        if options.debug:
            raise
        print(
            f"celltransfer: internal error ({type(error).__name__}: {error}); run again with "
            "--debug and report the output.",
            file=sys.stderr,
        )
        return FAULT
    return code or DONE


def _called() -> str:
    """Return how the command line was called: by its name, or as a Python module."""
    name = Path(sys.argv[0]).stem
    return name if name == "celltransfer" else "python -m celltransfer_core"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=_called(),
        description="Type the cells of a new microscope from a typed reference set. "
        f"{RESEARCH_USE}",
    )
    parser.add_argument("--version", action="version", version=f"CellTransfer {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    add_app(commands.add_parser("app", help="open the app in the browser"))
    add_run(commands.add_parser("run", help="type the cells of a folder"))
    add_evaluate(
        commands.add_parser("evaluate", help="measure every method on a query with known types")
    )
    add_export(
        commands.add_parser(
            "export", help="export the results of a run or a study as a reference or a classifier"
        )
    )
    add_predict(commands.add_parser("predict", help="type cells with an exported classifier"))
    add_watch(commands.add_parser("watch", help="type images of a folder as they arrive"))
    add_check(commands.add_parser("check", help="find wrong labels in a reference"))
    add_benchmark(commands.add_parser("benchmark", help="measure many pairs of sets"))
    add_encoders(commands.add_parser("encoders", help="list, download, add or train encoders"))
    add_demo(commands.add_parser("demo", help="generate two small synthetic sets of cells"))
    add_migrate(commands.add_parser("migrate", help="upgrade the app's database to this version"))
    add_restore(commands.add_parser("restore", help="restore a backup of the app's database"))
    add_doctor(commands.add_parser("doctor", help="show what is installed and report problems"))
    add_study(
        commands.add_parser("study", help="list, export, import or compare the app's studies")
    )
    _add_job(commands.add_parser("job"))  # started by the dashboard, not by users
    return parser


def _add_job(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_run_job)
    parser.add_argument("id")
    add_common(parser)


def _run_job(options: argparse.Namespace) -> None:
    from celltransfer_core.studies.job_process import run_job
    from celltransfer_core.studies.workspace import Workspace

    run_job(Workspace(), options.id)
