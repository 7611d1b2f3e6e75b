"""How the names in a zip are read that does not say how they are written; and zips of real life."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from celltransfer_core.data import unzip
from celltransfer_core.errors import DataError

NAMES = {
    "utf-8": ("Übergang", "große Zelle", "好中球"),
    "cp437": ("Übergang Lymphozyt", "große Zelle", "neutrófilo"),
    "cp850": ("não classificado", "células", "große Zelle"),
    "cp1252": ("Übergang Lymphozyt", "große Zelle", "éosinophile"),
    "cp1250": ("białe krwinki", "żółty"),
    "cp866": ("нейтрофил", "Эозинофил"),
    "cp1251": ("нейтрофил", "Эозинофил"),
    "cp737": ("ουδετερόφιλα", "λεμφοκύτταρα"),
    "cp932": ("好中球", "単球", "リンパ球"),
    "cp949": ("호중구", "림프구"),
    "gb18030": ("中性粒细胞", "单核细胞"),
    "cp950": ("嗜中性球", "單核球"),
}


class RawName(zipfile.ZipInfo):
    """An entry whose name is written as it is, without a word on how that is done."""

    def __init__(self, raw, extra=b""):
        super().__init__(raw.hex())
        self.raw, self.extra = raw, extra

    def _encodeFilenameFlags(self):  # noqa: N802
        return self.raw, 0


def packed_raw(names, extra=None):
    """Pack a file under each name, given as bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(RawName(name, extra(name) if extra else b""), b"x")
    return file


@pytest.mark.parametrize("page", NAMES)
def test_names_are_read_as_they_were_meant(page):
    names = [f"set/{name}/1.png" for name in NAMES[page]]
    found = list(unzip(packed_raw([name.encode(page) for name in names])))
    assert [one.name for one in found] == [name.removeprefix("set/") for name in names]
    assert [one.problem for one in found] == [""] * len(names)
    # UTF-8 is no guess: nothing else looks like it.
    assert all(bool(one.guess) == (page != "utf-8") for one in found)


def test_a_zip_that_says_how_names_are_written_is_believed():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("große Zelle/1.png", "a/2.png"):  # zipfile flags the one that is not ASCII
            archive.writestr(name, b"x")
    found = [(one.name, one.guess) for one in unzip(file)]
    assert found == [("große Zelle/1.png", ""), ("a/2.png", "")]


def test_the_unicode_path_of_info_zip_counts_while_it_is_of_this_name():
    def field(name, of=None):
        told = "gro\u00dfe Zelle/1.png".encode()
        body = b"\1" + struct.pack("<L", zlib.crc32(of or name)) + told
        return struct.pack("<HH", 0x7075, len(body)) + body

    (entry,) = unzip(packed_raw([b"gro?e Zelle/1.png".replace(b"?", b"\xe1")], field))
    assert (entry.name, entry.guess) == ("große Zelle/1.png", "")
    (entry,) = unzip(packed_raw([b"kleine/1.png"], lambda name: field(name, b"other")))
    assert entry.name == "kleine/1.png"


def test_backslashes_are_folders_but_not_those_within_a_letter():
    # The second byte of 表 in Shift-JIS is a backslash.
    file = packed_raw(["set\\好中球\\表皮.png".encode("cp932"), "set\\単球\\1.png".encode("cp932")])
    assert [one.name for one in unzip(file)] == ["好中球/表皮.png", "単球/1.png"]


@pytest.mark.parametrize(
    ("way", "reason"),
    [(9, "with Deflate64"), (93, "with Zstandard"), (95, "with XZ"), (98, "with PPMd")],
)
def test_ways_of_packing_that_are_not_read_are_named(way, reason):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/1.png", b"x")
    data = bytearray(file.getvalue())
    data[8] = data[data.index(b"PK\1\2") + 10] = way
    (entry,) = unzip(io.BytesIO(bytes(data)))
    assert entry.problem.startswith(f"is packed {reason}, which is not supported")


CASES = Path(__file__).parents[3] / "shared" / "cases"
PLAIN = {"eosinophil", "lymphocyte", "neutrophil"}
GERMAN = {"Übergang Lymphozyt", "große Zelle"}
RIGHT = {
    "01-utf8-flag": GERMAN,
    "02-macos-utf8-noflag": GERMAN,
    "04-windows-cp850": GERMAN,
    "05-windows-cp1252": GERMAN,
    "06-shiftjis": {"好中球", "単球"},
    "07-gbk": {"中性粒细胞", "单核细胞"},
    "08-plain": PLAIN,
    "17-macosx": PLAIN,
    "18-backslash": PLAIN,
    "26-masked-crops-high-ratio": PLAIN,
    "09-deflate64": "Deflate64",
    "10-zstd93": "Zstandard",
    "11-encrypted": "encrypted",
    "12-aes99": "encrypted",
    "13-nested": "an archive",
    "27-extension-missing": "no extension",
    "30-abs-paths": "absolute path",
    "31-drive-paths": "absolute path",
    "32-dotdot": "points outside",
}


NO_ZIP = {
    "14-rar-renamed": "is a RAR archive",
    "15-7z-renamed": "is a 7-Zip archive",
    "16-targz-renamed": "is a gzip archive",
    "25-truncated": "truncated",
}
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases of real life are not here")


def case(name):
    return io.BytesIO((CASES / "zips" / f"{name}.zip").read_bytes())


@needs_cases
@pytest.mark.parametrize("name", RIGHT)
def test_zips_of_real_life(name):
    found, right = list(unzip(case(name))), RIGHT[name]
    if isinstance(right, str):
        assert found
        assert all(right in one.problem for one in found)
    else:
        assert {one.problem for one in found} == {""}
        assert right <= {one.name.split("/")[0] for one in found}


@needs_cases
@pytest.mark.parametrize("name", NO_ZIP)
def test_what_is_no_zip_in_real_life(name):
    with pytest.raises(DataError, match=NO_ZIP[name]):
        list(unzip(case(name)))
