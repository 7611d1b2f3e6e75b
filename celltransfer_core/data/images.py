"""Decode image files to 8-bit RGB, checking them before decoding. Not in the paper.

Values of more than 8 bits are kept until the scale of the whole set is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from celltransfer_core.data.bounds import (
    MAX_DECODING,
    MAX_PIXELS,
    BoundedFile,
    check_head,
    check_scans,
    check_size,
    check_strips,
    decoding_bytes,
)
from celltransfer_core.data.colours import profile_of, read_colours, with_profile
from celltransfer_core.data.deep import is_deep, read_deep
from celltransfer_core.data.dicom import read_dicom
from celltransfer_core.data.formats import damage, recognise, refusal
from celltransfer_core.data.jpeg2000 import read_head, read_jpeg2000
from celltransfer_core.data.pixels import RGB, WHITE, Pixels, to_rgb
from celltransfer_core.data.tags import count_pages
from celltransfer_core.data.tiffs import is_plain, read_tiff
from celltransfer_core.errors import ImageError, one_line
from celltransfer_core.runtime.extras import need
from celltransfer_core.runtime.quiet import quiet
from celltransfer_core.runtime.room import Room
from celltransfer_core.types import RGBImage

EXTENSIONS = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}
    | {".jp2", ".j2k", ".jpx", ".heic", ".heif", ".avif", ".dcm"}
)
"""Extensions of image files, in lower case."""

MAX_BYTES = 500_000_000
"""Maximum size of a file in bytes."""

_HEAD = 1024  # bytes needed to recognise the kind of file
_DECODING = Room(2 * MAX_DECODING)  # shared by all decoding threads


def decode(
    data: bytes,
    intensity: tuple[float, float] | None = None,
    channels: Sequence[int] | None = None,
    background: RGB = WHITE,
) -> RGBImage:
    """Decode an image file to 8-bit RGB.

    Parameters
    ----------
    data : bytes
        The file's content: PNG, JPEG, TIFF, BMP, WebP, JPEG 2000, HEIC, AVIF or DICOM; grey,
        palette, RGB, RGBA or CMYK; integers or floats. EXIF orientation and colour profiles are
        applied. Only the first page is read.
    intensity : (float, float), optional
        Values mapped to black and white if not 8-bit; the extremes of the image by default.
    channels : sequence of int, optional
        For an image whose channels are not colours: one to show as grey, or three to show as red,
        green and blue, counted from 1. By default, all channels of an image that has three.
    background : (int, int, int)
        Colour shown where the image is transparent; white by default.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)

    Raises
    ------
    ImageError
        If the file is empty, damaged, of another kind, too small or too large, or does not have
        these channels; with a short reason. Sizes are checked before anything is decoded.
    """
    return to_rgb(read_pixels(data), intensity, channels, background)


def read_pixels(data: bytes) -> Pixels:
    """Decode an image file, keeping 16-bit values.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    Pixels

    Raises
    ------
    ImageError
        See :func:`decode`.
    """
    with decoded(data) as pixels:
        return pixels


@contextmanager
def decoded(data: bytes) -> Iterator[Pixels]:
    """Decode an image as :func:`read_pixels` does; other threads wait while it takes much memory.

    Parameters
    ----------
    data : bytes

    Yields
    ------
    Pixels
        Its memory counts as used until the end of the block, so that one process decodes only few
        large images at once.

    Raises
    ------
    ImageError
        See :func:`decode`.
    """
    with ExitStack() as stack:
        yield _read(data, stack)


def _read(data: bytes, stack: ExitStack) -> Pixels:
    if not data:
        raise ImageError("the file is empty")
    check_bytes(len(data))
    kind = recognise(data)
    if kind is None or kind.remedy:
        raise ImageError(refusal(data))

    def take(needed: int) -> None:
        stack.enter_context(_DECODING.take(needed))

    with _explained(data), quiet():
        check_head(data)
        if not kind.format:
            return read_dicom(data, take)
        if kind.format == "JPEG2000" and not (head := read_head(data)).plain:
            return read_jpeg2000(data, head, take)
        return _read_by_pillow(data, kind.format, take)


@contextmanager
def _explained(data: bytes) -> Iterator[None]:
    """Explain in one sentence why an image cannot be decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(refusal(data)) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"larger than {MAX_PIXELS // 1_000_000} megapixels") from error
    except MemoryError as error:
        raise ImageError("too large for this machine's memory") from error
    # The exceptions raised for a damaged file depend on the decoder.
    except Exception as error:
        reason = one_line(error, 80)
        if "MAX_TEXT" in reason:
            raise ImageError(
                "its metadata or colour profile is too long; save it without"
            ) from error
        raise ImageError(f"{damage(data)} ({reason or type(error).__name__})") from error


def _read_by_pillow(data: bytes, kind: str, take: Callable[[int], None]) -> Pixels:
    from PIL import Image, UnidentifiedImageError

    if kind == "HEIF":
        _know_heic()
    file = BoundedFile(data)
    try:
        # Sizes are checked below; anything else unusual either decodes or fails.
        opened = Image.open(file, formats=[kind])
    except UnidentifiedImageError:
        if kind == "TIFF":  # a TIFF that Pillow cannot read
            return read_tiff(data, take)
        raise
    with opened as image:
        check_size(*image.size)
        check_strips(image)
        pages = count_pages(data) if kind == "TIFF" else getattr(image, "n_frames", 1)
        if kind == "TIFF" and not is_plain(image, pages):
            return read_tiff(data, take)
        file.allow_strips(len(image.tile))
        deep = is_deep(image)
        scans = check_scans(data, *image.size) if kind == "JPEG" else 1
        take(decoding_bytes(image, deep=deep, scans=scans))
        if deep:
            return with_profile(read_deep(image, data), profile_of(image))
        values, alpha, note = read_colours(image)
        return Pixels(values, pages, alpha, notes=(note,) if note else ())


@lru_cache(maxsize=1)
def _know_heic() -> None:
    """Register HEIC support in Pillow, with one thread."""
    need("formats", "a HEIC file", ImageError, "pi_heif")
    import pi_heif

    pi_heif.options.DECODE_THREADS = 1
    pi_heif.register_heif_opener(thumbnails=False)


def read_size(path: Path) -> tuple[int, int]:
    """Read the size of an image, without decoding it if its format allows that.

    Parameters
    ----------
    path : Path

    Returns
    -------
    width, height : int
        In px.

    Raises
    ------
    ImageError
        If it is not an image, or cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with path.open("rb") as file:
            kind = recognise(file.read(_HEAD))
        if kind is not None and kind.format not in ("", "HEIF"):
            with (
                suppress(UnidentifiedImageError),
                quiet(),
                Image.open(path, formats=[kind.format]) as image,
            ):
                return image.size
        height, width = read_pixels(path.read_bytes()).values.shape[:2]
    except (OSError, ImageError, Image.DecompressionBombError) as error:
        raise ImageError(f"cannot be read ({one_line(error, 80)})") from error
    return width, height


def check_bytes(size: int) -> None:
    """Refuse files too large to show one cell before they are read.

    Parameters
    ----------
    size : int
        Length of the file in bytes.

    Raises
    ------
    ImageError
        If it is over :data:`MAX_BYTES`.
    """
    if size > MAX_BYTES:
        raise ImageError(f"the file is over {MAX_BYTES // 1_000_000} MB")


def resize(image: RGBImage, side: int) -> RGBImage:
    """Resize the whole image, without cropping.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    side : int
        In px.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        Result of antialiased bicubic interpolation; the same image if it has that size already.
    """
    from PIL import Image

    if image.shape[:2] == (side, side):
        return image
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
