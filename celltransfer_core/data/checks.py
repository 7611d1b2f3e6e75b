"""Check whether single files can be used as images, and explain why not.

Not in the paper.
"""

from __future__ import annotations

import hashlib
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.images import check_bytes, read_pixels
from celltransfer_core.data.looks import look_at
from celltransfer_core.data.pixels import Pixels
from celltransfer_core.errors import ImageError

MAX_FILE_NAME = 1000
"""Maximum number of characters of a file name with its folders."""

_SAMPLED_PIXELS = 10_000


@dataclass(frozen=True)
class Checked:
    """Result of decoding a file once."""

    sha256: str = ""
    problem: str = ""
    """Why it cannot be used; empty if it can."""
    pages: int = 1
    numbers: str = ""
    """Kind of its values where they are not 8-bit, see
    :class:`~celltransfer_core.data.pixels.Pixels`."""
    reach: float = 0.0
    """Largest absolute value; 0 for 8 bit."""
    channels: int = 0
    """Number of its channels where these are not colours."""
    note: str = ""
    """Additional remark about the file."""
    look: bytes = field(default=b"", repr=False)
    """Summary of its appearance, see :mod:`celltransfer_core.data.looks`; empty if not computed."""

    @property
    def deep(self) -> bool:
        """Whether its values need the scale of their set."""
        return bool(self.numbers)


def check_image(data: bytes) -> Checked:
    """Check whether bytes are a usable image.

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
        look = look_at(pixels if pixels.channels in (0, 3) else pixels.shown((1,)))
    except ImageError as error:
        return Checked(problem=str(error))
    return Checked(
        sha256=hashlib.sha256(data).hexdigest(),
        pages=pixels.pages,
        numbers=pixels.numbers,
        reach=_reach(pixels),
        channels=pixels.channels,
        note="; ".join(pixels.notes),
        look=look,
    )


def name_problem(name: str) -> str:
    """Return why the name of an uploaded file cannot be kept.

    Parameters
    ----------
    name : str
        Name with the folders that contain it.

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
        return "its name points outside its folder (..)"
    return ""


def check_files(task: tuple[Path, Sequence[str]]) -> list[Checked]:
    """Check several files of a folder, as one task of a worker.

    Parameters
    ----------
    task : (Path, sequence of str)
        The folder, and the names of the files relative to it.

    Returns
    -------
    list of Checked
    """
    root, names = task
    return [_check(root / name) for name in names]


def _check(path: Path) -> Checked:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would block for ever
            return Checked(problem="is not a file")
        check_bytes(status.st_size)
        return check_image(path.read_bytes())
    except OSError as error:
        return Checked(problem=f"cannot be read ({error.strerror})")
    except ImageError as error:
        return Checked(problem=str(error))


def sample(pixels: Pixels) -> NDArray[Any]:
    """Sample the values of an image evenly, excluding transparent pixels.

    Parameters
    ----------
    pixels : Pixels

    Returns
    -------
    ndarray, shape (k,)
        All channels of about 10,000 pixels.
    """
    values = pixels.values.reshape(-1, pixels.values.shape[2])
    if pixels.alpha is not None:
        values = values[pixels.alpha.ravel() > 0]
    return values[:: max(1, len(values) // _SAMPLED_PIXELS)].ravel()


def _reach(pixels: Pixels) -> float:
    """Return the largest absolute value of an image, ignoring a few outliers."""
    drawn = sample(pixels).astype(np.float64) if pixels.deep else np.empty(0)
    return float(np.abs(np.quantile(drawn, (0.001, 0.999))).max()) if len(drawn) else 0.0


def is_unicode(name: str) -> bool:
    """Return whether a file name is valid Unicode, so that it can be written to a table.

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
    """Normalise the Unicode form of text: macOS writes é as two characters, others as one.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Text in normal form C, without surrounding spaces.
    """
    return text.strip() if text.isascii() else unicodedata.normalize("NFC", text).strip()
