"""Words used in place of a cell type: answers that are not a type, and the names of the sets.

Also formats lists of names in sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

from celltransfer_core.errors import DataError

NONE_TYPE = "none"
"""Answer of a person if no type of the reference fits a cluster."""

QUERY, REFERENCE = "query", "reference"
"""Names of the two sets."""

UNSURE = "unsure"
"""The reader inspected the cell and cannot decide."""

ARTEFACT = "artefact"
"""Not one whole cell, but a smudge, two cells or dirt."""

SKIPPED = "skip"
"""Not answered; the cell is shown again at the end of the queue."""

DISPUTED = "disputed"
"""Readers gave different answers, and none of these is most frequent."""

ANSWERS = (NONE_TYPE, UNSURE, ARTEFACT, SKIPPED, DISPUTED)
"""Words used in place of a type; no type may have one of these names."""

MOST_LETTERS = 60
"""Maximum number of characters in the name of a new type."""


def check_new_type(name: str) -> str:
    """Check the name that the user entered for a new type.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        The name without surrounding spaces.

    Raises
    ------
    DataError
        If it is empty, too long, has unreadable characters, or is an answer.
    """
    name = name.strip()
    if not name or not any(letter.isalnum() for letter in name):
        raise DataError("Enter a name with at least one letter for the new type.")
    if len(name) > MOST_LETTERS:
        raise DataError(f"{name[:20]}… is longer than {MOST_LETTERS} characters; shorten it.")
    if not name.isprintable():
        raise DataError(f"{name!r} contains characters that cannot be shown; enter another name.")
    if name.lower() in ANSWERS:
        raise DataError(
            f"{name!r} is a reserved answer and cannot name a type; choose another name."
        )
    return name


MANY, FIRST = 12, 9
"""Maximum number of names listed in a sentence, and the number listed if there are more."""


def and_more(names: Sequence[str]) -> str:
    """List names, or only the first few if there are many.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    str

    Examples
    --------
    >>> and_more(["a", "b"])
    'a, b'
    """
    if len(names) <= MANY:
        return ", ".join(names)
    return f"{', '.join(names[:FIRST])} and {len(names) - FIRST:,} more"
