"""The format in which browsers send several files together: a list of names, then their bytes."""

from __future__ import annotations

import io
import json
from typing import IO

from celltransfer_core.web.handling import RefusedError

BATCH_FILES = 100
"""Maximum number of files per batch."""

BATCH_BYTES = 16_000_000
"""Maximum size of a batch in bytes; a single file may be as large as
:data:`~celltransfer_core.data.images.MAX_BYTES`."""

MAX_HEADER = 1_000_000
"""Maximum size of a batch's list of names in bytes."""


def read_listing(file: IO[bytes]) -> list[tuple[str, int]]:
    """Read a batch's list of names and sizes, which the files' bytes follow end to end.

    The list is JSON, ``[{"name": ..., "size": ...}, ...]``, after its length in four bytes,
    big-endian.

    Parameters
    ----------
    file : binary file
        The whole batch; afterwards positioned at the first byte of the first file.

    Returns
    -------
    list of (name, bytes)

    Raises
    ------
    RefusedError
        If the list cannot be read, was cut short, or exceeds the limits of a batch.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(4), "big")
    if length > MAX_HEADER:
        raise RefusedError(413, "The batch's list of names is too long.")
    try:
        found = json.loads(file.read(length))
        listed = [(entry["name"], entry["size"]) for entry in found]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusedError(400, "The batch's list of names cannot be read.") from error
    if not isinstance(found, list) or not all(
        isinstance(name, str) and isinstance(size, int) and size >= 0 for name, size in listed
    ):
        raise RefusedError(400, "The batch's list of names cannot be read.")
    total = sum(size for _, size in listed)
    if len(listed) > BATCH_FILES or (len(listed) > 1 and total > BATCH_BYTES):
        raise RefusedError(
            413, f"A batch has at most {BATCH_FILES} files and {BATCH_BYTES // 1_000_000} MB."
        )
    if 4 + length + total != end:
        raise RefusedError(400, "The batch was incomplete; it will be sent again.")
    return listed
