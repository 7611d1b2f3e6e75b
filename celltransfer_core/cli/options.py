"""Options that several commands share, as arguments of ``argparse``.

Each function adds options to a parser. Those of the method come from the fields of
:class:`~celltransfer_core.config.config.Config`, those of the protocol (5.1, 5.2) from
:mod:`celltransfer_core.evaluation.protocol`.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from celltransfer_core.cli.columns import add_label_columns
from celltransfer_core.cli.studies import add_least_confidence
from celltransfer_core.config.config import PRESETS, SETTINGS
from celltransfer_core.config.samples import sample_kinds
from celltransfer_core.config.settings import Setting
from celltransfer_core.data.levels import TypesAt, read_level
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation.protocol import METHODS, OT

NAMES_HELP = (
    "A name that holds a comma stands in quotation marks, as in CSV, within those of the shell: "
    """--types 'SITE:"neutrophil, banded",monocyte'. One that begins with - follows an equals """
    "sign: --keep=-NAME."
)
"""Help on how to quote names of sets and types that would be misread."""

DONE, FAULT, MENDABLE, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        """Report the error and end the process."""
        if message.startswith("argument --") and "expected" in message:
            option = message.removeprefix("argument ").split(":")[0]
            message += f" (a value that begins with - is given as {option}=-NAME)"
        self.exit(MENDABLE, f"celltransfer: {message}; see {self.prog} --help\n")


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command."""
    parser.add_argument("--debug", action="store_true", help="print the full traceback of an error")


def add_work(parser: argparse.ArgumentParser) -> None:
    """Add the options for where and how the work runs."""
    parser.add_argument(
        "--workers", type=int, metavar="N", help="number of processes (default: all processors)"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="address of a Dask cluster, such as tcp://HOST:8786 (default: "
        "CELLTRANSFER_SCHEDULER, else this machine)",
    )
    parser.add_argument("--quiet", action="store_true", help="print no progress and no summary")
    add_common(parser)


def add_folders(
    parser: argparse.ArgumentParser, *, query: str, out: str, required: bool = True
) -> argparse._ArgumentGroup:
    """Add the folders of sets, and the folder for the results.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    query, out : str
        Help on the query and on the folder for the results.
    required : bool
        Whether a reference must be given.

    Returns
    -------
    argparse._ArgumentGroup
    """
    folders = parser.add_argument_group("folders", NAMES_HELP)
    folders.add_argument(
        "--reference",
        type=Path,
        action="append",
        required=required,
        metavar="DIR",
        help="typed cells: one sub-folder per type, or labels.csv; or study:NAME, a finished "
        "study of the workspace by its name or id; may be repeated to pool several sets, "
        "each framed, centred and transported by itself",
    )
    add_least_confidence(folders)
    folders.add_argument(
        "--types",
        type=_chosen_types,
        action="append",
        default=[],
        metavar="SET:A,B",
        help="use only these types of a reference; SET is its folder's name; may be repeated",
    )
    add_types_at(folders)
    add_label_columns(folders)
    folders.add_argument("--query", type=Path, required=True, metavar="DIR", help=query)
    folders.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="an additional unlabelled set, which helps to match the query's clusters to types "
        "(t-SNE); may be repeated",
    )
    folders.add_argument(
        "--um-per-px-of",
        type=_pixel_size,
        action="append",
        default=[],
        metavar="SET=NUMBER",
        help="pixel size of one set in µm, if sets of a role differ; SET is its folder or the "
        "folder's name; may be repeated, and overrides --um-per-px",
    )
    add_channels(folders)
    folders.add_argument("--out", type=Path, required=True, metavar="DIR", help=out)
    return folders


def add_channels(folders: argparse._ActionsContainer) -> None:
    """Add the option for displayed channels, for images whose channels are not colours."""
    folders.add_argument(
        "--channels",
        type=_channels,
        action="append",
        default=[],
        metavar="[SET=]1,2,3",
        help="which channels to show of images with channels other than red, green and blue: "
        "one as grey, or three as red, green and blue, counted from 1; put SET= (a folder "
        "or its name) before it to apply it to one set; may be repeated",
    )


def add_types_at(folders: argparse._ActionsContainer) -> None:
    """Add the option for the folder level that names the types of labelled sets."""
    folders.add_argument(
        "--types-at",
        type=_level,
        action="append",
        default=[],
        metavar="[SET=]LEVEL",
        help="level of the folders that name the types: 1 for those in the folder, 2 for those "
        "inside them, innermost for the folder that contains the image; put SET= (a "
        "folder or its name) before it to apply it to one set; may be repeated",
    )


def _level(text: str) -> tuple[str, TypesAt]:
    name, _, level = text.rpartition("=")
    try:
        return name.strip(), read_level(level.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _channels(text: str) -> tuple[str, tuple[int, ...]]:
    from celltransfer_core.data.channels import parse_channels

    name, _, channels = text.rpartition("=")
    try:
        return name.strip(), parse_channels(channels)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _chosen_types(text: str) -> tuple[str, tuple[str, ...]]:
    colons = [at for at, letter in enumerate(text) if letter == ":"]
    outside = [at for at in colons if text.count('"', 0, at) % 2 == 0]
    at = outside[-1] if outside else 0
    name, chosen = text[:at].strip(), names_given(text[at + 1 :])
    if name.startswith('"'):
        name = ",".join(names_given(name))
    if not (name and chosen):
        raise argparse.ArgumentTypeError(f"{text!r} does not have the form SET:type,type")
    return name, chosen


def _pixel_size(text: str) -> tuple[str, float]:
    name, found, number = text.rpartition("=")
    try:
        size = float(number)
    except ValueError:
        size = 0.0
    if not (found and name.strip() and 0 < size < float("inf")):
        raise argparse.ArgumentTypeError(
            f"{text!r} does not have the form SET=NUMBER with a number above 0"
        )
    return name.strip(), size


def add_skip(method: argparse._ArgumentGroup) -> None:
    """Add the option to continue without missing encoders."""
    method.add_argument(
        "--skip-missing",
        action="store_true",
        help="leave out encoders that are not installed instead of stopping",
    )


def add_new_types(group: argparse._ActionsContainer) -> None:
    """Add the option for types that may be named although the reference lacks them."""
    group.add_argument(
        "--new-types",
        type=names_given,
        nargs="?",
        const=True,
        default=(),
        metavar="NAME,..",
        help="types that these files may name although the reference lacks them, and labels of "
        "a reference, such as nan or 3, that are unlikely to be types; any, if no name is "
        "given",
    )


def add_method(parser: argparse.ArgumentParser, *, run: bool = False) -> argparse._ArgumentGroup:
    """Add the preset and an option for each setting.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    run : bool
        Whether the command is ``run``, which also has the settings that the protocol varies in
        ``evaluate``.

    Returns
    -------
    argparse._ArgumentGroup
    """
    method = parser.add_argument_group("method", "the preset gives all settings that are not given")
    method.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        default="default",
        help="the settings that measured best, or the paper as printed",
    )
    offered = {"always", "run"} if run else {"always"}
    add_settings(method, [name for name, one in SETTINGS.items() if one.offered in offered])
    return method


def add_sample(method: argparse._ArgumentGroup) -> None:
    """Add the option for the query's kind of sample."""
    method.add_argument(
        "--sample",
        metavar="KIND",
        help="kind of sample of the query, which determines the types it can contain; "
        "--expect, --absent, --keep and --must-find override it for the types they name: "
        f"{_listed_kinds()}; a samples.toml in CELLTRANSFER_HOME adds kinds",
    )


def _listed_kinds() -> str:
    try:
        kinds = sample_kinds().values()
    except DataError:  # reported by the command that uses it; --help must not fail
        return "the user's samples.toml cannot be read"
    return ", ".join(f"{one.kind} ({one.title})" for one in kinds).replace("%", "%%")


def add_settings(method: argparse._ArgumentGroup, names: Sequence[str]) -> None:
    """Add an option for each of some settings, by the names of their fields."""
    for setting in (SETTINGS[name] for name in names):
        method.add_argument(
            setting.option,
            metavar=setting.metavar,
            help=setting.help.replace("%", "%%"),  # argparse fills these in itself
            **_reading(setting),
        )


def _reading(setting: Setting) -> dict[str, Any]:
    """Return how ``argparse`` parses a setting; voters are parsed later, with the encoder list."""
    if setting.kind == "word":
        return {"choices": tuple(setting.choices)}
    if setting.kind in {"whole", "number"}:
        plain = int if setting.kind == "whole" else float
        return {"type": partial(_word_or_number, setting) if setting.choices else plain}
    if setting.kind == "pair":
        return {"type": float, "nargs": 2}
    return {"nargs": "+", "action": "extend"} if setting.kind == "types" else {}


def _word_or_number(setting: Setting, text: str) -> str | float:
    try:
        return setting.read(text)
    except ValueError:
        number = "a whole number" if setting.kind == "whole" else "a number"
        words = ", ".join(setting.choices)
        raise argparse.ArgumentTypeError(f"{text!r} is not {words} or {number}") from None


def add_protocol(parser: argparse.ArgumentParser) -> None:
    """Add the options for what is measured (5.1, 5.2)."""
    protocol = parser.add_argument_group("protocol")
    protocol.add_argument(
        "--ot", type=names_given, metavar="A,B", help=f"alignments, of {', '.join(OT)}"
    )
    protocol.add_argument(
        "--methods", type=names_given, metavar="A,B", help=f"methods, of {', '.join(METHODS)}"
    )
    protocol.add_argument(
        "--filtering",
        type=names_given,
        dest="filters",
        metavar="A,B",
        help="types kept: false (all), true (matched ones), reader (every cluster named correctly)",
    )
    protocol.add_argument(
        "--subsets", type=int, metavar="N", help="number of query parts and of reference draws"
    )
    protocol.add_argument(
        "--identification-subsets",
        type=int,
        metavar="N",
        help="number of random subsets in which to find shared types; 0 for none",
    )
    protocol.add_argument(
        "--low-label",
        type=numbers_given,
        metavar="2,5,10",
        help="labelled reference cells per type for the low-label curve; none for no curve",
    )
    protocol.add_argument(
        "--keep-shared",
        action="store_true",
        help="also score query cells that are in the reference, which are left out of the "
        "figures otherwise",
    )
    protocol.add_argument(
        "--per-class",
        type=int,
        metavar="N",
        help="draw this many cells of each type from each reference",
    )


def names_given(text: str) -> tuple[str, ...]:
    """Parse comma-separated names; a name that contains a comma is quoted, as in CSV.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of str

    Raises
    ------
    argparse.ArgumentTypeError
        If a quotation mark is not closed.

    Examples
    --------
    >>> names_given('"neutrophil, banded",monocyte')
    ('neutrophil, banded', 'monocyte')
    """
    try:
        rows = [*csv.reader([text], skipinitialspace=True, strict=True)]
    except csv.Error:
        raise argparse.ArgumentTypeError(
            f"{text!r} has an unclosed quotation mark, or one inside a name"
        ) from None
    return tuple(name.strip() for row in rows for name in row if name.strip())


def numbers_given(text: str) -> tuple[int, ...]:
    """Parse comma-separated whole numbers, or ``none``.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of int

    Raises
    ------
    argparse.ArgumentTypeError
        If it is neither.
    """
    if text == "none":
        return ()
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of numbers separated by commas"
        ) from None
