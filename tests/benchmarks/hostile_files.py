"""Files that do harm, drawn from a seed: images, zips, tables and encoders, and their mutations."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from tests.benchmarks.hostile_encoders import draw_encoder
from tests.benchmarks.hostile_mutations import mutate

SIDE = 48  # px of the images that are mutated
BOMB = 1_500_000_000  # bytes that a packed bomb holds
WEIGHTS = {"image": 50, "zip": 20, "table": 15, "encoder": 15}


def make(seed: int, number: int, folder: Path) -> tuple[str, str, bytes | tuple[bytes, bytes]]:
    """Draw one file: its family, what was done to it, and its bytes.

    An encoder's bytes are two: of the model and of the JSON beside it. Bombs, which take long to
    draw, are kept in a folder.
    """
    rng = np.random.default_rng([seed, number])
    family = str(rng.choice(list(WEIGHTS), p=np.array(list(WEIGHTS.values())) / 100))
    kinds = {"image": _image, "zip": _zip, "table": _table, "encoder": draw_encoder}
    kind, data = kinds[family](rng)
    return family, kind, bomb(family, kind, folder) if data is None else data


# Images


def saved(image, kind, **options) -> bytes:
    """Return an image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@lru_cache(maxsize=1)
def images() -> dict[str, bytes]:
    """Whole files of every format that is read."""
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    deep = Image.fromarray(rng.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16))
    found = {
        "png": saved(noise, "PNG"),
        "png palette": saved(noise.quantize(16), "PNG", transparency=3),
        "png 16 bit": saved(deep, "PNG"),
        "png alpha": saved(noise.convert("RGBA"), "PNG"),
        "jpeg": saved(noise, "JPEG"),
        "jpeg progressive": saved(noise, "JPEG", progressive=True),
        "jpeg cmyk": saved(noise.convert("CMYK"), "JPEG"),
        "bmp": saved(noise, "BMP"),
        "bmp palette": saved(noise.quantize(16), "BMP"),
        "webp": saved(noise, "WEBP"),
        "webp lossless": saved(noise, "WEBP", lossless=True),
        "webp pages": saved(noise, "WEBP", save_all=True, append_images=[noise] * 3),
        "tiff 16 bit": saved(deep, "TIFF"),
        "tiff pages": saved(noise, "TIFF", save_all=True, append_images=[noise] * 5),
        "tiff float": saved(Image.fromarray(np.asarray(deep, np.float32) / 65535), "TIFF"),
    }
    for packing in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        found[f"tiff {packing}"] = saved(noise, "TIFF", compression=packing)
    return found | _deep_tiffs(rng)


def _deep_tiffs(rng) -> dict[str, bytes]:
    import tifffile

    found = {}
    for planar in ("contig", "separate"):
        shape = (SIDE, SIDE, 3) if planar == "contig" else (3, SIDE, SIDE)
        file = io.BytesIO()
        values = rng.integers(0, 65536, shape, dtype=np.uint16)
        tifffile.imwrite(file, values, photometric="rgb", planarconfig=planar)
        found[f"tiff colour 16 bit {planar}"] = file.getvalue()
    return found


def _png(width, height, depth, colour, scanlines: bytes) -> bytes:
    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", scanlines), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _small():
    return Image.new("RGB", (SIDE, SIDE))


def _pages(kind, number) -> bytes:
    small = _small()
    return saved(small, kind, save_all=True, append_images=[small] * (number - 1))


def _zeros(number) -> bytes:
    return zlib.compress(bytes(number), 1)


IMAGE_BOMBS = {
    "png of 4 gigapixels": lambda: _png(65_535, 65_535, 8, 2, _zeros(20_000_000)),
    "png of 2^31 px a side": lambda: _png(2**31 - 1, 2**31 - 1, 8, 2, _zeros(1000)),
    "png of 99 megapixels, cut short": lambda: _png(9950, 9950, 8, 2, _zeros(20_000_000)),
    "png of 99 megapixels, 16 bit": lambda: _png(9950, 9950, 16, 2, _zeros(9950 * 59_701)),
    "png of 98 megapixels, whole": lambda: _png(9900, 9900, 8, 2, _zeros(9900 * 29_701)),
    "png longer than its sides": lambda: _png(SIDE, SIDE, 8, 2, _zeros(300_000_000)),
    "png with text of 100 MB": lambda: _with_text(100_000_000),
    "jpeg of 64 kilopixels a side": lambda: _jpeg_of(65_500, 65_500),
    "jpeg of many scans": lambda: _many_scans(1500),
    "tiff of 1,000 pages": lambda: _pages("TIFF", 1000),
    "tiff of pages in a circle": lambda: _circle(saved(_small(), "TIFF")),
    "tiff of 2^32 values of a tag": lambda: _patched_tiff(saved(_small(), "TIFF")),
    "webp of 300 pages": lambda: _pages("WEBP", 300),
    "empty": lambda: b"",
    "start of a png": lambda: b"\x89PNG\r\n\x1a\n",
    "gif": lambda: saved(_small(), "GIF"),
    "svg": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>",
}
"""Small files that ask for much: sides, pages, scans, text, tags."""


def bomb(family: str, name: str, folder: Path) -> bytes:
    """Return a file of :data:`IMAGE_BOMBS` or :data:`ZIP_BOMBS`, drawn once a folder."""
    bombs = {"image": IMAGE_BOMBS, "zip": ZIP_BOMBS}[family]
    path = folder / f"{family} {list(bombs).index(name)}"
    if not path.is_file():
        path.write_bytes(bombs[name]())
    return path.read_bytes()


def _jpeg_of(width, height) -> bytes:
    data = bytearray(saved(Image.new("RGB", (SIDE, SIDE)), "JPEG"))
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _many_scans(times) -> bytes:
    """A progressive JPEG of 4,096 px a side whose last scan comes again and again."""
    data = saved(Image.new("RGB", (2048, 2048), (9, 99, 200)), "JPEG", progressive=True)
    at = data.rfind(b"\xff\xda")
    return data[:-2] + data[at:-2] * times + data[-2:]


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


def _with_text(letters) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("note", "a" * letters, zip=True)
    return saved(Image.new("RGB", (SIDE, SIDE)), "PNG", pnginfo=notes)


def _image(rng) -> tuple[str, bytes | None]:
    whole = images()
    name = str(rng.choice(list(whole)))
    draw = rng.random()
    if draw < 0.02:
        name = str(rng.choice(list(IMAGE_BOMBS)))
        return name, None
    if draw < 0.05:
        return f"{name}, as it was", whole[name]
    if draw < 0.1:
        return f"{name}, cut short", whole[name][: int(rng.integers(len(whole[name])))]
    return f"{name}, mutated", mutate(whole[name], rng)


# Zips


def zipped(entries, packing=zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of names and bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


@lru_cache(maxsize=1)
def zips() -> dict[str, bytes]:
    """Whole zips, packed in every way."""
    cells = [(f"cells/a/{n}.png", images()["png"]) for n in range(3)]
    cells += [("cells/labels.csv", b"file,label\na/0.png,a\n"), ("cells/b/x.tif", b"no image")]
    ways = {"stored": 0, "deflated": 8, "bzip2": 12, "lzma": 14}
    return {name: zipped(cells, way) for name, way in ways.items()}


def _lying(data: bytes, **sizes: int) -> bytes:
    """Write other sizes into both headers of a zip's only entry."""
    changed = bytearray(data)
    central = data.rfind(b"PK\1\2")
    places = {"packed": (18, 20), "unpacked": (22, 24)}
    for name, size in sizes.items():
        local, listed = places[name]
        changed[local : local + 4] = struct.pack("<I", size)
        changed[central + listed : central + listed + 4] = struct.pack("<I", size)
    return bytes(changed)


def _of_zeros(total: int, packing: int) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", packing, compresslevel=1) as archive,
        archive.open("a/1.png", "w") as entry,
    ):
        for _ in range(total // 10_000_000):
            entry.write(bytes(10_000_000))
    return file.getvalue()


def _link() -> bytes:
    entry = zipfile.ZipInfo("a/1.png")
    entry.external_attr = 0o120777 << 16
    return zipped([(entry, b"/etc/passwd")])


def _flagged(data) -> bytes:
    changed = bytearray(data)
    changed[6] |= 1
    changed[data.rfind(b"PK\1\2") + 8] |= 1
    return bytes(changed)


def _overlapping(png) -> bytes:
    """One entry's bytes, listed 5,000 times."""
    data = zipped([("a/1.png", png)])
    central, end = data.rfind(b"PK\1\2"), data.rfind(b"PK\5\6")
    listed = data[central:end] * 5000
    tail = struct.pack("<HHHHIIH", 0, 0, 5000, 5000, len(listed), central, 0)
    return data[:central] + listed + b"PK\5\6" + tail


def _one(**sizes) -> bytes:
    return _lying(zipped([("a/1.png", images()["png"])]), **sizes)


ZIP_BOMBS = {
    "ratio": lambda: _of_zeros(200_000_000, 8),
    "many empty entries": lambda: zipped([(f"a/{n}.png", b"") for n in range(20_000)]),
    "nested": lambda: zipped([("a/i.zip", zips()["stored"]), ("b/i.png", zips()["stored"])]),
    "NUL in a name": lambda: zipped([("a/1XX.png", images()["png"])]).replace(b"1XX", b"1\0X"),
    "way out": lambda: zipped([("../../../etc/x.png", images()["png"]), ("/abs.png", b"x")]),
    "name of 60,000 letters": lambda: zipped([("a/" + "x" * 60_000 + ".png", b"x")]),
    "two of one name": lambda: zipped([("a/1.png", b"x"), ("A/1.png", b"y")]),
    "link": lambda: _link(),
    "encrypted": lambda: _flagged(_one()),
    "overlapping": lambda: _overlapping(images()["png"]),
    "size of 4 GB": lambda: _one(unpacked=2**32 - 1),
    "packed size of 4 GB": lambda: _one(packed=2**32 - 2),
    "list of contents far away": lambda: _one()[:-6] + b"\xff\xff\xff\x7f\0\0",
    "no entries": lambda: zipped([]),
    "deflated: 1,000 bytes told, 1.5 GB inside": lambda: _lying(_of_zeros(BOMB, 8), unpacked=1000),
    "bzip2: 1,000 bytes told, 1.5 GB inside": lambda: _lying(_of_zeros(BOMB, 12), unpacked=1000),
}
"""Zips with wrong sizes, odd names, too many entries, or entries over one another."""


def _zip(rng) -> tuple[str, bytes | None]:
    whole = zips()
    draw = rng.random()
    if draw < 0.05:
        name = str(rng.choice(list(ZIP_BOMBS)))
        return name, None
    name = str(rng.choice(list(whole)))
    if draw < 0.1:
        return f"{name}, as it was", whole[name]
    if draw < 0.2:
        return f"{name}, cut short", whole[name][: int(rng.integers(len(whole[name])))]
    if draw < 0.5:  # the list of contents lies at the end
        at = whole[name].rfind(b"PK\1\2") - 200
        return f"{name}, list mutated", whole[name][:at] + mutate(whole[name][at:], rng)
    return f"{name}, mutated", mutate(whole[name], rng)


# Tables


def _table(rng) -> tuple[str, bytes]:
    rows = "".join(f"a/{n}.png;type {n % 3};slide {n % 2};patient\n" for n in range(40))
    whole = f"file;label;slide;patient\n{rows}".encode()
    bombs = {
        "quote that does not end": b'file,label\n"' + b"a,b\n" * 200_000,
        "cell of 1 MB": b"file,label\n" + b"x" * 1_000_000 + b",a\n",
        "row of a million cells": b"file,label\n" + b"," * 1_000_000 + b"\n",
        "a million rows": b"file,label\n" + b"a.png,a\n" * 1_000_000,
        "header of 100,000 columns": b"file,label" + b",x" * 100_000 + b"\n" + b"1,2\n" * 2000,
        "columns twice": b"file,file,label,label\n1,2,3,4\n",
        "UTF-16": whole.decode().encode("utf-16"),
        "NUL": whole.replace(b";", b"\0"),
        "header alone": b"file,label",
        "empty": b"",
        "BOM alone": b"\xef\xbb\xbf",
        "combining marks": ("file,label\n" + "a" + "\u0301" * 100_000 + ",x\n").encode(),
        "formulas": b"file,label\n=cmd|' /C calc'!A0,@SUM(1)\n",
        "old Mac lines": whole.replace(b"\n", b"\r"),
    }
    draw = rng.random()
    if draw < 0.1:
        name = str(rng.choice(list(bombs)))
        return name, bombs[name]
    if draw < 0.15:
        return "as it was", whole
    return "mutated", mutate(whole, rng)
