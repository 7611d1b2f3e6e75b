"""Tables of any length are read soon, or refused with what to do."""

import time

import pytest

from celltransfer_core.data import cell_names, table_bytes, table_rows
from celltransfer_core.data.label_tables import LabelTables, read_table_texts
from celltransfer_core.data.table_bytes import TableText
from celltransfer_core.data.tables import parse_table, read_table
from celltransfer_core.errors import DataError


def test_a_hundred_thousand_rows_are_read_soon():
    names = [f"slide {n % 50}/cell {n:06d}.png" for n in range(100_000)]
    rows = "".join(f"{name},type {n % 9},s{n % 50},p{n % 20},0.1\n" for n, name in enumerate(names))
    started = time.process_time()
    found = LabelTables(
        {"labels.csv": TableText(f"file,label,slide,patient,area\n{rows}")}, "set", labelled=True
    )
    labels, left_out = found.types(names)
    slides = found.column("slide", names)
    assert time.process_time() - started < 5
    assert (len(labels), left_out, labels[names[10]], slides[51]) == (100_000, [], "type 1", "s1")


LONG = {
    "rows": ("a.png,x\n" * 1001, "has over 1,000 rows; keep those of this set"),
    "blank lines": (",\n" * 4001, "has over 4,000 lines; delete empty lines"),
    "columns": ("a.png,x" + "," * 2_000 + "\n", "has over 2,000 columns; keep file, label"),
    "value": ("a.png,x\n" + "a" + "\u0301\u0323" * 5_000 + ",x\n", "10,000 characters in row 3"),
}


@pytest.mark.parametrize("what", LONG)
def test_what_is_too_long_is_refused(what, monkeypatch):
    monkeypatch.setattr(table_rows, "MAX_ROWS", 1000)
    monkeypatch.setattr(table_rows, "MAX_LINES", 4000)
    rows, reason = LONG[what]
    with pytest.raises(DataError, match=reason):
        parse_table(f"file,label\n{rows}", "labels.csv", {"file"})
    assert len(parse_table("file,label\n" + "a.png,x\n" * 1000, "labels.csv", {"file"})) == 1000


def test_a_header_of_many_columns_is_refused_soon():
    header = "file,label" + "".join(f",x{n}" for n in range(100_000))
    started = time.process_time()
    with pytest.raises(DataError, match="over 2,000 columns"):
        parse_table(f"{header}\n" + "1,2\n" * 2000, "labels.csv", {"file"})
    assert time.process_time() - started < 1


def test_a_long_file_is_not_even_read(tmp_path, monkeypatch):
    monkeypatch.setattr(table_bytes, "MAX_TABLE", 1_000_000)
    path = tmp_path / "labels.csv"
    path.write_text("file,label\n" + "a.png,x\n" * 200_000)
    with pytest.raises(DataError, match=r"labels\.csv is over 1 MB; keep only file, label"):
        read_table_texts(tmp_path)
    with pytest.raises(DataError, match="table is over 1 MB"):
        parse_table(path.read_text(), "table", {"file"})


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("./a//b.png", "a/b.png"),
        ("a\\b.png", "a/b.png"),
        ("a/./b.png", "a/b.png"),
        ("a/b/", "a/b"),
        (" a b.png ", "a b.png"),
        ("a/.b.png", "a/.b.png"),
        ("../b.png", "../b.png"),
    ],
)
def test_names_are_tidied(name, file):
    assert cell_names.named_file(name) == file


def test_results_of_ours_may_be_of_any_length(tmp_path, monkeypatch):
    monkeypatch.setattr(table_bytes, "MAX_TABLE", 1)
    for limit in ("MAX_ROWS", "MAX_COLUMNS", "MAX_VALUE", "MAX_LINES"):
        monkeypatch.setattr(table_rows, limit, 1)
    path = tmp_path / "predictions.csv"
    path.write_text("file,cluster\n" + "a.png,x\n" * 3)
    assert len(read_table(path, {"file"})) == 3
