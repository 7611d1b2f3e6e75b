"""Words that stand where a cell type could: answers that are no type, and the names of the sets.

Also how a sentence lists names.
"""

from __future__ import annotations

from collections.abc import Sequence

from celltransfer_core.errors import DataError

NONE_TYPE = "none"
"""What a person answers when no type of the reference fits a cluster."""

QUERY, REFERENCE = "query", "reference"
"""Names of the two sets."""

UNSURE = "unsure"
"""The reader looked and cannot tell."""

ARTEFACT = "artefact"
"""Not one whole cell: a smudge, two cells, dirt."""

SKIPPED = "skip"
"""Not answered; the cell comes back at the end of the queue."""

DISPUTED = "disputed"
"""Readers gave different answers, and none of these was given most often."""

ANSWERS = (NONE_TYPE, UNSURE, ARTEFACT, SKIPPED, DISPUTED)
"""Words that stand in place of a type; no type may have one of these names."""

MOST_LETTERS = 60
"""Characters that the name of a new type may have."""


def check_new_type(name: str) -> str:
    """Check the name that somebody typed in for a new type.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        The name without spaces around it.

    Raises
    ------
    DataError
        If it is empty, too long, has characters that cannot be read, or is an answer.
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
"""Names that a sentence lists, and those that it lists where there are more."""


def and_more(names: Sequence[str]) -> str:
    """List names, the first few of very many.

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
