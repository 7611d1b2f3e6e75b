"""Errors that the user can fix.

The message of every subclass of :class:`CellTransferError` is one sentence that says what is wrong
and what to do. The command line prints it and exits with status 2; the pages show it. Any other
error is a bug.
"""

from __future__ import annotations


class CellTransferError(Exception):
    """Base class of all errors that the user can fix."""


class ImageError(CellTransferError):
    """One image cannot be used; the message is a reason short enough for a list."""


class DataError(CellTransferError):
    """A data set or a table cannot be used."""


class EncoderError(CellTransferError):
    """An encoder is unknown, unreadable, or gives unusable embeddings."""


class OutputError(CellTransferError):
    """Results or intermediate results cannot be written."""


class StudyError(CellTransferError):
    """A study cannot be found or changed."""


def one_line(error: Exception, most: int) -> str:
    """Shorten the message of a library's error so that it can be quoted in a sentence.

    Parameters
    ----------
    error : Exception
    most : int
        Maximum number of characters.

    Returns
    -------
    str
        Message without line breaks; empty if the error has no message.
    """
    return " ".join(str(error).split())[:most]
