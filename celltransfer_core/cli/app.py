"""The command ``app``: the dashboard, served by Streamlit.

Options set where it listens and where it keeps its data; the process becomes the server.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from pathlib import Path

from celltransfer_core.about import APP
from celltransfer_core.cli.options import add_common


def add_app(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``app``."""
    parser.set_defaults(command=_serve)
    parser.add_argument("--port", type=int, default=8501, metavar="N", help="default: 8501")
    parser.add_argument(
        "--address",
        metavar="NAME",
        help="network address to listen on (default: this machine only)",
    )
    parser.add_argument(
        "--path", metavar="PATH", help="path behind a proxy: cells for https://HOST/cells"
    )
    parser.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        help="folder for all data (default: CELLTRANSFER_HOME or the user's data folder)",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="start the server without opening a browser"
    )
    add_common(parser)


def _serve(options: argparse.Namespace) -> None:
    if options.home:
        os.environ["CELLTRANSFER_HOME"] = str(options.home.absolute())
    given = {
        "server.port": options.port,
        "server.address": options.address,
        "server.baseUrlPath": options.path,
        "server.headless": "true" if options.no_browser else None,  # else Streamlit looks for one
    }
    told = [f"--{name}={value}" for name, value in given.items() if value is not None]
    sys.argv = ["streamlit", "run", str(APP / "app.py"), *told]
    runpy.run_module("streamlit", run_name="__main__")  # ends the process with its exit code
