"""Tables that a spreadsheet saved again, in the ways that spreadsheets have."""

import io
from dataclasses import replace

import numpy as np
import openpyxl
import pandas as pd
import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.outputs import (
    clusters_table,
    csv_bytes,
    matches_table,
    read_answers,
    read_clusters,
    read_matches,
    reviews_table,
    write_run,
)
from celltransfer_core.outputs.entries import decimal, moment, truth, whole
from celltransfer_core.pipeline import check_contents
from celltransfer_core.vocabulary import UNSURE
from tests.conftest import ROOT

TICKS = {"en": "TRUE", "de": "WAHR", "fr": "VRAI", "it": "VERO", "one": "1", "x": "x", "yes": "Yes"}


def saved(table, *, sep=",", decimal=".", tick="TRUE", encoding="utf-8-sig", end="\r\n"):
    """Give the bytes of a table of ours as a spreadsheet saves it."""
    read = pd.read_csv(io.BytesIO(csv_bytes(table)), dtype=str, keep_default_na=False)
    for name in table.select_dtypes("float").columns:
        read[name] = read[name].str.replace(".", decimal)
    for name in table.select_dtypes(bool).columns:
        read[name] = read[name].map({"true": tick, "false": f"not {tick}" if tick == "?" else ""})
    return read.to_csv(index=False, sep=sep, lineterminator=end).encode(encoding)


FORMS = {
    "excel in English": {},
    "excel in German": {"sep": ";", "decimal": ",", "tick": "WAHR", "encoding": "cp1252"},
    "excel in French": {"sep": ";", "decimal": ",", "tick": "VRAI"},
    "excel in Italian": {"sep": ";", "decimal": ",", "tick": "VERO"},
    "excel's Unicode text": {"sep": "\t", "encoding": "utf-16"},
    "of an old Mac": {"encoding": "mac-roman", "end": "\r"},
    "by hand": {"tick": "x", "encoding": "utf-8", "end": "\n"},
    "read as Windows-1252": {"encoding": "utf-8-sig"},
}


@pytest.fixture(params=FORMS)
def save(request, tmp_path):
    """Write a table to a file as a spreadsheet does."""

    def write(table, change=lambda frame: frame):
        data = saved(change(table), **FORMS[request.param])
        if request.param == "read as Windows-1252":
            data = data.decode("cp1252").encode()
        path = tmp_path / "table.csv"
        path.write_bytes(data)
        return path

    return write


def test_confirmed_clusters_come_back(result, save):
    types = (*result.types, "Blast (Übergang)")
    names = [types[(place * 2 + 3) % len(types)] for place in range(len(result.matches))]
    table = matches_table(result).assign(matched_type=names, confirmed=True, by="Dr. Müller")
    found = read_matches(save(table), types)
    assert [one.type_name for one in found] == names
    assert [one.cluster for one in found] == result.clusters.names.tolist()
    assert [one.cells for one in found] == result.clusters.sizes.tolist()
    assert {one.by for one in found} == {"Dr. Müller"}
    assert [one.sha256 for one in found] == table["sha256"].tolist()


def test_answers_come_back(result, save, answer):
    reviews = (
        answer(3, "grosse Zelle", "Zoë"),
        replace(answer(4, UNSURE), blind=True),
        answer(5, "-x", "=Ann"),
    )
    path = save(reviews_table(result.query, reviews))
    assert read_answers(path, result.query, result.types, ["grosse Zelle", "-x"]) == reviews


def test_clusters_come_back(result, save):
    def shuffled(table):
        return table.sample(frac=1, random_state=1)[["centrality", "cluster", "sha256", "file"]]

    again = read_clusters(save(clusters_table(result), shuffled), result.query)
    np.testing.assert_array_equal(again.labels, result.clusters.labels)
    np.testing.assert_allclose(again.centrality, result.clusters.centrality, atol=1e-6)


def test_a_workbook_is_read_back_sheet_by_sheet(result, answer, tmp_path):
    reviews = (answer(3, result.types[0]), answer(4, "-x"))
    path = write_run(result, tmp_path, "xlsx", reviews)[-1]
    book = openpyxl.load_workbook(path)
    header = [cell.value for cell in book["matches"][1]]
    for row in book["matches"].iter_rows(min_row=2):
        row[header.index("confirmed")].value = True
        row[header.index("matched_type")].value = result.types[1].upper()
    book.save(path)
    found = read_matches(path, result.types)
    assert {one.type_name for one in found} == {result.types[1]}
    check_contents(found, result.clusters, result.query.cells)
    assert read_answers(path, result.query, result.types, ["-x"]) == reviews
    again = read_clusters(path, result.query)
    np.testing.assert_array_equal(again.labels, result.clusters.labels)


@pytest.mark.parametrize("tick", [*TICKS.values(), "1,0", "true", "oui", "✓"])
def test_ticks(tick):
    assert truth(tick)
    assert truth(f" {tick} ")


@pytest.mark.parametrize("tick", ["FALSE", "FALSCH", "FAUX", "FALSO", "0", "0.0", "no", "-", ""])
def test_no_tick(tick):
    assert not truth(tick)


@pytest.mark.parametrize(
    ("read", "entry"),
    [
        (truth, "perhaps"),
        (truth, "2"),
        (whole, "3.5"),
        (whole, ""),
        (whole, "inf"),
        (decimal, "nan"),
        (moment, "noon"),
        (moment, "1/2/2026"),
        (moment, "31.02.2026"),
    ],
)
def test_what_can_mean_several_things_is_not_guessed(read, entry):
    with pytest.raises(ValueError):  # noqa: PT011 (the reader of a table says what and where)
        read(entry)


MATCHES = "cluster,cells,matched_type,confirmed,by\n"


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("0,5,a,true,\n,,,true,\n,,,true,\n", {0: "a"}),  # filled down too far
        ("0,5,a,true,\n,,,,\n\n , ,,\n", {0: "a"}),
        ("3.0,5.0,a,TRUE,\n", {3: "a"}),
        ("0,,None,TRUE,\n1,, NONE ,TRUE,\n", {0: "none", 1: "none"}),
        ("0,,A,TRUE,\n1,,b  c,TRUE,\n2,,Cafe\u0301,TRUE,\n", {0: "a", 1: "B c", 2: "café"}),
        ("0,,nonsense,false,\n1,,a,1,\n", {1: "a"}),
        ("0,,'-x,yes,\n", {0: "-x"}),
    ],
)
def test_rows_are_read_as_they_were_meant(tmp_path, rows, found):
    (tmp_path / "m.csv").write_text(MATCHES + rows, encoding="utf-8")
    told = read_matches(tmp_path / "m.csv", ["a", "B c", "café", "-x"])
    assert {one.cluster: one.type_name for one in told} == found


def test_a_header_in_capitals_and_another_order(tmp_path):
    (tmp_path / "m.csv").write_text("BY;Confirmed;Matched_Type; CLUSTER\nme;Wahr;a;2,0\n")
    (found,) = read_matches(tmp_path / "m.csv", ["a"])
    assert (found.cluster, found.type_name, found.by) == (2, "a", "me")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0,,a,true,\n\n,,a,true,\n", "line 4: '' is not a cluster number"),
        ("0.5,,a,true,\n", "line 2: '0.5' is not a cluster number"),
        ("0,few,a,true,\n", "line 2: 'few' is not a number of cells"),
        ("0,,unsure,true,\n", "line 2: 'unsure' is a reserved answer and cannot name a type"),
    ],
)
def test_a_row_that_cannot_be_meant_is_named_by_its_line(tmp_path, rows, message):
    (tmp_path / "m.csv").write_text(MATCHES + rows)
    with pytest.raises(DataError, match=message):
        read_matches(tmp_path / "m.csv", ["a"])


ENGLISH = {0: "monocyte", 1: "neutrophil", 2: "eosinophil", 3: "neutrophil", 4: "neutrophil"}
GERMAN = {0: "Monozyt", 1: "Übersegmentierter", 2: "Eosinophiler"} | dict.fromkeys(
    (3, 4), "Übersegmentierter"
)
TYPES = {
    "English": ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil"),
    "German": ("Eosinophiler", "Monozyt", "großer Lymphozyt", "Übersegmentierter"),
}
CASES = {
    **dict.fromkeys(
        ("a-excel-en-TRUE", "b-excel-de-WAHR", "c-excel-fr-VRAI", "d-yes", "e-one", "f-x"), ENGLISH
    ),
    **dict.fromkeys(
        ("g-utf16", "h-cluster-float", "i-dec-comma", "j-trailing-empty-rows"), ENGLISH
    ),
    "k-None-caps": dict.fromkeys(range(5), "none"),
    "l-Type-caps": ENGLISH,
    "m-typo": (
        r"3 names are not types .*monocytes \(line 2; did you mean monocyte\?\), neutrophils "
        r"\(lines 3, 5, 6; did you mean neutrophil\?\), eosinophils \(line 4; did you mean "
        r"eosino"
    ),
    "n-reordered-cols": ENGLISH,
    "u-mojibake-saved-as-utf8": GERMAN,
    "v-excel-de-cp1252": GERMAN,
    "z-after-excel": r"2 names are not types .*#NAME\? \(line 2\), 2 \(line 3\)",
}


@pytest.mark.parametrize("name", CASES)
def test_round_trips_of_real_spreadsheets(name):
    path = ROOT.parent / "shared" / "cases" / "excel-matches" / f"{name}.csv"
    if not path.is_file():
        pytest.skip("needs the collected cases, which are not here")
    right = CASES[name]
    types = TYPES["German" if right is GERMAN else "English"]
    if isinstance(right, str):
        with pytest.raises(DataError, match=right):
            read_matches(path, types)
    else:
        assert {one.cluster: one.type_name for one in read_matches(path, types)} == right
