from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.benchmark import read_pairs
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation import inconsistencies, printed, read_tables

HEAD = "table,reference,query,method,ot,filtering,metric,value,std\n"


@pytest.fixture(scope="module")
def tables():
    return read_tables()


def value(tables, table, method, ot, metric, filtering="true"):
    found = [
        one.value
        for one in tables
        if (one.table, *one.key) == (table, method, ot, filtering, metric)
    ]
    assert len(found) == 1
    return found[0]


def test_every_table_is_whole(tables):
    rows = {number: sum(one.table == number for one in tables) for number in range(1, 24)}
    assert rows[1] == rows[2] == 12
    assert rows[8] == 20
    assert {rows[number] for number in range(3, 8)} == {16 * 6 + 2}
    assert {rows[number] for number in range(9, 24)} == {15 * 6 + 2}


def test_cells_as_printed(tables):
    assert value(tables, 9, "knn:dinobloom", "fgw-paper", "accuracy") == 84.84
    assert value(tables, 12, "ensemble", "none", "f1") == 89.30
    assert value(tables, 23, "knn:vitmae", "none", "f1") == 24.56
    assert value(tables, 4, "ensemble-linear", "fgw-paper", "delta_f1") == 6.47
    assert value(tables, 18, "knn:dinov2+convnext+vitmae", "fgw-paper", "accuracy") == 67.70
    assert value(tables, 8, "ensemble-nmtune", "none", "accuracy", "false") == 50.59
    assert value(tables, 20, "mean", "fgw-paper", "delta_accuracy") == 5.74
    assert [o.std for o in tables if o.table == 7 and o.key[0] == "ensemble"][:2] == [6.86, 4.84]
    ours = [o for o in tables if o.table == 2 and o.method == "clusters:node-degree"]
    assert [o.text for o in ours if o.query == "PBC"] == ["0, 1, 2, 3, 4, 6", "79.49"]


def test_sets_are_called_as_in_the_file_of_pairs(tables):
    names = set(read_pairs("assets/benchmarks/paper.toml").sets)
    for one in tables:
        for name in (one.query, *one.reference.split(" (combination")[0].split("+")):
            assert name in names | {"*"}


def test_a_pairs_figures_each_once(tables):
    figures = printed(tables, "pbc", "wbc")
    assert len(figures) == 15 * 4
    assert {one.table for one in figures} == {9}
    assert {one.metric for one in figures} == {"accuracy", "f1"}
    # The appendix has no linear probe: that is taken from section 5.2.
    live = printed(tables, "Lionheart (3 classes)", "Nanolive (3 classes)")
    assert len(live) == 16 * 4
    assert {one.table for one in live if one.method == "ensemble-linear"} == {3}
    assert {one.table for one in live if one.method != "ensemble-linear"} == {23}
    assert {one.table for one in printed(tables, "WBC+PBC", "LISC", 18)} == {18}
    assert printed(tables, "WBC+PBC", "LISC") == ()


def test_the_papers_tables_agree_but_for_rounding(tables):
    assert inconsistencies(tables) == ()
    hundredths = inconsistencies(tables, tolerance=0.006)
    assert hundredths
    assert all(abs(fault.printed - fault.recomputed) < 0.0151 for fault in hundredths)


@pytest.mark.parametrize("table", [3, 4, 5, 6])
def test_the_last_rows_means_leave_the_linear_probe_out(tables, table):
    """Section 5.2 speaks of all rows; with that of the linear probe the means are others."""
    every = [
        one.value
        for one in tables
        if one.table == table and one.metric == "delta_accuracy" and one.method != "mean"
    ]
    mean = value(tables, table, "mean", "fgw-paper", "delta_accuracy")
    assert abs(np.mean(every) - mean) > 0.03


def plant(tables, wanted, number):
    return tuple(
        replace(one, value=number, text=str(number)) if (one.table, *one.key) == wanted else one
        for one in tables
    )


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ((9, "knn:sam", "fgw-paper", "true", "delta_f1"), "the cells beside it"),
        ((14, "mean", "fgw-paper", "true", "delta_accuracy"), "the differences above it"),
        ((5, "knn:swin", "none", "true", "accuracy"), "Table 17, which prints it again"),
        ((7, "knn:clip", "none", "true", "f1"), "Tables 3 to 6"),
        ((8, "ensemble", "none", "true", "f1"), "15 tables of the appendix"),
    ],
)
def test_planted_faults_are_found(tables, wanted, said):
    faults = inconsistencies(plant(tables, wanted, 33.33))
    assert any(fault.table == wanted[0] and said in str(fault) for fault in faults)


def test_a_wrong_deviation_is_found(tables):
    wrong = tuple(
        replace(one, std=1.0) if one.table == 7 and one.key[0] == "ensemble" else one
        for one in tables
    )
    faults = inconsistencies(wrong)
    assert {fault.source for fault in faults} == {"the spread of Tables 3 to 6"}


def test_files_that_cannot_be_read(tmp_path):
    path = tmp_path / "tables.csv"
    path.write_text(HEAD.replace(",std", ""))
    with pytest.raises(DataError, match="std"):
        read_tables(path)
    path.write_text(HEAD + "9,PBC,WBC,ensemble,none,true,accuracy,many,\n")
    with pytest.raises(DataError, match="line 2"):
        read_tables(path)
