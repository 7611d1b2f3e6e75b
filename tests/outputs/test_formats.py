import io

import pandas as pd
import pytest

from celltransfer_core.data.formula_guard import unguarded
from celltransfer_core.outputs import csv_bytes


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "'=x", "＝1+1"])
def test_a_spreadsheet_takes_no_text_for_a_formula(text):
    table = pd.DataFrame({"file": [text, "a=b"], "n": [-1.5, 2.0], "yes": [True, False]})
    written = pd.read_csv(io.BytesIO(csv_bytes(table)))
    assert written["file"].tolist() == [f"'{text}", "a=b"]
    assert written["n"].tolist() == [-1.5, 2.0]
    assert unguarded(f"'{text}") == text
    assert table["file"][0] == text


def test_a_spreadsheet_takes_a_table_for_utf_8_and_pandas_reads_it_all_the_same():
    table = pd.DataFrame({"file": ["Blutbild_Ärztin.png", None], "n": [1, 2]})
    data = csv_bytes(table)
    assert data.startswith("\ufefffile,n\n".encode())
    for engine in ("c", "python", "pyarrow"):
        assert [*pd.read_csv(io.BytesIO(data), engine=engine).columns] == ["file", "n"]
    assert data.decode("utf-8-sig") == "file,n\nBlutbild_Ärztin.png,1\n,2\n"
