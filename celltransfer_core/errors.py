"""Errors that the user can mend.

Every error that derives from :class:`CellTransferError` carries one sentence: what is wrong, and
what to do. The command line prints it and exits with 2; the pages show it. Any other error is a
fault of ours.
"""

from __future__ import annotations


class CellTransferError(Exception):
    """Base of all errors that the user can mend."""


class ImageError(CellTransferError):
    """One image cannot be used; the message is the reason, short enough for a list."""


class DataError(CellTransferError):
    """A data set or a table cannot be used."""


class EncoderError(CellTransferError):
    """An encoder is unknown, unreadable, or gives unusable embeddings."""


class OutputError(CellTransferError):
    """Results or intermediate results cannot be written."""


class StudyError(CellTransferError):
    """A study cannot be found or changed."""


def one_line(error: Exception, most: int) -> str:
    """Shorten a library's message, for a sentence of ours to quote.

    Parameters
    ----------
    error : Exception
    most : int
        Characters to keep.

    Returns
    -------
    str
        Without line breaks; empty if the error has no message.
    """
    return " ".join(str(error).split())[:most]
