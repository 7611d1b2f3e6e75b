import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile

from celltransfer_core.data import decode, images as images_module, read_pixels
from celltransfer_core.errors import ImageError


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


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def deep_png(values):
    height, width, bands = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[bands]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_16_bit_png_keeps_all_its_bits(rng, bands):
    values = rng.integers(0, 65536, (20, 30, bands)).astype(np.uint16)
    pixels = read_pixels(deep_png(values))
    colours = 1 if bands < 3 else 3
    np.testing.assert_array_equal(pixels.values, values[..., :colours])
    if bands in {2, 4}:
        np.testing.assert_allclose(pixels.alpha, values[..., -1:] / 65535, atol=1e-6)
    else:
        assert pixels.alpha is None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"rowsperstrip": 7},
        {"tile": (16, 16)},
        {"compression": "zlib", "predictor": True},
        {"compression": "zlib", "byteorder": ">"},
        {"planarconfig": "separate"},
    ],
)
def test_16_bit_rgb_tiff_keeps_all_its_bits(rng, options):
    values = rng.integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    planes = np.moveaxis(values, -1, 0).copy() if "planarconfig" in options else values
    pixels = read_pixels(deep_tiff(planes, photometric="rgb", **options))
    np.testing.assert_array_equal(pixels.values, values)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_16_bit_grey_tiff_of_any_packing(rng, compression):
    values = rng.integers(0, 65536, (20, 30)).astype(np.uint16)
    data = encoded(Image.fromarray(values), "TIFF", compression=compression)
    np.testing.assert_array_equal(read_pixels(data).values[..., 0], values)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
def test_orientation_of_16_bit_images_is_applied(rng, shape):
    values = rng.integers(0, 65536, shape).astype(np.uint16)
    kind = "rgb" if len(shape) == 3 else "minisblack"
    data = deep_tiff(values, photometric=kind, extratags=[(274, 3, 1, 6, True)])
    turned = np.rot90(values, -1).reshape(30, 20, -1)
    np.testing.assert_array_equal(read_pixels(data).values, turned)


@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha"])
def test_transparency_of_16_bit_images_is_laid_over_white(extra):
    rgba = np.zeros((16, 16, 4), np.uint16)
    rgba[:8] = (1000, 2000, 3000, 65535)  # nothing below
    data = deep_tiff(rgba, photometric="rgb", extrasamples=[extra])
    decoded = decode(data, (1000, 3000))
    assert decoded[0, 0].tolist() == pytest.approx([0, 128, 255], abs=1)
    assert (decoded[8:] == 255).all()


def test_colours_stored_times_their_opacity():
    rgba = np.full((16, 16, 4), (1000, 1500, 500, 32768), np.uint16)
    pixels = read_pixels(deep_tiff(rgba, photometric="rgb", extrasamples=["assocalpha"]))
    assert pixels.values[0, 0].tolist() == pytest.approx([2000, 3000, 1000], abs=1)


def test_where_white_is_zero():
    ramp = np.arange(400, dtype=np.uint16).reshape(20, 20)
    decoded = decode(deep_tiff(ramp, photometric="miniswhite"))
    assert decoded[0, 0, 0] == 255
    assert decoded[-1, -1, 0] == 0


def test_floats_and_wide_integers_keep_their_values():
    ramp = np.linspace(0, 1, 400).reshape(20, 20)
    for values in (
        ramp.astype(np.float32),
        (ramp * 1e6).astype(np.float32),
        (ramp - 3).astype(np.float64),
        (ramp * 4e9).astype(np.uint32),
        (ramp * -2e9).astype(np.int32),
    ):
        np.testing.assert_array_equal(read_pixels(deep_tiff(values)).values[..., 0], values)


def test_8_bit_images_ignore_the_scale():
    data = encoded(Image.fromarray(gradient()))
    np.testing.assert_array_equal(decode(data, (0, 10)), gradient())


def test_16_bit_ink_is_read_as_8_bits():
    ink = np.full((20, 20, 4), 0x4000, np.uint16)
    pixels = read_pixels(deep_tiff(ink, photometric="separated"))
    assert not pixels.deep
    assert pixels.values.shape == (20, 20, 3)


def test_grey_with_transparency():
    values = np.zeros((10, 10, 2), np.uint8)
    values[:5, :, 1] = 255
    decoded = decode(encoded(Image.merge("LA", [Image.fromarray(values[..., i]) for i in (0, 1)])))
    assert (decoded[:5] == 0).all()
    assert (decoded[5:] == 255).all()


def test_the_first_of_several_pages_counts():
    pages = [Image.fromarray(np.full((12, 12), v, np.uint8)) for v in (10, 200)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert read_pixels(data).pages == 2
    assert (decode(data) == 10).all()


def bomb(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"file,label\na.png,neutrophil\n", "not a PNG"),
        (encoded(Image.fromarray(gradient(200, 200)))[:300], "truncated"),
        (encoded(Image.fromarray(gradient(200, 200)), "JPEG")[:900], "truncated"),
        (bomb(60_000, 60_000), "larger than 100 megapixels"),
        (bomb(30_000, 10), "too large"),
        (bomb(12_000, 11_000), "too large"),
        (encoded(Image.new("RGB", (7, 50))), "below the minimum of 8 px"),
        (encoded(Image.new("RGB", (20, 20)), "GIF"), "not a PNG"),
        (encoded(Image.new("RGB", (20, 20)), "PDF"), "not a PNG"),
        (encoded(Image.new("RGB", (90, 90)), "TIFF", compression="tiff_lzw")[:60], "truncated"),
        (encoded(Image.new("RGB", (90, 90)), "TIFF")[:-9000], "truncated"),
        (encoded(Image.fromarray(gradient(90, 90)), "WEBP")[:200], "truncated"),
        (encoded(Image.fromarray(gradient(90, 90)), "BMP")[:2000], "truncated"),
    ],
)
def test_bad_files_say_why(data, reason):
    with pytest.raises(ImageError, match=reason):
        decode(data)


@pytest.mark.parametrize("size", [(60_000, 60_000), (12_000, 11_000), (20_001, 10)])
def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch, size):
    def load(image):
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(ImageError, match="large"):
        decode(bomb(*size))


def test_a_long_file_is_refused(monkeypatch):
    monkeypatch.setattr(images_module, "MAX_BYTES", 100)
    with pytest.raises(ImageError, match="the file is over"):
        decode(encoded(Image.fromarray(gradient())))


def test_pillows_warnings_stay_inside(monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)  # it warns above, and refuses from twice on
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(gradient()))), gradient())
    assert not recwarn.list
