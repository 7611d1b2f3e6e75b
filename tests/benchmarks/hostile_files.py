"""Malicious files drawn from a seed: images, zip files, tables, encoders, and their mutations."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from tests.benchmarks.hostile_bombs import HUGE, IMAGE_BOMBS, flat_webp
from tests.benchmarks.hostile_encoders import draw_encoder
from tests.benchmarks.hostile_images import images
from tests.benchmarks.hostile_mutations import mutate

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


def bomb(family: str, name: str, folder: Path) -> bytes:
    """Return a file of :data:`IMAGE_BOMBS` or :data:`ZIP_BOMBS`, drawn once a folder."""
    bombs = {"image": IMAGE_BOMBS, "zip": ZIP_BOMBS}[family]
    path = folder / f"{family} {list(bombs).index(name)}"
    if not path.is_file():
        path.write_bytes(bombs[name]())
    return path.read_bytes()


# Images


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
        return f"{name}, truncated", whole[name][: int(rng.integers(len(whole[name])))]
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


def _overlapping(png, times=5000) -> bytes:
    """One entry's bytes, listed again and again."""
    data = zipped([("a/1.png", png)])
    central, end = data.rfind(b"PK\1\2"), data.rfind(b"PK\5\6")
    listed = data[central:end] * times
    tail = struct.pack("<HHHHIIH", 0, 0, times, times, len(listed), central, 0)
    return data[:central] + listed + b"PK\5\6" + tail


def _wide_lzma() -> bytes:
    data = bytearray(zipped([("a/1.png", images()["png"])], 14))
    at = data.find(b"\x5d")  # its properties; the dictionary's size follows
    data[at + 1 : at + 5] = b"\xff" * 4
    return bytes(data)


def _tables(times) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        return zipped([("labels.csv", b"x" * 10_000 + bytes(9_000))] * times)


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
    "overlapping in 6 kB, hours of them": lambda: _overlapping(flat_webp(5000), 130),
    "LZMA: 1,000 bytes told, 300 MB inside": lambda: _lying(_of_zeros(HUGE, 14), unpacked=1000),
    "LZMA with a dictionary of 4 GB": lambda: _wide_lzma(),
    "20,000 tables of one name": lambda: _tables(20_000),
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
        return f"{name}, truncated", whole[name][: int(rng.integers(len(whole[name])))]
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
