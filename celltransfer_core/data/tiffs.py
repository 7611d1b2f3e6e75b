"""Read the values, channels and opacity of a TIFF that is not a plain 8-bit picture.

Supports floats, signed and wide integers, channels on one page or several, planar colours, and
compression methods that Pillow does not support. Not in the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from celltransfer_core.data.bounds import BoundedFile, check_memory, check_size, row_bands
from celltransfer_core.data.channels import MAX_CHANNELS, Stack, described_channels
from celltransfer_core.data.colours import with_profile
from celltransfer_core.data.packed import PACKINGS, check_packed
from celltransfer_core.data.pixels import Pixels
from celltransfer_core.data.tags import check_tags, count_pages
from celltransfer_core.data.upright import turn
from celltransfer_core.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image
    from tifffile import TiffPage

# TIFF tags
_BITS, _PACKING, _PHOTOMETRIC, _DESCRIPTION, _ORIENTATION = 258, 259, 262, 270, 274
_SAMPLES, _EXTRA_SAMPLES, _FORMAT, _PROFILE = 277, 338, 339, 34675
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INK, _YCBCR = 0, 1, 2, 5, 6
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _YCBCR: 3}
_UNSPECIFIED, _TIMES_OPACITY = 0, 1  # kinds of extra samples
_JPEG, _APERIO_YCBCR = 7, 33003  # compression methods
_PILLOWS = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 34926, 50000)  # compression methods
_COPIES = 3  # of its values held at the same time: as read, in order, and in bands


def is_plain(image: Image.Image, pages: int) -> bool:
    """Return whether Pillow reads a TIFF correctly: 8 bits, grey or colour, no further channels.

    Parameters
    ----------
    image : Image
        Opened by Pillow.
    pages : int
        Number of its pages.

    Returns
    -------
    bool
    """
    tags: Any = getattr(image, "tag_v2", {})
    photometric, samples = tags.get(_PHOTOMETRIC), tags.get(_SAMPLES, 1)
    extra = tags.get(_EXTRA_SAMPLES, ())
    packing = tags.get(_PACKING, 1)
    if photometric == _INK:  # no common scale is needed: 16 bits are read as 8
        return True
    if max(np.atleast_1d(tags.get(_BITS, (8,)))) > 8 or image.mode.startswith(("I", "F")):
        return False
    if any(form != 1 for form in np.atleast_1d(tags.get(_FORMAT, (1,)))):
        return False
    if packing not in _PILLOWS or (photometric == _YCBCR and packing not in (6, _JPEG)):
        return False
    colours = _COLOURS.get(photometric, samples)
    if samples > colours and (len(extra) < samples - colours or _UNSPECIFIED in extra):
        return False
    return pages == 1 or described_channels(str(tags.get(_DESCRIPTION, ""))).channels == 1


def read_tiff(data: bytes, take: Callable[[int], object]) -> Pixels:
    """Read a TIFF with any kind of values and channels.

    Parameters
    ----------
    data : bytes
        The file.
    take : callable
        Called with the number of bytes of memory before they are allocated.

    Returns
    -------
    Pixels

    Raises
    ------
    ImageError
        If its compression, colour space or layout is not supported; the message names it.
    """
    import tifffile

    pages = count_pages(data)
    with tifffile.TiffFile(BoundedFile(data)) as file:
        first: Any = file.pages.first
        _check_kind(first)
        check_size(first.imagewidth, first.imagelength)
        stack = described_channels(first.description) if first.samplesperpixel == 1 else Stack(1)
        _check_stack(stack, pages)
        check_tags(data, (stack.channels - 1) * stack.apart + 1)
        wide = first.imagewidth * first.imagelength * first.dtype.itemsize
        samples = first.samplesperpixel * stack.channels
        needed = _COPIES * wide * samples
        take(check_memory(needed, first.imagewidth, first.imagelength))
        planes = [_read_page(first, data)]
        for number in range(1, stack.channels):
            page: Any = file.pages[number * stack.apart]
            if (page.shape, page.dtype) != (first.shape, first.dtype):
                raise ImageError("its channels differ in size or pixel format")
            planes.append(_read_page(page, data))
    values = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
    values = turn(values, int(first.tags.valueof(_ORIENTATION, 1)))
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ImageError("has pixels that are not numbers (NaN or infinite); give them a value")
    return _sorted_out(values, first, pages, stack)


def _check_kind(page: TiffPage) -> None:
    """Refuse an unsupported TIFF, naming what is not supported."""
    if page.compression not in PACKINGS:
        raise ImageError(f"its pixels are compressed as {_named(page.compression)}; save it as PNG")
    if page.sampleformat in (5, 6):
        raise ImageError("has complex numbers; save one part of them")
    if page.dtype is None or page.imagedepth != 1 or not isinstance(page.bitspersample, int):
        bits = page.bitspersample
        raise ImageError(f"its {bits}-bit pixel format is not supported")
    if page.photometric not in _COLOURS or (page.photometric == _YCBCR and page.dtype != np.uint8):
        raise ImageError(f"its colours are {_named(page.photometric)}; save it as plain RGB")
    if page.is_subsampled:
        raise ImageError(
            "its colours have a lower resolution than its pixels; save it as plain RGB"
        )
    if page.samplesperpixel > MAX_CHANNELS:
        raise ImageError(
            f"has {page.samplesperpixel} channels; at most {MAX_CHANNELS} are supported"
        )


def _named(code: Any) -> str:
    return str(getattr(code, "name", f"kind {code}")).replace("_", " ")


def _check_stack(stack: Stack, pages: int) -> None:
    if stack.channels > MAX_CHANNELS:
        raise ImageError(f"has {stack.channels} channels; at most {MAX_CHANNELS} are supported")
    if (stack.channels - 1) * stack.apart >= pages:
        raise ImageError(
            f"declares {stack.channels} channels but contains {pages} of their pages; save all "
            "channels in one file"
        )


def _read_page(page: Any, data: bytes) -> NDArray[Any]:
    """Read one page, shape (h, w, samples), in native byte order."""
    check_packed(page, data)
    values: NDArray[Any] = page.asarray(maxworkers=1)
    if page.axes.startswith("S"):
        values = np.moveaxis(values, 0, -1)
    values = values.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype == np.uint8 and page.bitspersample < 8:
        return values * np.uint8(255 // (2**page.bitspersample - 1))
    return values


def _sorted_out(values: NDArray[Any], page: TiffPage, pages: int, stack: Stack) -> Pixels:
    """Separate colours, channels and opacity."""
    colours = _COLOURS[page.photometric]
    extra = tuple(page.extrasamples)
    if stack.channels == 1:
        kinds = [_UNSPECIFIED] * colours + [int(kind) for kind in extra[: page.samplesperpixel]]
        kinds = (kinds + [_UNSPECIFIED] * page.samplesperpixel)[: page.samplesperpixel]
    else:
        kinds = [_UNSPECIFIED] * stack.channels
    opacity = next((at for at, kind in enumerate(kinds) if at and kind != _UNSPECIFIED), None)
    shown = [at for at, kind in enumerate(kinds) if kind == _UNSPECIFIED]
    alpha = None if opacity is None else _opacity(values[..., opacity : opacity + 1])
    times_opacity = opacity is not None and kinds[opacity] == _TIMES_OPACITY
    if len(shown) < len(kinds):
        values = np.ascontiguousarray(values[..., shown])
    if page.photometric == _WHITE_IS_ZERO:
        values = _inverted(values)
    if alpha is not None and times_opacity:
        values = _without_opacity(values, alpha)
    if page.photometric == _YCBCR or page.compression == _APERIO_YCBCR:
        values = _from_ycbcr(values)
    channels = len(shown) if len(shown) != colours else 0
    pixels = Pixels(values, pages // stack.channels, alpha, channels)
    profile = page.tags.valueof(_PROFILE, b"")
    return with_profile(pixels, profile if isinstance(profile, bytes) else b"").spread()


def _opacity(values: NDArray[Any]) -> NDArray[np.float32]:
    if values.dtype.kind == "f":
        return np.clip(values, 0, 1).astype(np.float32)
    alpha = np.empty(values.shape, dtype=np.float32)
    most = np.iinfo(values.dtype).max
    for rows in row_bands(*values.shape[:2]):
        alpha[rows] = np.clip(values[rows], 0, None) / most
    return alpha


def _inverted(values: NDArray[Any]) -> NDArray[Any]:
    """Invert values in which white is lowest."""
    return -values if values.dtype.kind == "f" else np.invert(values)


def _without_opacity(values: NDArray[Any], alpha: NDArray[np.float32]) -> NDArray[Any]:
    """Restore colours that are stored premultiplied by opacity."""
    most = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else np.inf
    restored = np.empty_like(values)
    for rows in row_bands(*values.shape[:2]):
        restored[rows] = np.minimum(values[rows] / np.maximum(alpha[rows], 1 / 65535), most)
    return restored


def _from_ycbcr(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(values, mode="YCbCr").convert("RGB"))
