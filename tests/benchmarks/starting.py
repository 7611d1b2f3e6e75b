"""Measure how long CellTransfer takes to start: the command line's help, and the app's first page.

    python tests/benchmarks/starting.py [--repeats 5]

Each is a separate process, run alternately, in processor seconds and relative to importing
Streamlit alone, which depends less on the machine. The last line is the headline.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from celltransfer_core.studies import Workspace

FIRST_PAGE = """
import sys
sys.path.insert(0, "pages")
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest
ContextProxy.cookies = {}
page = AppTest.from_file(sys.argv[1], default_timeout=300).run()
assert not page.exception, page.exception
print(*sorted(sys.modules))
"""
PROGRAMS = {
    "import streamlit": ["-c", "import streamlit"],
    "celltransfer --help": ["-m", "celltransfer_core", "--help"],
    "first page": ["-c", FIRST_PAGE, str(ROOT / "pages" / "main.py")],
}


def spent(program: list[str], home: str) -> float:
    """Run Python on a program, and return the seconds that it took of a processor."""
    import resource  # not on Windows

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "CELLTRANSFER_HOME": home}
    command = [sys.executable, *program]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as home:
        Workspace(Path(home)).create("A study")  # else the first page begins to make the demo
        taken = [[spent(one, home) for one in PROGRAMS.values()] for _ in range(repeats + 1)]
    middle = [statistics.median(column) for column in zip(*taken[1:], strict=True)]  # first: cold
    for name, seconds in zip(PROGRAMS, middle, strict=True):
        print(f"{name:<22} {seconds:6.2f} s  {seconds / middle[0]:5.2f} of importing Streamlit")
    print(f"help {middle[1]:.2f} s, first page {middle[2]:.2f} s of a processor")


if __name__ == "__main__":
    main()
