"""A workbook that is made to do harm, or far too long, is refused soon."""

import io
import time
import zipfile

import pytest
from openpyxl import Workbook

from celltransfer_core.data import workbook
from celltransfer_core.data.workbook import workbook_text
from celltransfer_core.errors import DataError

SHEET = "xl/worksheets/sheet1.xml"


def changed(change):
    """A workbook whose sheet's XML is changed."""
    book = Workbook()
    book.active.append(("file", "label"))
    plain = io.BytesIO()
    book.save(plain)
    file = io.BytesIO()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name == SHEET else data)
    return file.getvalue()


def rows(cells):
    return lambda data: data.replace(b"</sheetData>", cells + b"</sheetData>")


VALUE = b'<row r="%d"><c r="%s"><v>1</v></c></row>'
HARMFUL = {
    "a bomb": (lambda data: data + b" " * 30_000_000, "would unpack to over 30 MB"),
    "rows": (rows(b"<row><c><v>1</v></c></row>" * 700_000), "too many for a workbook"),
    "a row far down": (rows(VALUE % (2_000_000_000, b"A2000000000")), "cells far from the others"),
    "a column far out": (rows(VALUE % (2, b"XFD2")), "cells far from the others"),
    "entities": (
        lambda data: b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + data,
        "declares entities, as no spreadsheet does",
    ),
    "no XML": (lambda data: data[: len(data) // 2], "is not a readable workbook"),
}


@pytest.mark.parametrize("what", HARMFUL)
def test_a_harmful_workbook_is_refused_soon(what, monkeypatch):
    monkeypatch.setattr(workbook, "MAX_UNPACKED", 30_000_000)
    monkeypatch.setattr(workbook, "LAST_ROW", 10_000)
    change, reason = HARMFUL[what]
    data = changed(change)
    started = time.process_time()
    with pytest.raises(DataError, match=reason):
        workbook_text(data)
    assert time.process_time() - started < 2


def test_a_mark_that_is_cut_in_two_is_found(monkeypatch):
    monkeypatch.setattr(workbook, "_PIECE", 7)
    with pytest.raises(DataError, match="declares entities"):
        workbook_text(changed(HARMFUL["entities"][0]))
    plain = changed(rows(b"<row><c><v>1</v></c></row>" * 9))
    assert workbook_text(plain)[0].count("\n") == 10
    monkeypatch.setattr(workbook, "MAX_TAGS", 60)
    with pytest.raises(DataError, match="too many for a workbook"):
        workbook_text(plain)


def test_a_zip_of_something_else_is_no_workbook():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(DataError, match="is not a readable workbook"):
        workbook_text(file.getvalue())
