from dataclasses import replace

import numpy as np
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
from celltransfer_core.pipeline import run
from celltransfer_core.runtime import Cache
from celltransfer_core.vocabulary import UNSURE


@pytest.fixture
def written(result, tmp_path):
    """The folder of a run's files."""
    write_run(result, tmp_path)
    return tmp_path


def test_confirmed_rows_come_back(result, written):
    path = written / "matches.csv"
    assert read_matches(path) == ()
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[2], cells[8], cells[9] = "none", "TRUE", "Dr K"
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]))
    (found,) = read_matches(path)
    assert (found.cluster, found.type_name, found.by) == (0, "none", "Dr K")
    assert found.cells == result.clusters.sizes[0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,b\n1,2\n", "needs the columns cluster, confirmed, matched_type"),
        ("cluster,matched_type,confirmed\n0,x,perhaps\n", "line 2: confirmed .* write true or"),
        ("cluster,matched_type,confirmed\nzero,x,true\n", "not a cluster number"),
        ("cluster,matched_type,confirmed\n0,,true\n", "without a matched_type"),
        ("cluster,matched_type,confirmed\n0,x,true\n0,y,true\n", "twice"),
    ],
)
def test_matches_that_cannot_be_read(tmp_path, rows, message):
    (tmp_path / "m.csv").write_text(rows)
    with pytest.raises(DataError, match=message):
        read_matches(tmp_path / "m.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_matches(tmp_path / "gone.csv")


def test_clusters_come_back_with_their_numbers(result, written, tmp_path):
    path = written / "clusters.csv"
    again = read_clusters(path, result.query)
    np.testing.assert_array_equal(again.labels, result.clusters.labels)
    np.testing.assert_allclose(again.centrality, result.clusters.centrality, atol=1e-6)
    table = pd.read_csv(path)
    table["cluster"] = table["cluster"].where(table["cluster"] != 0, 7)
    path.write_bytes(csv_bytes(table))
    moved = read_clusters(path, result.query)
    assert 7 in moved.names
    assert 0 not in moved.names
    pinned = run(
        result.reference, result.query, result.config, clusters=moved, cache=Cache(tmp_path / "c")
    )
    np.testing.assert_array_equal(pinned.clusters.names, moved.names)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t[1:], "has no cluster for 1 of 30 cells"),
        (lambda t: t.assign(cluster="x"), "has no number"),
        (lambda t: t.assign(cluster=-1), "start at 0"),
        (lambda t: t.drop(columns="cluster"), "needs the columns cluster, file"),
        (lambda t: t.assign(sha256="0" * 64), "is another image now"),
        (lambda t: pd.concat([t, t[:1].assign(cluster=99)]), "to two clusters; keep one row"),
    ],
)
def test_clusters_that_do_not_fit(result, written, edit, message):
    path = written / "clusters.csv"
    path.write_bytes(csv_bytes(edit(pd.read_csv(path))))
    with pytest.raises(DataError, match=message):
        read_clusters(path, result.query)


def test_guarded_names_come_back(result, tmp_path):
    files = tuple(f"=f-{number}.png" for number in range(len(result.query.files)))
    query = replace(result.query, files=files)
    odd = replace(result, query=query)
    path = tmp_path / "clusters.csv"
    path.write_bytes(csv_bytes(clusters_table(odd)))
    np.testing.assert_array_equal(read_clusters(path, query).labels, result.clusters.labels)
    table = matches_table(result).assign(matched_type="+x", confirmed="true", by="@me")
    path.write_bytes(csv_bytes(table))
    assert {(one.type_name, one.by) for one in read_matches(path)} == {("+x", "@me")}


def test_answers_come_back(result, tmp_path, answer):
    reviews = (answer(3, "=new"), replace(answer(4, UNSURE), blind=True))
    (tmp_path / "r.csv").write_bytes(csv_bytes(reviews_table(result.query, reviews)))
    found = read_answers(tmp_path / "r.csv", result.query, result.types, ["=new"])
    assert found == reviews


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("file", "elsewhere.png", "not in the query"),
        ("reader", "", "the reader is missing"),
        ("time", "noon", "not a time"),
        ("type", "disputed", "cannot name a type"),
        ("type", "", "has no type; write one"),
        ("blind", "maybe", "write true or false"),
        ("type", None, "type"),
    ],
)
def test_answers_that_do_not_fit(result, tmp_path, column, value, message, answer):
    table = reviews_table(result.query, [answer(3, result.types[0])])
    table["sha256"] = ""
    table[column] = value
    table = table if value is not None else table.drop(columns=column)
    (tmp_path / "r.csv").write_bytes(csv_bytes(table))
    with pytest.raises(DataError, match=message):
        read_answers(tmp_path / "r.csv", result.query, result.types)
