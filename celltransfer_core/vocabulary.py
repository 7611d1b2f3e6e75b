"""TODO celltransfer_core/vocabulary.py."""

from __future__ import annotations

from celltransfer_core.errors import DataError

NONE_TYPE = "none"
"""What a person answers when no type of the reference fits a cluster."""

QUERY, REFERENCE = "query", "reference"

UNSURE = "unsure"
"""The reader looked and cannot tell."""

ARTEFACT = "artefact"
"""Not one whole cell: a smudge, two cells, dirt."""

SKIPPED = "skip"
"""Not answered; the cell comes back at the end of the queue."""

DISPUTED = "disputed"
"""Readers differ, and none of the answers has more of them than any other."""

ANSWERS = (NONE_TYPE, UNSURE, ARTEFACT, SKIPPED, DISPUTED)
"""What is written where else a type stands; a type may have none of these names."""

MOST_LETTERS = 60
"""Characters in the name of a new type."""


def check_new_type(name: str) -> str:
    """Bring the name of a type that somebody typed in to its proper form.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        Without spaces around it.

    Raises
    ------
    DataError
        If it is empty, too long, has characters that cannot be read, or is an answer.
    """
    name = name.strip()
    if not name or not any(letter.isalnum() for letter in name):
        raise DataError("Type a name with at least one letter for the new type.")
    if len(name) > MOST_LETTERS:
        raise DataError(f"{name[:20]}… is longer than {MOST_LETTERS} characters; shorten it.")
    if not name.isprintable():
        raise DataError(f"{name!r} holds characters that cannot be shown; type it anew.")
    if name.lower() in ANSWERS:
        raise DataError(f"{name!r} is an answer and cannot name a type; choose another name.")
    return name
