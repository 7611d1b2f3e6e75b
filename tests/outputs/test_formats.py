import io

import pandas as pd
import pytest

from celltransfer_core.outputs import csv_bytes


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "'=x"])
def test_a_spreadsheet_takes_no_text_for_a_formula(text):
    table = pd.DataFrame({"file": [text, "a=b"], "n": [-1.5, 2.0], "yes": [True, False]})
    written = pd.read_csv(io.BytesIO(csv_bytes(table, guarded=True)))
    assert written["file"].tolist() == [f"'{text}", "a=b"]
    assert written["n"].tolist() == [-1.5, 2.0]
    assert pd.read_csv(io.BytesIO(csv_bytes(table)))["file"][0] == text
