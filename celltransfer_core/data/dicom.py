"""Read the values of the first frame of a DICOM file. Not in the paper.

Only uncompressed frames are read; for others, the error names the compression.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from celltransfer_core.data.bounds import check_memory, check_size
from celltransfer_core.data.pixels import Pixels
from celltransfer_core.errors import ImageError
from celltransfer_core.runtime.extras import need

_PLAIN = (
    *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"),
    "1.2.840.113619.5.2",
)
"""Transfer syntaxes of uncompressed values."""

_PREAMBLE = 132  # bytes before the first element
_COPIES = 4  # of its values held at the same time
_GREY_DOWN, _GREY, _COLOUR, _YBR = "MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL"
_NEEDED = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")


def read_dicom(data: bytes, take: Callable[[int], object]) -> Pixels:
    """Read the first frame of a DICOM file.

    Parameters
    ----------
    data : bytes
        The file.
    take : callable
        Called with the number of bytes of memory before they are allocated.

    Returns
    -------
    Pixels
        Grey values, rescaled by the file's slope and intercept if present.

    Raises
    ------
    ImageError
        If it holds no image, or its compression or colour space is not supported; the message
        names it.
    """
    need("formats", "a DICOM file", ImageError, "pydicom")
    import pydicom
    from pydicom.pixels.processing import convert_color_space
    from pydicom.pixels.utils import pixel_array

    header = _header(data)
    for name in _NEEDED:
        if name not in header:
            raise ImageError(f"is a DICOM file without an image (it has no {name})")
    way = header.file_meta.get("TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian)
    if way not in _PLAIN:
        raise ImageError(f"is a DICOM file compressed as {way.name}; export it as PNG or TIFF")
    rows, columns, kind = int(header.Rows), int(header.Columns), header.PhotometricInterpretation
    check_size(columns, rows)
    if kind not in (_GREY_DOWN, _GREY, _COLOUR, _YBR):
        raise ImageError(f"is a DICOM file with colours stored as {kind}; export it as PNG or TIFF")
    samples = int(header.get("SamplesPerPixel", 1))
    frames = int(header.get("NumberOfFrames", 1) or 1)
    needed = _COPIES * rows * columns * samples * max(1, int(header.BitsAllocated) // 8)
    take(check_memory(needed + len(data), columns, rows))
    whole = pydicom.dcmread(io.BytesIO(data))
    values = np.asarray(pixel_array(whole, index=0, raw=True))
    values = values.reshape(rows, columns, samples)
    if kind == _YBR:
        values = convert_color_space(values, _YBR, _COLOUR)
    if samples == 1:
        values = _grey(values, header)
    return Pixels(np.ascontiguousarray(values), pages=max(1, frames)).spread()


def _header(data: bytes) -> Any:
    """Read everything before the pixels; nothing is unpacked."""
    import pydicom
    from pydicom.filereader import read_dataset

    file = io.BytesIO(data)
    file.seek(_PREAMBLE)
    meta: Any = read_dataset(
        file,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _kind, _length: tag.group != 2,
    )
    if meta.get("TransferSyntaxUID", "") == pydicom.uid.DeflatedExplicitVRLittleEndian:
        raise ImageError("is a DICOM file compressed with Deflate; export it as PNG or TIFF")
    return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)


def _grey(values: Any, header: Any) -> Any:
    """Rescale grey values as the file specifies, with black lowest."""
    slope, intercept = (
        float(header.get("RescaleSlope", 1)),
        float(header.get("RescaleIntercept", 0)),
    )
    if (slope, intercept) != (1.0, 0.0):
        values = (values * slope + intercept).astype(np.float32)
    if header.PhotometricInterpretation != _GREY_DOWN:
        return values
    if values.dtype.kind == "f":
        return -values
    most = 2 ** int(header.get("BitsStored", 8 * values.dtype.itemsize)) - 1
    return np.invert(values) if values.dtype.kind == "i" else (most - values).astype(values.dtype)
