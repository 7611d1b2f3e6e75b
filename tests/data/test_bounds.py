"""Small files that ask for much are refused soon, with the reason; large ones are read as ever."""

import io
import struct
import threading
import time
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile, PngImagePlugin

from celltransfer_core.data import bounds, decode, images as images_module, read_pixels
from celltransfer_core.data.images import decoded, read_size
from celltransfer_core.errors import ImageError
from celltransfer_core.runtime.room import Room
from tests.benchmarks import hostile_bombs as bombs
from tests.benchmarks.hostile_images import saved

SECONDS = 2.0  # of processor time
READS = 20_000


def grey(**more):
    return bombs.tiff(bombs.grey_tags(**more), body=bytes(bombs.SIDE**2))


def with_raw_profile():
    notes = PngImagePlugin.PngInfo()
    exif = bombs.exif_bomb(15_000, 200_000)
    notes.add_text("Raw profile type exif", f"\nexif\n{len(exif)}\n{exif.hex()}", zip=True)
    return saved(Image.new("RGB", (48, 48)), "PNG", pnginfo=notes)


REFUSED = {
    "tiff of many pages": (
        lambda: bombs.tiff(bombs.grey_tags(), body=bytes(bombs.SIDE**2), pages=20_000),
        r"over 10,000 pages; save the first",
    ),
    "tiff of tags in GB": (bombs.IMAGE_BOMBS["tiff of tags in GB"], "tags overlap"),
    "png with EXIF tags in GB": (
        bombs.IMAGE_BOMBS["png with EXIF tags in GB"],
        "tags overlap",
    ),
    "jpeg with EXIF tags in GB": (
        bombs.IMAGE_BOMBS["jpeg with EXIF tags in GB"],
        "tags overlap",
    ),
    "png with EXIF as text": (with_raw_profile, "tags overlap"),
    "webp with EXIF tags in GB": (
        lambda: saved(Image.new("RGB", (48, 48)), "WEBP", exif=bombs.exif_bomb(40_000, 400_000)),
        "tags overlap",
    ),
    "tiff of many strips": (
        lambda: grey(_273=(4, [8] * 1_100_000)),
        "one of its tags has 1,100,000 values",
    ),
    "tiff of one tile of gigapixels": (
        bombs.IMAGE_BOMBS["tiff of one tile of gigapixels"],
        "tiles of 30000 × 30000 px are too large",
    ),
    "tiff of strips over one another": (
        lambda: grey(_273=(4, [8] * 50_000), _278=(4, [1])),
        "strips overlap",
    ),
    "tiff of 16 bit, long planes": (
        lambda: bombs.planes(8, zlib.compress(bytes(5_000_000))),
        "strips contain more than its pixels",
    ),
    "jpeg with zeros in MB": (
        lambda: bombs.behind_start(bytes(200_000)),
        "too much metadata before its pixels",
    ),
    "jpeg of many pieces": (
        lambda: bombs.behind_start(b"\xff\xfe\0\2" * 25_000),
        "too much metadata before its pixels",
    ),
    "jpeg of many scans": (
        lambda: bombs.many_scans(1024, 2500),
        r"1024 × 1024 px in 2,510 scans; save it again with one scan",
    ),
    "png of many pieces": (
        lambda: bombs.png(bombs.SIDE, bombs.SIDE, 8, 2, bombs.chunk(b"abCd", b"") * READS),
        "too many pieces; save it again",
    ),
    "bmp of runs": (
        lambda: bombs.bmp_runs(2000, 2000, b"\1\0" * READS),
        "too many pieces; save it again",
    ),
    "png with long notes": (
        lambda: bombs.with_text(5_000_000),
        "metadata or colour profile is too long; save it without",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_asks_for_much_is_refused_soon(monkeypatch, name):
    make, reason = REFUSED[name]
    monkeypatch.setattr(bounds, "MAX_READS", READS)
    monkeypatch.setattr(bounds, "MAX_SEGMENTS", READS)
    data = make()
    started = time.process_time()
    with pytest.raises(ImageError, match=reason):
        decode(data)
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize(
    "data",
    [
        bombs.webp_of(9950, 9950),
        bombs.png(9950, 9950, 16, 2, bombs.chunk(b"IDAT", zlib.compress(bytes(1000)))),
        bombs.tiff(bombs.grey_tags(9950) | {258: (3, [32]), 339: (3, [3])}, body=bytes(100)),
    ],
    ids=["webp", "16-bit colour", "floats"],
)
def test_what_would_fill_the_memory_is_refused_before_it_is_decoded(monkeypatch, data):
    def load(image):
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    reason = "9950 × 9950 px would take more than 1 GB of memory; crop the cells from the slide"
    with pytest.raises(ImageError, match=reason):
        decode(data)


def test_progressive_and_thumbnailed_jpegs_are_read():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 3
    data = saved(picture, "JPEG", progressive=True, quality=95, exif=exif)
    assert decode(data).shape == (300, 300, 3)


def test_an_exif_that_was_cut_short_harms_nobody():
    exif = b"II*\0" + struct.pack("<IH", 8, 2) + struct.pack("<HHII", 274, 3, 1, 6)
    exif += struct.pack("<HHII", 37500, 7, 2**31, 5000) + bytes(4)
    data = saved(Image.new("RGB", (20, 10)), "JPEG", exif=b"Exif\0\0" + exif)
    assert decode(data).shape == (20, 10, 3)


@pytest.mark.parametrize("rows", [1, 7])
def test_many_strips_are_read(rng, rows):
    values = rng.integers(0, 256, (3000, 12), dtype=np.uint8)
    file = io.BytesIO()
    tifffile.imwrite(file, values, rowsperstrip=rows)
    np.testing.assert_array_equal(decode(file.getvalue())[..., 0], values)


def test_tiles_larger_than_their_image_are_read(rng):
    values = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    file = io.BytesIO()
    tifffile.imwrite(file, values, tile=(512, 512), photometric="rgb", compression="zlib")
    np.testing.assert_array_equal(decode(file.getvalue()), values)
    deep = rng.integers(0, 65536, (3, 40, 40), dtype=np.uint16)
    file = io.BytesIO()
    options = {"tile": (512, 512), "photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(file, deep, compression="zlib", **options)
    np.testing.assert_array_equal(read_pixels(file.getvalue()).values, np.moveaxis(deep, 0, -1))


def test_pages_are_counted_in_both_kinds_of_tiff():
    for big in (False, True):
        file = io.BytesIO()
        with tifffile.TiffWriter(file, bigtiff=big) as writer:
            for _ in range(4):
                writer.write(np.zeros((16, 16), np.uint8), contiguous=False)
        assert read_pixels(file.getvalue()).pages == 4
    assert read_pixels(bombs.IMAGE_BOMBS["tiff of pages in a circle"]()).pages == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_large_images_are_what_pillow_makes_of_them_whole(rng, monkeypatch, mode, orientation):
    from PIL import ImageOps

    monkeypatch.setattr(bounds, "BAND_PIXELS", 1000)
    colours = Image.fromarray(rng.integers(0, 256, (110, 100, 4), dtype=np.uint8))
    image = colours.convert("RGB" if mode == "P" else mode).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(image, "PNG", exif=exif, compress_level=1)
    whole = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if mode == "RGBA":
        whole = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole)
    np.testing.assert_array_equal(decode(data), np.asarray(whole.convert("RGB")))


def test_large_16_bit_images_take_the_scale_whole(rng, monkeypatch):
    monkeypatch.setattr(bounds, "BAND_PIXELS", 1000)
    values = rng.integers(0, 65536, (110, 100, 4), dtype=np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="rgb", extrasamples=["unassalpha"])
    colours, alpha = values[..., :3].astype(np.float32), values[..., 3:] / 65535
    scaled = np.clip((colours - 100) * (255 / 60_000), 0, 255)
    expected = np.rint(scaled * alpha.astype(np.float32) + 255 * (1 - alpha.astype(np.float32)))
    np.testing.assert_array_equal(decode(file.getvalue(), (100, 60_100)), expected)


def test_large_images_are_decoded_few_at_a_time(monkeypatch):
    data = saved(Image.new("RGB", (500, 500)), "PNG")
    monkeypatch.setattr(images_module, "_DECODING", Room(3_000_000))
    inside = threading.Event()

    def read():
        with decoded(data):
            inside.set()

    with decoded(data):
        other = threading.Thread(target=read)
        other.start()
        assert not inside.wait(0.1)  # 2.5 MB each
        assert decode(saved(Image.new("RGB", (50, 50)), "PNG")).shape == (50, 50, 3)
    assert inside.wait(5)
    other.join()


OTHERS = ("GIF", "EPS", "PDF", "ICO", "ICNS", "PCX", "PPM", "SGI", "TGA", "DDS", "IM")


@pytest.mark.parametrize("kind", OTHERS)
def test_other_kinds_are_never_opened(tmp_path, monkeypatch, kind):
    Image.init()
    data = saved(Image.new("RGB", (64, 64)), kind)

    def opened(*args):
        raise AssertionError(f"opened as {kind}")

    monkeypatch.setitem(Image.OPEN, kind, (opened, bool))
    with pytest.raises(ImageError, match="not a PNG, JPEG, TIFF or other supported image"):
        decode(data)
    (tmp_path / "1.png").write_bytes(data)
    with pytest.raises(ImageError, match="cannot be read"):
        read_size(tmp_path / "1.png")
