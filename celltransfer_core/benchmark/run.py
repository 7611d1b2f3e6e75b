"""Measure many pairs of sets, and summarise them (Tables 7, 8)."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from celltransfer_core.benchmark.pairs import Pair, PairOutcome, PairsFile
from celltransfer_core.data.folders import find_files
from celltransfer_core.errors import CellTransferError, DataError
from celltransfer_core.outputs.formats import json_bytes
from celltransfer_core.runtime.files import write_atomically


def pair_folder(pair: Pair) -> str:
    """Name a pair's folder: its name in plain letters.

    Parameters
    ----------
    pair : Pair

    Returns
    -------
    str
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", pair.name).strip("-").lower() or "pair"


def options_of(pair: Pair, given: Sequence[str]) -> list[str]:
    """Write a pair's settings as options of ``evaluate``; later options win.

    Parameters
    ----------
    pair : Pair
    given : sequence of str
        Options of the command line.

    Returns
    -------
    list of str
    """
    options: list[str] = []
    for name, value in pair.settings.items():
        if value is False:
            continue
        options.append(f"--{name}")
        if isinstance(value, tuple) and name == "um-per-px":
            options += [str(one) for one in value]
        elif isinstance(value, tuple):
            options.append(",".join(str(one) for one in value))
        elif value is not True:
            options.append(str(value))
    return [*options, *given]


def run_pairs(
    file: PairsFile,
    folder: Path,
    given: Sequence[str],
    measure: Callable[[Pair, Sequence[str], Path], None],
    report: Callable[[str], None],
) -> list[PairOutcome]:
    """Measure every pair whose sets exist; pairs whose images are unchanged are not repeated.

    Parameters
    ----------
    file : PairsFile
    folder : Path
        Folder for the results, with one sub-folder per pair.
    given : sequence of str
        Options of ``evaluate`` that override the file's.
    measure : callable
        ``measure(pair, options, folder)`` writes a pair's results, or raises CellTransferError; the
        other pairs are still measured.
    report : callable
        Called with one line for each step.

    Returns
    -------
    list of PairOutcome
    """
    outcomes = []
    content = cache(_content)  # a set may be in many pairs
    for number, pair in enumerate(file.pairs, start=1):
        into = folder / pair_folder(pair)
        options = options_of(pair, given)
        missing = file.missing(pair)
        report(f"\n{number} of {len(file.pairs)}: {pair.name}")
        if missing:
            places = ", ".join(f"{name} ({file.sets[name].root})" for name in missing)
            outcomes.append(PairOutcome(pair, into, f"not found: {places}", missing=True))
            report(f"skipped, {outcomes[-1].problem}")
            continue
        described = {"pair": repr(pair), "sets": _sets(file, pair, content), "options": options}
        if _done(into, described):
            report(f"done before; delete {into} to measure it again")
            outcomes.append(PairOutcome(pair, into, "", missing=False))
            continue
        try:
            measure(pair, options, into)
        except CellTransferError as error:
            outcomes.append(PairOutcome(pair, into, str(error), missing=False))
            report(f"failed: {error}")
            continue
        write_atomically(into / "pair.json", json_bytes(described))
        outcomes.append(PairOutcome(pair, into, "", missing=False))
    return outcomes


def _sets(file: PairsFile, pair: Pair, content: Callable[[Path], str]) -> dict[str, list[str]]:
    return {name: [repr(file.sets[name]), content(file.sets[name].root)] for name in pair.sets}


def _content(root: Path) -> str:
    """Hash the images and tables of a folder, so that replaced images are noticed."""
    found = hashlib.sha256()
    with suppress(OSError, DataError):  # measuring reports what is wrong
        for name in find_files(root)[0]:
            found.update(os.fsencode(f"{name}\n"))
            found.update(hashlib.sha256((root / name).read_bytes()).digest())
    return found.hexdigest()


def _done(folder: Path, described: dict[str, Any]) -> bool:
    try:
        kept = json.loads((folder / "pair.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(kept == described) and (folder / "results.csv").is_file()
