"""Small image files that demand large resources: sides, pages, scans, text, tags."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.benchmarks.hostile_images import SIDE, images, saved

HUGE = 300_000_000
"""Bytes that a small packed piece holds."""


def chunk(name, data) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, colour, *more: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more) + chunk(b"IEND", b"")


def _zeros(number) -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes(number), 1))


def _small():
    return Image.new("RGB", (SIDE, SIDE))


def _pages(kind, number) -> bytes:
    small = _small()
    return saved(small, kind, save_all=True, append_images=[small] * (number - 1))


def with_text(letters) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("note", "a" * letters, zip=True)
    return saved(_small(), "PNG", pnginfo=notes)


# JPEG


def _jpeg_of(width, height) -> bytes:
    data = bytearray(saved(_small(), "JPEG"))
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def many_scans(side, times) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = saved(Image.new("RGB", (side, side), (9, 99, 200)), "JPEG", progressive=True)
    at = data.rfind(b"\xff\xda")
    return data[:-2] + data[at:-2] * times + data[-2:]


def behind_start(piece) -> bytes:
    """A JPEG with something behind its first segment."""
    data = saved(_small(), "JPEG")
    at = data.find(b"\xff\xdb")
    return data[:at] + piece + data[at:]


def exif_bomb(tags, size) -> bytes:
    """EXIF whose tags all point to the same bytes."""
    head = b"II*\0" + struct.pack("<IH", 8, tags)
    at = len(head) + 12 * tags + 4
    return head + b"".join(struct.pack("<HHII", n, 7, size, at) for n in range(tags)) + bytes(
        4 + size
    )  # fmt: skip


def _jpeg_exif(exif) -> bytes:
    pieces = [exif[at : at + 65_000] for at in range(0, len(exif), 65_000)]
    segments = (
        b"\xff\xe1" + struct.pack(">H", len(piece) + 8) + b"Exif\0\0" + piece for piece in pieces
    )
    return behind_start(b"".join(segments))


# TIFF


def tiff(tags, *, body=b"", pages=1) -> bytes:
    """A TIFF of these tags, (type, values) by number: every page has the same, and one body."""
    sizes = {1: "B", 3: "H", 4: "I", 7: "B"}
    out = bytearray(b"II*\0" + struct.pack("<I", 0) + body)
    far: dict[int, int] = {}
    for tag, (kind, values) in tags.items():
        packed = struct.pack(f"<{len(values)}{sizes[kind]}", *values)
        if len(packed) > 4:
            far[tag] = len(out)
            out += packed
    first = len(out)
    length = 2 + 12 * len(tags) + 4
    for page in range(pages):
        out += struct.pack("<H", len(tags))
        for tag, (kind, values) in sorted(tags.items()):
            packed = struct.pack(f"<{len(values)}{sizes[kind]}", *values)
            value = struct.pack("<I", far[tag]) if tag in far else packed.ljust(4, b"\0")
            out += struct.pack("<HHI", tag, kind, len(values)) + value
        out += struct.pack("<I", first + (page + 1) * length if page + 1 < pages else 0)
    out[4:8] = struct.pack("<I", first)
    return bytes(out)


def grey_tags(side=SIDE, *, packing=1, length=SIDE * SIDE, **more) -> dict:
    tags = {
        256: (4, [side]), 257: (4, [side]), 258: (3, [8]), 259: (3, [packing]), 262: (3, [1]),
        273: (4, [8]), 277: (3, [1]), 278: (4, [side]), 279: (4, [length]),
    }  # fmt: skip
    return tags | {int(tag[1:]): value for tag, value in more.items()}


def planes(packing, plane) -> bytes:
    """16-bit colours plane by plane, each of them packed."""
    ends = [8 + n * len(plane) for n in range(3)]
    tags = grey_tags(packing=packing) | {
        258: (3, [16] * 3), 262: (3, [2]), 273: (4, ends), 277: (3, [3]),
        279: (4, [len(plane)] * 3), 284: (3, [2]),
    }  # fmt: skip
    return tiff(tags, body=plane * 3)


def _tiles(side) -> bytes:
    tags = grey_tags(packing=8) | {
        322: (4, [side]),
        323: (4, [side]),
        324: (4, [8]),
        325: (4, [1000]),
    }
    for tag in (273, 278, 279):
        del tags[tag]
    return tiff(tags, body=zlib.compress(bytes(1_000_000)))


def _circle(data) -> bytes:
    changed = bytearray(data)
    (first,) = struct.unpack("<I", data[4:8])
    (entries,) = struct.unpack("<H", data[first : first + 2])
    at = first + 2 + 12 * entries
    changed[at : at + 4] = struct.pack("<I", first)
    return bytes(changed)


def _patched_tiff(data) -> bytes:
    changed = bytearray(data)
    (first,) = struct.unpack("<I", data[4:8])
    changed[first + 2 + 12 * 2 + 4 : first + 2 + 12 * 2 + 8] = b"\xff\xff\xff\xff"
    return bytes(changed)


def _tags_over_one_another(tags, size) -> bytes:
    many = {n: (7, [0]) for n in range(1000, 1000 + tags)}
    data = bytearray(tiff(grey_tags() | many, body=bytes(max(size, SIDE * SIDE))))
    (first,) = struct.unpack("<I", data[4:8])
    for number in range(len(grey_tags()), len(grey_tags()) + tags):
        at = first + 2 + 12 * number
        data[at + 4 : at + 12] = struct.pack("<II", size, 8)
    return bytes(data)


# WebP and BMP


def webp_of(width, height) -> bytes:
    """A WebP of one colour: however large it is, its pixels take no bits."""
    data = bytearray(saved(_small(), "WEBP", lossless=True))
    at = data.find(b"VP8L") + 9
    (bits,) = struct.unpack("<I", data[at : at + 4])
    bits = bits >> 28 << 28 | (height - 1) << 14 | (width - 1)
    data[at : at + 4] = struct.pack("<I", bits)
    return bytes(data)


def flat_webp(side) -> bytes:
    """A whole one: few bytes for all of its pixels."""
    return saved(Image.new("RGB", (side, side), (9, 99, 200)), "WEBP", lossless=True, method=0)


def _webp_pages(times) -> bytes:
    """An animation whose last frame comes again and again."""
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    data = saved(noise, "WEBP", save_all=True, append_images=[_small().resize((16, 16))])
    at = data.rfind(b"ANMF")
    data += data[at:] * times
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def _webp_canvas(side) -> bytes:
    data = bytearray(_pages("WEBP", 2))
    at = data.find(b"VP8X") + 12
    data[at : at + 6] = (side - 1).to_bytes(3, "little") * 2
    return bytes(data)


# JPEG 2000, AVIF and DICOM


def _larger_jpeg2000(data, side, tile) -> bytes:
    """Change what a JPEG 2000 says of its sides, wherever it lies."""
    changed = bytearray(data)
    at = changed.find(b"\xff\x4f\xff\x51") + 8
    changed[at : at + 8] = struct.pack(">2I", side, side)
    changed[at + 16 : at + 24] = struct.pack(">2I", tile, tile)
    return bytes(changed)


def _tiff_of_jpeg2000() -> bytes:
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((SIDE, SIDE), np.uint8), compression="jpeg2000")
    return file.getvalue()


def _zstd_floats() -> bytes:
    import imagecodecs

    body = imagecodecs.zstd_encode(bytes(HUGE))
    kinds = {258: (3, [32]), 339: (3, [3])}
    return tiff(grey_tags(packing=50_000, length=len(body)) | kinds, body=body)


def _dicom(syntax, sides) -> bytes:
    import pydicom

    made = pydicom.dcmread(io.BytesIO(images()["dicom"]))
    made.file_meta.TransferSyntaxUID = syntax
    made.Rows = made.Columns = sides
    file = io.BytesIO()
    made.save_as(file)
    return file.getvalue()


def _deflated_dicom() -> bytes:
    whole = _dicom("1.2.840.10008.1.2.1.99", SIDE)
    at = whole.find(b"1.2.840.10008.1.2.1.99") + 22
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return whole[:at] + packer.compress(bytes(HUGE)) + packer.flush()


def bmp_runs(width, height, runs) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    start = 14 + 40 + 1024
    return struct.pack("<2sIHHI", b"BM", start + len(runs), 0, 0, start) + head + bytes(1024) + runs


IMAGE_BOMBS = {
    "png of 4 gigapixels": lambda: png(65_535, 65_535, 8, 2, _zeros(20_000_000)),
    "png of 2^31 px a side": lambda: png(2**31 - 1, 2**31 - 1, 8, 2, _zeros(1000)),
    "png of 99 megapixels, truncated": lambda: png(9950, 9950, 8, 2, _zeros(20_000_000)),
    "png of 99 megapixels, 16 bit": lambda: png(9950, 9950, 16, 2, _zeros(9950 * 59_701)),
    "png of 98 megapixels, whole": lambda: png(9900, 9900, 8, 2, _zeros(9900 * 29_701)),
    "png of 98 megapixels, transparent": lambda: png(9900, 9900, 8, 6, _zeros(9900 * 39_601)),
    "png of 50 megapixels, 16 bit": lambda: png(7070, 7070, 16, 2, _zeros(7070 * 42_421)),
    "png of 98 megapixels, 16 bit grey": lambda: png(9900, 9900, 16, 0, _zeros(9900 * 19_801)),
    "png longer than its sides": lambda: png(SIDE, SIDE, 8, 2, _zeros(HUGE)),
    "png with text of 100 MB": lambda: with_text(100_000_000),
    "png of a million pieces": lambda: png(
        SIDE, SIDE, 8, 2, chunk(b"abCd", b"") * 1_000_000, _zeros(SIDE * (3 * SIDE + 1))
    ),
    "png with EXIF tags in GB": lambda: png(
        *(SIDE, SIDE, 8, 2, chunk(b"eXIf", exif_bomb(40_000, 400_000))),
        _zeros(SIDE * (3 * SIDE + 1)),
    ),
    "jpeg of 64 kilopixels a side": lambda: _jpeg_of(65_500, 65_500),
    "jpeg of many scans": lambda: many_scans(2048, 1500),
    "jpeg of 98 megapixels, many scans": lambda: many_scans(9900, 60),
    "jpeg of 98 megapixels, progressive": lambda: many_scans(9900, 0),
    "jpeg with zeros in MB": lambda: behind_start(bytes(60_000_000)),
    "jpeg with a million pieces": lambda: behind_start(b"\xff\xfe\0\2" * 3_000_000),
    "jpeg with EXIF tags in GB": lambda: _jpeg_exif(exif_bomb(40_000, 400_000)),
    "tiff of 1,000 pages": lambda: _pages("TIFF", 1000),
    "tiff of 300,000 pages": lambda: tiff(grey_tags(), body=bytes(SIDE * SIDE), pages=300_000),
    "tiff of pages in a circle": lambda: _circle(saved(_small(), "TIFF")),
    "tiff of 2^32 values of a tag": lambda: _patched_tiff(saved(_small(), "TIFF")),
    "tiff of tags in GB": lambda: _tags_over_one_another(40_000, 400_000),
    "tiff of 10 million strips in MB": lambda: tiff(
        grey_tags(_273=(4, [8] * 10_000_000)), body=bytes(SIDE * SIDE)
    ),
    "tiff of one tile of gigapixels": lambda: _tiles(30_000),
    "tiff longer than its sides": lambda: tiff(
        grey_tags(packing=8), body=zlib.compress(bytes(HUGE), 1)
    ),
    "tiff of 16 bit, planes of 300 MB": lambda: planes(8, zlib.compress(bytes(HUGE), 1)),
    "webp of 268 megapixels": lambda: webp_of(16_383, 16_383),
    "webp of 99 megapixels": lambda: webp_of(9950, 9950),
    "webp of 60 megapixels": lambda: flat_webp(7700),
    "webp of pages of 16 gigapixels": lambda: _webp_canvas(16_384),
    "webp of 300 pages": lambda: _pages("WEBP", 300),
    "webp of 100,000 pages": lambda: _webp_pages(100_000),
    "bmp of runs of one pixel in MB": lambda: bmp_runs(9900, 9900, b"\1\0" * 20_000_000),
    "jpeg 2000 of 98 megapixels, truncated": lambda: _larger_jpeg2000(
        saved(_small(), "JPEG2000"), 9900, 9900
    ),
    "jpeg 2000 of a million tiles": lambda: _larger_jpeg2000(saved(_small(), "JPEG2000"), 9000, 9),
    "tiff of a tile of jpeg 2000 that lies": lambda: _larger_jpeg2000(
        _tiff_of_jpeg2000(), 15_000, 15_000
    ),
    "tiff of floats, zstd of 300 MB": _zstd_floats,
    "avif of 36 megapixels": lambda: saved(
        Image.new("RGB", (6000, 6000), (9, 99, 200)), "AVIF", speed=10
    ),
    "dicom of gigapixels": lambda: _dicom("1.2.840.10008.1.2.1", 60_000),
    "dicom that unpacks to 300 MB": _deflated_dicom,
    "empty": lambda: b"",
    "start of a png": lambda: b"\x89PNG\r\n\x1a\n",
    "gif": lambda: saved(_small(), "GIF"),
    "eps": lambda: saved(_small(), "EPS"),
    "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>",
}
"""By what they ask for."""
