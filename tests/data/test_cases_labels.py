"""Tables as spreadsheets and other tools write them, beside real cells, where these are at hand."""

from collections import Counter
from pathlib import Path

import pytest

from celltransfer_core.data import read_dataset
from celltransfer_core.errors import DataError

CASES = Path(__file__).parents[3] / "shared" / "cases" / "labels"

FIVE_EACH = {"eosinophil": 5, "lymphocyte": 5, "neutrophil": 5}
OF_FIVE = {"große Lymphozyten": 5, "Eosinophiler Granulozyt": 5, "Übersegmentierter": 5}


def five(text):
    return {text.format(name): count for name, count in FIVE_EACH.items()}


READ = {
    "01": OF_FIVE,
    "02": OF_FIVE,
    "03": OF_FIVE,
    "19": {"1": 5, "2": 5, "3": 5},
    "20": {"Eosinophil": 5, "lymphocyte": 5, "Neutrophil": 5},
    "22": five("band {}"),
    "23": five("band {}"),
    "25": {"eosinophil": 4, "lymphocyte": 5, "neutrophil": 5},
    "27": {"eosinophil": 3, "lymphocyte": 2, "neutrophil": 3},
    "35": five("{}, mature"),
    "37": five("{}, reif"),
}
"""Cells of each type, where they are not five of each."""

SAID = {
    "02": "is not UTF-8; read as Windows-1252",
    "06": "uses the column filename as the file and class as the label",
    "07": "uses the column image as the file",
    **dict.fromkeys(("09", "10", "12", "13", "14", "15", "16", "39", "47"), "one file fits each"),
    "19": "'1.0', which counts as '1'",
    "20": "'eosinophil', which counts as 'Eosinophil'",
    "22": "'band  eosinophil', which counts as 'band eosinophil'",
    "23": "'band\\xa0eosinophil', which counts as 'band eosinophil'",
    "25": "has contradictory rows in labels.csv",
    "26": "is in a table but not in the folder",
    "27": "has no label in labels.csv",
}
REFUSED = {
    "17": r"labels\.csv, line 14: .*its type reads nan, .*\(4 files in all\).*--new-types",
    "18": r"labels\.csv, line 14: .*its type reads NA, .*--new-types",
    "29": r"labels\.csv has the column label twice \(line 1\); keep one",
    "31": r"labels\.xlsx is not an Excel workbook; save it again",
    "33": (
        r"labels\.csv has no header: line 1 reads EO_106437\.jpg,eosinophil\. Write the column "
        r"names"
    ),
    "36": r"labels\.csv, line 2, has more values than columns .*quotation marks",
    "38": r"labels\.csv needs the columns file, label; it has label eosinophil .*--label-columns",
    "40": r"labels\.csv, line 12: .*its type reads \[\"neutrophil\", \"blurry\"\], a list; rename",
    "49": r"labels\.csv, line 2: .*its type reads =1\+1, a formula; rename",
    "50": r"labels\.csv needs the columns file, label; it has none",
}
FOLDERS = sorted(CASES.iterdir()) if CASES.is_dir() else []


@pytest.mark.skipif(not FOLDERS, reason="the tables and cells are not on this machine")
@pytest.mark.parametrize("number", [f"{number:02}" for number in range(1, 51)])
def test_each_table_is_read_as_meant_or_refused_in_one_line(number):
    (folder,) = (one for one in FOLDERS if one.name.startswith(number))
    if number in REFUSED:
        with pytest.raises(DataError, match=REFUSED[number]) as raised:
            read_dataset(folder, labelled=True, workers=1)
        assert "\n" not in str(raised.value)
        return
    dataset = read_dataset(folder, labelled=True, workers=1)
    assert Counter(dataset.labels) == READ.get(number, FIVE_EACH)
    truth = {"EO": "eosinophil", "LY": "lymphocyte", "BN": "neutrophil", "\xc9o": "eosinophil"}
    if READ.get(number, FIVE_EACH) == FIVE_EACH:
        for file, label in zip(dataset.files, dataset.labels, strict=True):
            start = file.rpartition("/")[2][:2]
            assert label == truth.get(start, "eosinophil")
    said = [remark.reason for remark in (*dataset.notes, *dataset.left_out)]
    assert any(SAID.get(number, "") in reason for reason in [*said, ""])
    assert number in SAID or not said
