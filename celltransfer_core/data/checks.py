"""Checks of single files: bytes or a path in, whether the image can be used, or why not, out.

Also the one grey scale of all 16-bit images of a set. Not in the paper.
"""

from __future__ import annotations

import hashlib
import stat
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from celltransfer_core.data.images import check_bytes, read_pixels
from celltransfer_core.errors import ImageError

INTENSITY_PERCENTILES = (0.1, 99.9)
"""Of all values of a 16-bit set: what becomes black and white."""

MAX_FILE_NAME = 1000
"""Characters of a file's name with its folders."""

_INTENSITY_IMAGES = 200  # that the scale of a 16-bit set is taken from
_INTENSITY_PIXELS = 10_000  # of each


@dataclass(frozen=True)
class Checked:
    """What is known of a file after it was decoded once."""

    sha256: str = ""
    problem: str = ""
    """Why it cannot be used; empty if it can."""
    pages: int = 1
    deep: bool = False
    """Whether it has 16 bits a channel."""


def check_image(data: bytes) -> Checked:
    """Check whether bytes are an image that can be used.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    Checked
    """
    try:
        check_bytes(len(data))
        pixels = read_pixels(data)
    except ImageError as error:
        return Checked(problem=str(error))
    return Checked(hashlib.sha256(data).hexdigest(), "", pixels.pages, pixels.deep)


def name_problem(name: str) -> str:
    """Return why the name of a file that somebody sent cannot be kept.

    Parameters
    ----------
    name : str
        With the folders it lies in.

    Returns
    -------
    str
        Empty if it can be kept.
    """
    parts = name.replace("\\", "/").split("/")
    if not is_unicode(name) or not name.isprintable():
        return "its name has characters that cannot be printed; rename it"
    if len(name) > MAX_FILE_NAME:
        return f"its name is longer than {MAX_FILE_NAME} characters; shorten it"
    if not parts[-1].strip():
        return "it has no name"
    if not parts[0] or parts[0].endswith(":"):
        return "its name is an absolute path; pack folders by their own names"
    if ".." in parts:
        return "its name leads out of its folder (..)"
    return ""


def check_files(task: tuple[Path, Sequence[str]]) -> list[Checked]:
    """Check several files of a folder: the task of a worker.

    Parameters
    ----------
    task : (Path, sequence of str)
        The folder, and the files relative to it.

    Returns
    -------
    list of Checked
    """
    root, names = task
    return [_check(root / name) for name in names]


def _check(path: Path) -> Checked:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            return Checked(problem="is not a file")
        check_bytes(status.st_size)
        return check_image(path.read_bytes())
    except OSError as error:
        return Checked(problem=f"cannot be read ({error.strerror})")
    except ImageError as error:
        return Checked(problem=str(error))


def intensity_range(cells: Mapping[str, Path]) -> tuple[float, float] | None:
    """Find one grey scale for the 16-bit images of a set, so that they stay comparable.

    Parameters
    ----------
    cells : mapping from content hash to Path
        The 16-bit images, in the order of hashes.

    Returns
    -------
    (float, float) or None
        Values that become black and white: :data:`INTENSITY_PERCENTILES` of about 200 images. None
        if there are none.
    """
    # Ordered by hash, every so many is as good as drawn, and names change nothing.
    chosen = list(cells.items())[:: -(-len(cells) // _INTENSITY_IMAGES) or 1]
    counts = np.zeros(65536, dtype=np.int64)
    for content, file in chosen:
        try:
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest() != content:
                continue  # so will it where bytes are others
            pixels = read_pixels(data)
        except (OSError, ImageError):  # gone meanwhile: reading the cell will raise
            continue
        values = pixels.values.reshape(-1, pixels.values.shape[2])
        if pixels.alpha is not None:
            values = values[pixels.alpha.ravel() > 0]
        if pixels.deep:
            sample = values[:: max(1, len(values) // _INTENSITY_PIXELS)]
            counts += np.bincount(sample.ravel(), minlength=65536)
    if not counts.any():
        return None
    reached = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(reached, np.array(INTENSITY_PERCENTILES) / 100)
    return float(low), float(high)


def is_unicode(name: str) -> bool:
    """Return whether a file's name is valid Unicode, so that it can stand in a table.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def normalise_text(text: str) -> str:
    """Bring text to one Unicode spelling: macOS writes é in two characters, others in one.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        In normal form C, without spaces around it.
    """
    return text.strip() if text.isascii() else unicodedata.normalize("NFC", text).strip()
