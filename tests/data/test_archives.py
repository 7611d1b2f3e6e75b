import bz2
import gzip
import io
import lzma
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.data import (
    archives,
    find_files,
    image_sizes,
    name_problem,
    read_dataset,
    unzip,
    wrapping_folder,
)
from celltransfer_core.errors import DataError


def png(value=0, side=16):
    file = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def packed(entries, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file


def taken(file, **options):
    return {entry.name: entry.data for entry in unzip(file, **options) if not entry.problem}


def problems(file):
    return {entry.name: entry.problem for entry in unzip(file) if entry.problem}


def test_nested_folders_stay_as_names_and_the_packed_folder_goes():
    file = packed([("set/a/p1/1.png", png(1)), ("set/b/2.PNG", png(2)), ("set/labels.csv", "x")])
    assert taken(file) == {"a/p1/1.png": png(1), "b/2.PNG": png(2), "labels.csv": b"x"}


def test_progress_counts_every_entry():
    found = list(unzip(packed([("a/1.png", png(1)), ("b/2.png", png(2))])))
    assert [(entry.number, entry.total) for entry in found] == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (["set/a/1.png", "set/b/2.png"], "set/"),
        (["set/1.png", "set/labels.csv"], "set/"),
        (["neutrophil/1.png", "neutrophil/2.png"], ""),
        (["a/1.png", "b/2.png"], ""),
        (["1.png", "set/a/2.png"], ""),
        ([], ""),
    ],
)
def test_a_folder_that_may_be_a_type_stays(names, folder):
    assert wrapping_folder(names) == folder


def test_other_kinds_are_told_and_what_systems_leave_behind_does_not_come():
    names = ["a/1.txt", "__MACOSX/a/._1.png", "a/.hidden.png", "a/inner.zip", "a/b/1", "a/1.gif"]
    file = packed([(name, b"x") for name in names])
    assert taken(file) == {}
    assert problems(file) == {
        "1.txt": "is no image by its name",
        "inner.zip": "is an archive by its name; unpack it, and add its content",
        "b/1": "has no extension; give the images one, such as .png",
        "1.gif": "is a GIF image by its name; save it as PNG or TIFF",
    }


def test_what_is_known_is_not_unpacked():
    asked = []

    def wanted(name, size):
        asked.append((name, size))
        return name != "a/1.png"

    file = packed([("a/1.png", png(1)), ("b/2.png", png(2))])
    assert list(taken(file, wanted=wanted)) == ["b/2.png"]
    assert asked == [("a/1.png", len(png(1))), ("b/2.png", len(png(2)))]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/cell.png", "absolute"),
        ("C:/cells/1.png", "absolute"),
        ("C:\\cells\\1.png", "absolute"),
        ("a/../../1.png", "points outside"),
        ("a\\..\\1.png", "points outside"),
        ("a/\n1.png", "printed"),
        ("a/" + "x" * 2000 + ".png", "longer"),
    ],
)
def test_path_tricks_are_refused_with_a_reason(name, reason):
    assert reason in name_problem(name)
    file = packed([("good/1.png", png()), (name, png())])
    assert list(taken(file)) == ["good/1.png"]
    assert reason in next(iter(problems(file).values()))


@pytest.mark.parametrize(
    "name", ["a/1.png", "1.png", "ein Ordner/Zelle (1).TIF", "a/é.png", "a\\1.png"]
)
def test_ordinary_names_are_kept(name):
    assert name_problem(name) == ""


@pytest.mark.parametrize("name", ["", "a/", "\ud800.png", "..", " "])
def test_names_that_are_none_are_refused(name):
    assert name_problem(name)


def test_links_are_refused():
    link = zipfile.ZipInfo("a/link.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    file = packed([(link, "/etc/passwd"), ("b/1.png", png())])
    assert "link" in problems(file)["a/link.png"]


def test_encrypted_entries_are_refused():
    file = packed([("a/1.png", png()), ("b/2.png", png())])
    data = bytearray(file.getvalue())
    data[data.index(b"PK\1\2") + 8] |= 1
    assert "encrypted" in problems(io.BytesIO(bytes(data)))["a/1.png"]


def test_a_bomb_is_refused_before_anything_is_unpacked():
    data = bytearray(packed([(f"a/{number}.bmp", bytes(4000)) for number in range(4)]).getvalue())
    at = data.index(b"PK\1\2") + 24
    data[at : at + 4] = struct.pack("<L", 4_290_000_000)
    assert "the file is over" in problems(io.BytesIO(bytes(data)))["a/0.bmp"]  # one is no bomb
    at = data.index(b"PK\1\2", at) + 24
    data[at : at + 4] = struct.pack("<L", 4_000_000_000)
    with pytest.raises(DataError, match="8,290 MB, which is implausible for a folder"):
        next(unzip(io.BytesIO(bytes(data))))


def test_cells_on_flat_black_are_no_bomb():
    cells = {f"a/{number}.bmp": bytes(500_000) + bytes([number]) for number in range(36)}
    file = packed(cells.items())
    assert len(file.getvalue()) * 400 < 36 * 500_000
    assert taken(file) == cells


def test_flat_pictures_may_pack_well():
    assert list(taken(packed([("a/1.bmp", bytes(1_000_000))]))) == ["a/1.bmp"]


def test_an_entry_that_says_it_is_small_is_not_unpacked_further():
    file = packed([("a/1.bmp", bytes(5_000_000)), ("b/2.png", png())])
    data = bytearray(file.getvalue())
    at = data.index(b"PK\1\2") + 24
    data[at : at + 4] = struct.pack("<L", 1000)
    assert "damaged" in problems(io.BytesIO(bytes(data)))["a/1.bmp"]


def test_too_many_entries_are_refused_before_they_are_listed(monkeypatch):
    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    with pytest.raises(DataError, match="more than 3 entries"):
        next(unzip(packed([(f"a/{number}.png", b"") for number in range(4)])))


def test_a_list_of_contents_that_would_fill_the_memory_is_refused():
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 3_000_000_000, 0, 0)
    with pytest.raises(DataError, match="entries"):
        next(unzip(io.BytesIO(end)))


def test_zip64_counts_are_read(monkeypatch):
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 9_000_000, 9_000_000, 0, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0, 0)
    with pytest.raises(DataError, match="entries"):
        next(unzip(io.BytesIO(record + locator + end)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"no zip at all", "damaged or truncated"),
        (b"PK\5\6", "damaged or truncated"),
        (png(), "is a PNG image, not a zip"),
        (b"Rar!\x1a\x07\x01\0" + bytes(99), "is a RAR archive, not a zip"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "is a 7-Zip archive, not a zip"),
        (gzip.compress(b"x" * 999, mtime=0), "is a gzip archive"),
        (bz2.compress(b"x"), "is a bzip2 archive"),
        (lzma.compress(b"x"), "is an XZ archive"),
        (b"a.png".ljust(257, b"\0") + b"ustar" + bytes(999), "is a tar archive"),
        (b"\n<!DOCTYPE html><html>", "is a web page"),
        (struct.pack("<4s4H2LH", b"PK\5\6", 2, 0, 1, 1, 50, 0, 0), "one part of a zip"),
    ],
)
def test_what_is_no_zip_is_said_to_be_what_it_is(data, reason):
    with pytest.raises(DataError, match=reason):
        list(unzip(io.BytesIO(data)))


def test_a_zip_that_was_cut_short_is_said_to_be():
    data = packed([(f"a/{number}.png", png(number)) for number in range(20)]).getvalue()
    with pytest.raises(DataError, match="damaged or truncated"):
        list(unzip(io.BytesIO(data[: len(data) // 2])))


def test_a_damaged_entry_leaves_the_others():
    data = bytearray(packed([("a/1.png", png(1)), ("b/2.png", png(2))]).getvalue())
    data[45] ^= 0xFF
    file = io.BytesIO(bytes(data))
    assert list(problems(file)) == ["a/1.png"]
    assert list(taken(file)) == ["b/2.png"]


def test_an_entry_is_unpacked_no_further_than_it_says():
    data = packed([("a/1.png", bytes(80_000_000)), ("b/2.png", png(2))]).getvalue()
    lying = data.replace(struct.pack("<L", 80_000_000), struct.pack("<L", 1000))
    assert lying != data
    tracemalloc.start()
    try:
        assert "damaged" in problems(io.BytesIO(lying))["a/1.png"]
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_an_entry_without_a_name_is_passed_over():
    data = packed([("x", png(1)), ("b/2.png", png(2))]).getvalue()
    assert list(taken(io.BytesIO(nameless(data)))) == ["b/2.png"]


def nameless(data):
    """Take the name of the entry ``x`` away, in its own head and in the list of contents."""
    at = data.index(b"PK\1\2")
    local = data[:26] + struct.pack("<H", 0) + data[28:30] + data[31:at]
    listed = data[at : at + 28] + struct.pack("<H", 0) + data[at + 30 : at + 46] + data[at + 47 :]
    found = bytearray(local + listed)
    second = found.index(b"PK\3\4", 4)
    entry = found.index(b"PK\1\2", found.index(b"PK\1\2") + 4)
    found[entry + 42 : entry + 46] = struct.pack("<L", second)
    end = found.index(b"PK\5\6")
    size, start = struct.unpack("<LL", found[end + 12 : end + 20])
    found[end + 12 : end + 20] = struct.pack("<LL", size - 1, start - 1)
    return bytes(found)


def test_large_tables_and_images_are_refused(monkeypatch):
    monkeypatch.setattr(archives, "MAX_TABLE", 10)
    monkeypatch.setattr("celltransfer_core.data.images.MAX_BYTES", 1000)
    file = packed([("labels.csv", "x" * 11), ("a/1.bmp", bytes(1001))], zipfile.ZIP_STORED)
    assert {"labels.csv", "a/1.bmp"} == set(problems(file))


def test_files_of_a_folder_are_found_unopened(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"not supported")
    (tmp_path / "labels.csv").write_text("file,label\n")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "out.png").symlink_to("/etc/passwd")
    (tmp_path / "metadata.csv").symlink_to("/etc/passwd")
    files, left_out = find_files(tmp_path)
    assert files == ("labels.csv", "a/1.png")
    assert [remark.file for remark in left_out] == ["notes.txt", "out.png", "metadata.csv"]


def test_image_sizes_are_read(tmp_path):
    for number, side in enumerate((16, 16, 24)):
        (tmp_path / f"{number}.png").write_bytes(png(number, side))
    dataset = read_dataset(tmp_path, workers=1)
    assert sorted(image_sizes(dataset).tolist()) == [[16, 16], [16, 16], [24, 24]]
    assert len(image_sizes(dataset, most=2)) == 2


@pytest.mark.parametrize(
    "way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_every_way_of_packing_is_unpacked(way):
    noise = np.random.default_rng(1).bytes(70_000)
    files = {
        "a/1.png": png(1),
        "a/noise.bmp": noise,
        "b/flat.bmp": bytes(70_000),
        "b/empty.png": b"",
    }
    assert taken(packed(files.items(), way)) == files


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_way_of_packing_is_unpacked_further_than_it_says(way):
    data = packed([("a/1.png", bytes(30_000_000)), ("b/2.png", png(2))], way).getvalue()
    lying = data.replace(struct.pack("<L", 30_000_000), struct.pack("<L", 1000))
    assert lying != data
    tracemalloc.start()
    try:
        assert "damaged" in problems(io.BytesIO(lying))["a/1.png"]
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert list(taken(io.BytesIO(lying))) == ["b/2.png"]


def test_an_entry_is_read_no_further_than_it_can_be_packed():
    data = packed([("a/1.png", png(1)), ("b/2.bmp", bytes(5_000_000))], zipfile.ZIP_STORED)
    lying = data.getvalue().replace(
        struct.pack("<L", 5_000_000) * 2, struct.pack("<LL", 5_000_000, 9)
    )
    tracemalloc.start()
    try:
        assert "damaged" in problems(io.BytesIO(lying))["b/2.bmp"]
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_dictionary_of_4_gb_is_not_made():
    data = bytearray(packed([("a/1.png", png(1))], zipfile.ZIP_LZMA).getvalue())
    at = data.index(b"\x5d")  # the properties; the size of the dictionary follows
    data[at + 1 : at + 5] = b"\xff" * 4
    assert taken(io.BytesIO(bytes(data))) == {"a/1.png": png(1)}


def test_a_way_of_packing_that_is_unknown_is_said_to_be():
    data = packed([("a/1.png", png(1)), ("b/2.png", png(2))]).getvalue()
    at = data.index(b"PK\1\2") + 10
    changed = data[:8] + b"\x63\0" + data[10:at] + b"\x63\0" + data[at + 2 :]
    assert "unusual method" in problems(io.BytesIO(changed))["a/1.png"]
    assert list(taken(io.BytesIO(changed))) == ["b/2.png"]


def test_entries_that_lie_over_one_another_are_refused():
    """A few kB could unpack to any number of images."""
    data = packed([("a/1.png", png(1)), ("a/2.png", png(2))]).getvalue()
    central, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    listed = data[central:end] * 500
    tail = struct.pack("<HHHHIIH", 0, 0, 1000, 1000, len(listed), central, 0)
    with pytest.raises(DataError, match="overlapping entries"):
        next(unzip(io.BytesIO(data[:central] + listed + b"PK\5\6" + tail)))


def test_names_with_nul_pass_by():
    files = [("0x.png", png(1)), ("a/0b.png", png(2)), ("NUL.png", png(3)), ("b/4.png", png(4))]
    data = packed(files).getvalue().replace(b"0x.png", b"\0x.png").replace(b"a/0b", b"a/\0b")
    assert list(taken(io.BytesIO(data))) == ["NUL.png", "b/4.png"]


def test_a_zip_behind_other_bytes_is_read():
    data = b"#!/bin/sh\n" * 20 + packed([("a/1.png", png(1)), ("b/2.png", png(2))]).getvalue()
    assert list(taken(io.BytesIO(data))) == ["a/1.png", "b/2.png"]
