"""Options that select the columns of a table."""

from __future__ import annotations

import argparse
import re

from celltransfer_core.data.table_columns import CHOSEN


def add_label_columns(folders: argparse._ActionsContainer) -> None:
    """Add the option for the columns of a table of labels."""
    folders.add_argument(
        "--label-columns",
        type=_columns,
        action="append",
        default=[],
        metavar="[SET:]file=A,label=B",
        help="columns of labels.csv that hold the files and their types, if they have other "
        "names; put SET= (a folder or its name) before them to apply it to one set; may "
        "be repeated",
    )


def _columns(text: str) -> tuple[str, dict[str, str]]:
    # A column's name may hold a comma, and an equals sign.
    before, *parts = re.split(rf"(?:^|[,:])\s*({'|'.join(CHOSEN)})\s*=", text)
    found = dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
    if not found or not all(found.values()):
        raise argparse.ArgumentTypeError(f"{text!r} does not have the form file=NAME,label=NAME")
    return before.strip(), found


def review_columns(text: str) -> dict[str, str]:
    """Parse the option for the columns of a table of answers.

    Parameters
    ----------
    text : str
        Text such as ``file=A,label=B``.

    Returns
    -------
    dict from str to str

    Raises
    ------
    ArgumentTypeError
        If it is not of this form.
    """
    before, columns = _columns(text)
    if before:
        raise argparse.ArgumentTypeError(f"{text!r} does not have the form file=NAME,label=NAME")
    return columns
