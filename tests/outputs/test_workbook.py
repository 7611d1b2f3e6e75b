import re

import numpy as np
import openpyxl
import pandas as pd
import pytest

from celltransfer_core.errors import OutputError
from celltransfer_core.outputs import StudyTables, workbook, write_run, write_workbook

ODD = ["=1+1", "+x", "-x", "@x", "#N/A", "2025-01-01", "007", "1-2", "TRUE", "\x01tab", "Ärztin"]


def test_texts_stay_texts_and_numbers_are_numbers(tmp_path):
    table = pd.DataFrame({"file": ODD, "n": np.arange(len(ODD)) / 3, "yes": [True] * len(ODD)})
    table.loc[0, "n"], table.loc[1, "n"] = np.nan, np.inf
    path = write_workbook({"cells": table, "more": table[:0]}, tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["cells", "more"]
    assert book["cells"].freeze_panes == "A2"
    header, *rows = book["cells"].iter_rows()
    assert [cell.value for cell in header] == ["file", "n", "yes"]
    texts = [row[0] for row in rows]
    assert [cell.value for cell in texts] == [text.replace("\x01", "\ufffd") for text in ODD]
    assert {(cell.data_type, cell.number_format) for cell in texts} == {("s", "@")}
    assert [row[1].value for row in rows[:2]] == [None, None]
    assert [row[1].value for row in rows[2:]] == pytest.approx(table["n"][2:].tolist(), rel=1e-14)
    assert {row[2].value for row in rows} == {True}


def test_excel_reads_no_name_as_a_code(tmp_path):
    write_workbook({"t": pd.DataFrame({"file": ["cell_x1024_y2048.png"]})}, tmp_path / "t.xlsx")
    (value,) = openpyxl.load_workbook(tmp_path / "t.xlsx")["t"]["A2:A2"][0]
    decoded = re.sub(r"_x([0-9A-F]{4})_", lambda code: chr(int(code[1], 16)), value.value)
    assert decoded == "cell_x1024_y2048.png"


def test_the_same_tables_give_the_same_bytes(tmp_path):
    table = pd.DataFrame({"file": ODD})
    first = write_workbook({"t": table}, tmp_path / "a.xlsx").read_bytes()
    assert write_workbook({"t": table}, tmp_path / "b.xlsx").read_bytes() == first


def test_a_table_that_no_sheet_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_ROWS", 3)
    write_workbook({"t": pd.DataFrame({"n": [1, 2]})}, tmp_path / "t.xlsx")
    with pytest.raises(OutputError, match=r"3 rows .* Use CSV or Parquet"):
        write_workbook({"t": pd.DataFrame({"n": [1, 2, 3]})}, tmp_path / "u.xlsx")
    assert [path.name for path in tmp_path.iterdir()] == ["t.xlsx"]


def test_a_run_is_written_as_a_workbook_of_all_its_tables(result, answer, tmp_path):
    reviews = [answer(0, "=blast")]
    written = write_run(result, tmp_path, "xlsx", reviews)
    assert written[-1].name == "tables.xlsx"
    tables = StudyTables(result, reviews).all()
    sheets = pd.read_excel(written[-1], sheet_name=None)
    assert [*sheets] == [*tables]
    for name, table in tables.items():
        pd.testing.assert_frame_equal(
            *(one.astype(object).where(one.notna(), "") for one in (sheets[name], table)),
            check_dtype=False,
            rtol=1e-14,
        )
