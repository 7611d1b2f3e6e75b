"""Objects in files that begin with a checksum, so that bytes changed on disk are noticed.

Any picklable object can be stored; reading returns an equal object or raises an error. Without a
checksum, a pickle with a flipped bit, compressed or not, may load with wrong numbers.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Any

from celltransfer_core.runtime.files import write_whole

_LENGTH = hashlib.sha256().digest_size


def save_checked(
    path: Path,
    value: object,
    *,
    packed: bool = True,
    problem: Callable[[str], str] | None = None,
) -> Path:
    """Write an object and the checksum of its bytes, completely or not at all.

    Parameters
    ----------
    path : Path
    value : object
        Anything that can be pickled.
    packed : bool
        Whether to compress the file.
    problem : callable, optional
        See :func:`~celltransfer_core.runtime.files.write_whole`.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    import joblib

    def write(beside: Path) -> None:
        with beside.open("w+b") as file:
            file.write(bytes(_LENGTH))
            joblib.dump(value, file, compress=int(packed))
            checksum = _checksum(file)
            file.seek(0)
            file.write(checksum)

    return write_whole(path, write, problem=problem)


def load_checked(path: Path) -> Any:
    """Read an object, checking that its bytes are those that were written.

    Parameters
    ----------
    path : Path
        From :func:`save_checked`.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If the file is damaged, or was not written by :func:`save_checked`.
    OSError
        If it cannot be read.
    """
    import joblib

    with path.open("rb") as file:
        if file.read(_LENGTH) != _checksum(file):
            raise ValueError(f"{path} is damaged.")
        file.seek(_LENGTH)
        return joblib.load(file)


def _checksum(file: BufferedRandom | BufferedReader) -> bytes:
    """Hash the bytes after the checksum."""
    file.seek(_LENGTH, os.SEEK_SET)
    return hashlib.file_digest(file, "sha256").digest()
