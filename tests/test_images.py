import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from celltransfer_core.errors import ImageError
from celltransfer_core.images import decode, read_pixels


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(height=20, width=30):
    y, x = np.mgrid[:height, :width]
    values = np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 77)], axis=2)
    return values.astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("BMP", {}), ("WEBP", {"lossless": True})]
)
def test_lossless_formats_give_the_same_pixels(kind, options):
    values = gradient()
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(values), kind, **options)), values)


def test_jpeg():
    decoded = decode(encoded(Image.fromarray(gradient()), "JPEG", quality=95))
    assert decoded.shape == (20, 30, 3)
    assert np.abs(decoded.astype(int) - gradient()).mean() < 4


def test_grey_palette_one_bit_and_cmyk_become_rgb():
    grey = Image.fromarray(gradient()[..., 0])
    np.testing.assert_array_equal(decode(encoded(grey))[..., 2], gradient()[..., 0])
    for image in (
        Image.fromarray(gradient()).quantize(64),
        grey.convert("1"),
    ):
        np.testing.assert_array_equal(decode(encoded(image)), np.asarray(image.convert("RGB")))
    assert decode(encoded(Image.fromarray(gradient()).convert("CMYK"), "TIFF")).shape == (20, 30, 3)


def test_transparency_is_laid_over_white():
    rgba = np.zeros((10, 10, 4), np.uint8)
    rgba[:5, :, 3] = 255  # opaque black above, nothing below
    decoded = decode(encoded(Image.fromarray(rgba)))
    assert (decoded[:5] == 0).all()
    assert (decoded[5:] == 255).all()
    palette = Image.new("P", (10, 10), 0)
    decoded = decode(encoded(palette, transparency=0))
    assert (decoded == 255).all()


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    data = encoded(Image.fromarray(gradient()), "JPEG", exif=exif.tobytes())
    assert decode(data).shape == (30, 20, 3)


def deep_tiff(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def test_16_bit_grey_and_rgb_take_the_sets_scale():
    ramp = np.linspace(1000, 3000, 400).reshape(20, 20).astype(np.uint16)
    for data in (deep_tiff(ramp), encoded(Image.fromarray(ramp))):
        decoded = decode(data, (1000, 3000))
        assert decoded[0, 0, 0] == 0
        assert decoded[-1, -1, 2] == 255
        assert decode(data, (0, 65535)).max() < 13  # on another scale it is dark
    rgb = np.stack([ramp, ramp[::-1], ramp], axis=2)
    decoded = decode(deep_tiff(rgb, photometric="rgb"), (1000, 3000))
    assert decoded[0, 0].tolist() == pytest.approx([0, 242, 0], abs=3)


def test_the_first_of_several_pages_counts():
    pages = [Image.fromarray(np.full((12, 12), v, np.uint8)) for v in (10, 200)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert read_pixels(data).pages == 2
    assert (decode(data) == 10).all()


def bomb(width, height):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"file,label\na.png,neutrophil\n", "not a PNG"),
        (encoded(Image.fromarray(gradient(200, 200)))[:300], "cut short"),
        (encoded(Image.fromarray(gradient(200, 200)), "JPEG")[:900], "cut short"),
        (bomb(60_000, 60_000), "larger than 100 megapixels"),
        (bomb(30_000, 10), "too large"),
        (bomb(12_000, 11_000), "too large"),
        (encoded(Image.new("RGB", (7, 50))), "under 8 px"),
        (encoded(Image.new("RGB", (20, 20)), "GIF"), "not a PNG"),
    ],
)
def test_bad_files_say_why(data, reason):
    with pytest.raises(ImageError, match=reason):
        decode(data)


def test_a_bomb_is_refused_before_it_is_decoded():
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(ImageError):
        decode(bomb(12_000, 11_000))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
