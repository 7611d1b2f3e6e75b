"""A table of labels in each form that programs write: read as meant, or refused in one line."""

import csv
import io

import pytest
from openpyxl import Workbook

from celltransfer_core.data import read_dataset
from celltransfer_core.data.table_bytes import decode_table
from celltransfer_core.data.table_rows import read_header
from celltransfer_core.data.tables import parse_table, table_problem
from celltransfer_core.errors import DataError
from tests.studies.samples import png

ROWS = [("file", "label"), ("1.png", "große Zelle"), ("2.png", "Ödem, reif")]
NEEDS = ("file", "label")


def written(rows=ROWS, separator=",", ends="\n"):
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator=ends).writerows(rows)
    return file.getvalue()


def sheet(rows=ROWS, **others):
    book = Workbook()
    book.active.title = "cells"
    for row in rows:
        book.active.append(row)
    for name, lines in others.items():
        for row in lines:
            (book[name] if name in book.sheetnames else book.create_sheet(name)).append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read(data, name="labels.csv", columns=None):
    """Rows of a table as (file, label), from its bytes."""
    text = decode_table(data, name).text
    return [(row["file"], row["label"]) for row in parse_table(text, name, NEEDS, columns)]


FORMS = {
    "plain": written().encode(),
    "Excel, German": b"\xef\xbb\xbf" + written(separator=";", ends="\r\n").encode(),
    "Excel, Unicode text": written(separator="\t", ends="\r\n").encode("utf-16"),
    "UTF-16, most significant first": b"\xfe\xff" + written().encode("utf-16-be"),
    "UTF-16 without a mark": written().encode("utf-16-le"),
    "UTF-32": written().encode("utf-32"),
    "Windows": written(separator=";", ends="\r\n").encode("cp1252"),
    "old Mac": written(separator=";", ends="\r").encode("mac-roman"),
    "sep=": ("sep=;\r\n" + written(separator=";", ends="\r\n")).encode(),
    "sep= with separators": ('"sep=|"||\n' + written(separator="|")).encode(),
    "sep= with a tab": ("sep=\t\n" + written(separator="\t")).encode(),
    "pipes": written(separator="|").encode(),
    "tabs": written(separator="\t").encode(),
    "header in capitals": written([("FILE", " Label "), *ROWS[1:]]).encode(),
    "blank lines": ("\n\n" + written() + ",\n" * 500).encode(),
    "zero bytes behind": written().encode() + b"\0" * 300,
    "remarks": ("# exported by LIMS, \"v2\n# 3 May\n" + written()).encode(),
    "header behind a #": ("#" + written(separator="\t")).encode(),
    "title": ("Counts of May;;\n;;\n" + written(separator=";")).encode(),
    "index": written([(str(n - 1) * (n > 0), *row) for n, row in enumerate(ROWS)]).encode(),
    "blanks around": (
        '"File" , "Label"\n"1.png" , "große Zelle"\n"2.png" ,  "Ödem, reif" \n'
    ).encode(),
    "workbook": sheet(),
    "workbook below a title": sheet([("Counts of May",), (), *ROWS]),
    "workbook with remarks": sheet(ROWS, remarks=[("by", "Ann")]),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_as_it_is_meant(form):
    assert read(FORMS[form], "labels.xlsx" if "workbook" in form else "labels.csv") == ROWS[1:]


def test_what_is_no_utf_8_is_said():
    assert "Windows-1252" in decode_table(FORMS["Windows"], "labels.csv").note
    assert "Mac Roman" in decode_table(FORMS["old Mac"], "labels.csv").note
    assert decode_table(FORMS["Excel, Unicode text"], "labels.csv").note == ""
    assert "cells is read" in decode_table(FORMS["workbook with remarks"], "labels.xlsx").note


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("file,label\n1.png,Лимфоцит\n".encode("cp1251"), "labels.csv is not UTF-8 text; save"),
        ("file,label\n1.png,リンパ球\n".encode("shift-jis"), "labels.csv is not UTF-8 text; save"),
        (written().encode("utf-16")[:-1], "labels.csv is not UTF-8 text; save"),
        (b"file,label\n1.png,a\0b\n", "labels.csv, line 2, holds a zero byte"),
        (b"file,label\n1.png,a\n2.png,b, c\n", "labels.csv, line 3, has more values than columns"),
        (b"sep=;\n\nfile;label\n1.png;a\n\n2.png;b;c\n", "labels.csv, line 6, has more values"),
        (b"file,label,Label\n1.png,a,b\n", "has the column label twice (line 1)"),
        (b"# x\nfile,label,slide,slide\n1.png,a,b,c\n", "has the column slide twice (line 2)"),
        (b'file,label\n1.png,a\n2.png,"b\n3.png,c\n', "labels.csv is not a table (line 3: "),
        (
            b"1.png,a\n2.png,b\n",
            "has no header: line 1 reads 1.png,a. Write the column names above it",
        ),
        (b"", "needs the columns file, label; it has none"),
        (b"label x y\na 1 2\n", "needs the columns file, label; it has label x y (line 1)"),
        (b"file,kind\n1.png,a\n", "it has file, kind (line 1). Write label above"),
        (b"image,path,label\n1,1.png,a\n", "several columns that may be the file: image, path"),
        (b"file,class,type\n1.png,a,b\n", "several columns that may be the label: class, type"),
        (b"PK\3\4 but no zip", "labels.csv is not a readable workbook"),
        (b"\xd0\xcf\x11\xe0 old", "labels.csv is an old .xls file or password-protected"),
    ],
)
def test_what_is_unclear_is_refused_in_one_line_with_what_to_do(data, reason):
    text = decode_table(data, "labels.csv").text
    problem = table_problem(text, "labels.csv", NEEDS)
    assert reason in problem
    assert "\n" not in problem


def test_text_by_the_name_of_a_workbook_is_refused():
    problem = table_problem(decode_table(written().encode(), "labels.xlsx").text, "x", NEEDS)
    assert problem == "x is not an Excel workbook; save it again, or as CSV (UTF-8)."


@pytest.mark.parametrize(
    "header",
    [
        ("filename", "class"),
        ("ImageID", "Type"),
        ("Image Name", "Cell Type"),
        ("Image_FileName_DNA", "classification"),
        ("image", "choice"),
    ],
)
def test_columns_that_are_unmistakable_are_taken_and_said(header, tmp_path):
    rows = [(*header, "area"), *((*row, "3") for row in ROWS[1:])]
    assert read(written(rows).encode()) == ROWS[1:]
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(png(int(name[0])))
    (tmp_path / "labels.csv").write_text(written(rows), encoding="utf-8")
    (note,) = read_dataset(tmp_path, labelled=True, workers=1).notes
    assert f"uses the column {header[0]} as the file and {header[1]} as the label" in note.reason


def test_a_column_of_the_name_itself_leaves_others_aside():
    rows = [("image", "file", "type", "label"), ("x", "1.png", "y", "a")]
    assert read(written(rows).encode()) == [("1.png", "a")]


def test_columns_can_be_chosen():
    rows = [("image", "path", "type", "label"), ("0", "1.png", "a", "3")]
    chosen = {"file": "path", "label": "Type"}
    assert read(written(rows).encode(), columns=chosen) == [("1.png", "a")]
    header = read_header(written(rows), NEEDS, {})
    assert (header.columns, header.counts) == (rows[0], {"label": "label"})
    assert read_header(written(rows), NEEDS, chosen).counts == {"file": "path", "label": "type"}
    with pytest.raises(DataError, match="needs the columns file, label"):
        read(written(rows).encode(), columns={"file": "gone", "label": "type"})


def test_values_of_a_workbook_are_what_the_spreadsheet_shows():
    rows = [("file", "label"), (139845, 1.0), ("b.png", True), ("c.png", 2.5), ("d.png", "a\nb")]
    found = read(sheet(rows), "labels.xlsx")
    assert found == [("139845", "1"), ("b.png", "TRUE"), ("c.png", "2.5"), ("d.png", "a b")]


def test_several_sheets_with_files_are_not_chosen_among():
    problem = table_problem(decode_table(sheet(ROWS, more=ROWS), "x").text, "x", NEEDS)
    assert problem == "x has several sheets with content (cells, more); keep one."
