"""The command ``doctor``: what is installed, what is wrong, and how to fix it.

Prints facts on the installation; the exit code is 0 if all requirements are met.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from celltransfer_core.cli.options import DONE, FAULT, add_common


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``doctor``."""
    parser.set_defaults(command=_doctor)
    parser.add_argument("--json", action="store_true", help="for programs")
    add_common(parser)


def _doctor(options: argparse.Namespace) -> int:
    from celltransfer_core.cli.findings import look

    found = look()
    if options.json:
        print(json.dumps(asdict(found), indent=1, ensure_ascii=False))
        return FAULT if found.problems else DONE
    for group, facts in found.facts.items():
        print(group)
        for name, value in facts.items():
            print(f"  {name + ':':<15} {value}")
    for words, lines in (("recommendation", found.advice), ("wrong", found.problems)):
        if lines:
            print(f"\n{words}")
            for line in lines:
                print(f"  {line}")
    print(
        "\nSomething required is missing."
        if found.problems
        else "\nEverything required is installed."
    )
    return FAULT if found.problems else DONE
