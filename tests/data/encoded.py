"""Images as the bytes of files, for tests of what is read."""

import io

import numpy as np
import tifffile
from PIL import Image, ImageCms


def gradient(height=20, width=30):
    """Colours that differ from pixel to pixel, and no two channels alike."""
    y, x = np.mgrid[:height, :width]
    values = np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 77)], axis=2)
    return values.astype(np.uint8)


def saved(values, kind="PNG", **options):
    """Save 8-bit values, or 16-bit grey, by Pillow."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind, **options)
    return file.getvalue()


def tiff(values, **options):
    """Save values of any kind as a TIFF."""
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def swapped_profile():
    """Make a profile of a device whose red is sRGB's green, and the other way round."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12):
        names = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}
        data[at : at + 4] = names.get(bytes(data[at : at + 4]), data[at : at + 4])
    return bytes(data)
