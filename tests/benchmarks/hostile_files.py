"""Files that do harm, drawn from a seed: images, zips, tables and encoders, and their mutations."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from functools import lru_cache

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIDE = 48  # px of the images that are mutated
BOMB = 1_500_000_000  # bytes that a packed bomb holds
MAX_KEPT = 64_000  # bytes of a file that mutations may grow to
WEIGHTS = {"image": 50, "zip": 20, "table": 15, "encoder": 15}
NASTY = (b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80", b"%n", b"\r\n", b"\xfe")


def make(seed: int, number: int) -> tuple[str, str, bytes | tuple[bytes, bytes]]:
    """Draw one file: its family, what was done to it, and its bytes.

    An encoder's bytes are two: of the model and of the JSON beside it.
    """
    rng = np.random.default_rng([seed, number])
    family = str(rng.choice(list(WEIGHTS), p=np.array(list(WEIGHTS.values())) / 100))
    kinds = {"image": _image, "zip": _zip, "table": _table, "encoder": _encoder}
    kind, data = kinds[family](rng)
    return family, kind, data


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, repeat, insert or overwrite a few places."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(len(changed) + 1)) if changed else 0
        if rng.random() < 0.5:  # headers lie at the beginning
            at = min(at, int(rng.integers(1, 80)))
        way = int(rng.integers(6))
        if way == 0 and at < len(changed):
            changed[at] ^= 1 << int(rng.integers(8))
        elif way == 1 and at < len(changed):
            changed[at] = int(rng.integers(256))
        elif way == 2 and rng.random() < 0.3:
            del changed[at:]
        elif way == 3:
            changed[at:at] = changed[at : at + int(rng.integers(1, 200))]
        elif way == 4:
            changed[at:at] = NASTY[int(rng.integers(len(NASTY)))]
        else:
            piece = NASTY[int(rng.integers(len(NASTY)))]
            changed[at : at + len(piece)] = piece
    return bytes(changed[:MAX_KEPT]) if len(data) <= MAX_KEPT else bytes(changed)


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
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", scanlines), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@lru_cache(maxsize=1)
def image_bombs() -> dict[str, bytes]:
    """Small files that ask for much: sides, pages, scans, text, nested tags."""
    small = Image.new("RGB", (SIDE, SIDE))
    zeros = zlib.compress(bytes(20_000_000), 9)
    found = {
        "png of 4 gigapixels": _png(65_535, 65_535, 8, 2, zeros),
        "png of 2^31 px a side": _png(2**31 - 1, 2**31 - 1, 8, 2, zeros),
        "png of 99 megapixels, cut short": _png(9950, 9950, 8, 2, zeros),
        "png of 99 megapixels, 16 bit": _png(9950, 9950, 16, 2, zeros),
        "png longer than its sides": _png(SIDE, SIDE, 8, 2, zlib.compress(bytes(300_000_000), 9)),
        "jpeg of 64 kilopixels a side": _jpeg_of(65_500, 65_500),
        "jpeg of many scans": _many_scans(1500),
        "tiff of 3,000 pages": saved(small, "TIFF", save_all=True, append_images=[small] * 2999),
        "tiff of pages in a circle": _circle(saved(small, "TIFF")),
        "webp of 300 pages": saved(small, "WEBP", save_all=True, append_images=[small] * 299),
        "empty": b"",
        "start of a png": b"\x89PNG\r\n\x1a\n",
        "gif": saved(small, "GIF"),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>",
    }
    found["tiff of 2^32 values of a tag"] = _patched_tiff(saved(small, "TIFF"))
    found["png with text of 100 MB"] = _with_text(found["png of 4 gigapixels"])
    whole = Image.fromarray(np.zeros((9900, 9900, 3), np.uint8))
    found["png of 98 megapixels, whole"] = saved(whole, "PNG")
    return found


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


def _with_text(_) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("note", "a" * 100_000_000, zip=True)
    return saved(Image.new("RGB", (SIDE, SIDE)), "PNG", pnginfo=notes)


def _image(rng) -> tuple[str, bytes]:
    whole = images()
    name = str(rng.choice(list(whole)))
    draw = rng.random()
    if draw < 0.02:
        bombs = image_bombs()
        name = str(rng.choice(list(bombs)))
        return name, bombs[name]
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
    with zipfile.ZipFile(file, "w", packing, compresslevel=1) as archive:
        with archive.open("a/1.png", "w") as entry:
            for _ in range(total // 10_000_000):
                entry.write(bytes(10_000_000))
    return file.getvalue()


@lru_cache(maxsize=1)
def zip_bombs() -> dict[str, bytes]:
    """Zips with wrong sizes, odd names, too many entries, or entries over one another."""
    png = images()["png"]
    inner = zips()["deflated"]
    found = {
        "ratio": _of_zeros(200_000_000, 8),
        "many empty entries": zipped([(f"a/{n}.png", b"") for n in range(20_000)]),
        "nested": zipped([("a/inner.zip", inner), ("b/inner.png", inner)]),
        "NUL in a name": zipped([("a/1XX.png", png)]).replace(b"1XX", b"1\0X"),
        "way out": zipped([("../../../etc/passwd.png", png), ("/abs.png", png)]),
        "name of 60,000 letters": zipped([("a/" + "x" * 60_000 + ".png", png)]),
        "two of one name": zipped([("a/1.png", png), ("A/1.png", png)]),
        "link": _link(),
        "encrypted": _flagged(zipped([("a/1.png", png)])),
        "overlapping": _overlapping(png),
        "size of 4 GB": _lying(zipped([("a/1.png", png)]), unpacked=2**32 - 1),
        "packed size of 4 GB": _lying(zipped([("a/1.png", png)]), packed=2**32 - 2),
        "list of contents far away": zipped([("a/1.png", png)])[:-6] + b"\xff\xff\xff\x7f\0\0",
        "no entries": zipped([]),
    }
    for way, number in {"deflated": 8, "bzip2": 12}.items():
        found[f"{way}: 1,000 bytes told, {BOMB:,} inside"] = _lying(
            _of_zeros(BOMB, number), unpacked=1000
        )
    return found


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


def _zip(rng) -> tuple[str, bytes]:
    whole = zips()
    draw = rng.random()
    if draw < 0.05:
        bombs = zip_bombs()
        name = str(rng.choice(list(bombs)))
        return name, bombs[name]
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


# Encoders


def model(nodes, *, opset=17, shape=("n", 3, 8, 8), out=("n", 4), weights=()) -> bytes:
    """Return an ONNX file of these nodes, from ``x`` to ``y``."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(value, name) for name, value in weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 9
    return made.SerializeToString()


@lru_cache(maxsize=1)
def encoders() -> dict[str, bytes]:
    """Whole models: one that encodes, and others that must be refused or run astray."""
    rng = np.random.default_rng(2)
    weights = [("w", rng.normal(size=(4, 3, 3, 3)).astype(np.float32))]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    huge = [
        helper.make_node("ConstantOfShape", ["s"], ["big"]),
        helper.make_node("ReduceMean", ["big"], ["m"], keepdims=0),
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Add", ["p", "m"], ["y"]),
    ]
    wrong = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    text = [helper.make_node("NoSuchOperator", ["x"], ["y"])]
    many = [("s", np.array([40_000, 40_000], np.int64))]
    return {
        "whole": model(nodes, weights=weights),
        "no weights": model(nodes),
        "tensor of 6 GB": model(huge, out=None, weights=many),
        "shape that does not fit": model(wrong, weights=[("s", np.array([7, 5], np.int64))]),
        "unknown operator": model(text),
        "endless loop": _loop(2**62),
        "short loop": _loop(3),
        "weights outside": _outside(model(nodes, weights=weights)),
    }


def _loop(times) -> bytes:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["v", "v"], ["w"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["p"], axes=[2, 3], keepdims=0),
        helper.make_node("Loop", ["t", "c", "p"], ["l"], body=body),
        helper.make_node("Identity", ["l"], ["y"]),
    ]
    weights = [("t", np.array(times, np.int64)), ("c", np.array(True))]
    return model(nodes, out=None, weights=weights)


def _outside(data) -> bytes:
    made = onnx.load_from_string(data)
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../../etc/passwd"
    return made.SerializeToString()


def _encoder(rng) -> tuple[str, tuple[bytes, bytes]]:
    fields = {
        "name": "x", "input_size": 8, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2],
        "dim": 4, "source": "drawn", "licence": "none",
    }  # fmt: skip
    whole = encoders()
    draw = rng.random()
    name = "whole" if draw < 0.8 else str(rng.choice(list(whole)))
    dim = 3 if "loop" in name or name == "tensor of 6 GB" else 4
    described = json.dumps(fields | {"dim": dim}).encode()
    if draw >= 0.8:
        return name, (whole[name], described)
    if draw < 0.15:
        return "JSON mutated", (whole[name], mutate(described, rng))
    if draw < 0.2:
        odd = (b"[" * 100_000, b"1" * 10_000, described.replace(b"8", b"1e400"),
               described.replace(b" 8", b" 65536"), described.replace(b"0.2", b"1e-320"),
               described.replace(b'"x"', b'"\\ud800"'))  # fmt: skip
        return "odd JSON", (whole[name], odd[int(rng.integers(len(odd)))])
    if draw < 0.3:
        return "cut short", (whole[name][: int(rng.integers(len(whole[name])))], described)
    return "mutated", (mutate(whole[name], rng), described)

