"""The command ``benchmark``: ``evaluate`` on many pairs of sets, and one summary (Tables 7, 8).

Reads a file of pairs, and writes a folder for each pair, ``summary.csv``, ``summary.md`` and
``summary.html``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.cli.evaluate import evaluate_sets, printed_figures
from celltransfer_core.cli.options import (
    Parser,
    add_method,
    add_protocol,
    add_work,
    names_given,
)
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.sentences import describe_evaluation
from celltransfer_core.cli.settings import config_and_protocol, without_missing
from celltransfer_core.errors import DataError

if TYPE_CHECKING:
    from celltransfer_core.benchmark.pairs import Pair, PairsFile


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``benchmark``."""
    parser.set_defaults(command=_benchmark)
    parser.add_argument(
        "pairs", type=Path, metavar="PAIRS.toml", help="TOML file that lists the sets and the pairs"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of the sets (default: beside the file)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("benchmark"),
        metavar="DIR",
        help="folder for the results (default: ./benchmark); run the same command again to "
        "continue",
    )
    parser.add_argument(
        "--only",
        type=names_given,
        metavar="A,B",
        help="names of the pairs to measure (default: all)",
    )
    add_protocol(parser)
    add_method(parser)
    add_work(parser)
    parser.set_defaults(preset=None)  # from the file, unless given


def _given(options: argparse.Namespace) -> list[str]:
    """Turn the options of ``evaluate`` that ``benchmark`` was given back into words."""
    known = _option_names(Parser())
    words = []
    for name, option in known.items():
        value = getattr(options, name)
        if value is None or value is False:
            continue
        if value is True:
            words.append(option)
        elif isinstance(value, list):
            words += [option, *map(str, value)]
        elif isinstance(value, tuple):
            words += [option, ",".join(map(str, value)) or "none"]
        else:
            words += [option, str(value)]
    return words


def _option_names(parser: argparse.ArgumentParser) -> dict[str, str]:
    add_protocol(parser)
    add_method(parser)
    return {
        action.dest: action.option_strings[-1]
        for action in parser._actions
        if action.dest != "help"
    }


def pair_options(words: Sequence[str]) -> argparse.Namespace:
    """Read the settings of a pair, as options of ``evaluate``.

    Parameters
    ----------
    words : sequence of str

    Returns
    -------
    argparse.Namespace

    Raises
    ------
    DataError
        If ``evaluate`` has no such option, or it does not take the value.
    """
    parser = _PairParser(add_help=False, allow_abbrev=False)
    _option_names(parser)
    parsed = parser.parse_args(words)
    parsed.workers = None
    return parsed


class _PairParser(Parser):
    def error(self, message: str) -> NoReturn:
        raise DataError(f"Settings of the pairs: {message}.")


def _benchmark(options: argparse.Namespace) -> None:
    from celltransfer_core.benchmark.pairs import read_pairs
    from celltransfer_core.benchmark.run import options_of, run_pairs
    from celltransfer_core.benchmark.summary import write_summary
    from celltransfer_core.runtime.files import check_writable

    file = read_pairs(options.pairs, options.data)
    names = [pair.name for pair in file.pairs]
    for name in options.only or ():
        if name not in names:
            raise DataError(f"--only names {name!r}; the pairs are {', '.join(names)}.")
    if options.only:
        file = replace(file, pairs=tuple(p for p in file.pairs if p.name in options.only))
    check_writable(options.out)
    say = (lambda *_: None) if options.quiet else print
    for pair in file.pairs:  # find wrong settings before hours of work
        config_and_protocol(pair_options(options_of(pair, _given(options))))
    measure = _measuring(file, options, say)
    outcomes = run_pairs(file, options.out, _given(options), measure, say)
    write_summary(outcomes, options.out)
    say(f"\nWritten to {options.out}: summary.csv, summary.md, summary.html. {RESEARCH_USE}")
    failed = [o.pair.name for o in outcomes if o.problem and not o.missing]
    if failed:
        raise DataError(
            f"{len(failed)} pairs failed ({', '.join(failed)}); see summary.md for the reasons."
        )
    if all(outcome.missing for outcome in outcomes):
        raise DataError("The sets of no pair were found; give their folder with --data.")


def _measuring(
    file: PairsFile, options: argparse.Namespace, say: Callable[..., None]
) -> Callable[[Pair, Sequence[str], Path], None]:
    """Make the function that measures a pair."""
    from celltransfer_core.benchmark.sets import load_pair
    from celltransfer_core.data.pooling import draw_per_class

    def measure(pair: Pair, words: Sequence[str], into: Path) -> None:
        parsed = pair_options(words)
        config, protocol = config_and_protocol(parsed)
        config = without_missing(config, skip=True, say=say)
        with closing(Screen(quiet=options.quiet)) as screen:
            sets = load_pair(file, pair, workers=options.workers, progress=screen)
            if parsed.per_class is not None:
                drawn = draw_per_class(sets.reference, parsed.per_class, config.seed)
                sets = replace(sets, reference=drawn)
            found = evaluate_sets(
                sets,
                config,
                protocol,
                into,
                workers=options.workers,
                screen=screen,
                printed=printed_figures("+".join(pair.reference), pair.query, pair.name),
            )
        say(describe_evaluation(found))

    return measure
