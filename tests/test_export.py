import io
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from celltransfer_core.cache import Cache
from celltransfer_core.errors import DataError, OutputError
from celltransfer_core.export import (
    check_writable,
    csv_bytes,
    differential_table,
    read_clusters,
    read_matches,
    write_atomically,
    write_run,
)
from celltransfer_core.pipeline import DEFAULT, run


@pytest.fixture(scope="module")
def result(reference, query, tmp_path_factory):
    config = replace(DEFAULT, encoders=(("colour",),), draws=1)
    return run(reference, query, config, cache=Cache(tmp_path_factory.mktemp("c")), workers=1)


@pytest.mark.parametrize("table_format", ["csv", "parquet", "h5ad"])
def test_everything_is_written_and_read_again(result, tmp_path, table_format):
    written = write_run(result, tmp_path / "new" / "folder", table_format)
    assert written[0].name == "predictions.csv"
    assert all(path.is_file() for path in written)
    assert not list(written[0].parent.glob(".*"))
    table = pd.read_csv(written[0])
    assert table["predicted_type"].tolist() == [
        dict(zip(result.query.cells, result.predicted, strict=True))[sha] for sha in table["sha256"]
    ]
    assert set(table["flagged"]) <= {True, False}
    folder = written[0].parent
    if table_format == "parquet":
        assert (
            pd.read_parquet(folder / "predictions.parquet")["file"].tolist()
            == table["file"].tolist()
        )
    if table_format == "h5ad":
        read = anndata.read_h5ad(folder / "predictions.h5ad")
        assert read.obs_names.tolist() == table["file"].tolist()
        assert read.var_names.tolist() == list(result.types)
        assert json.loads(read.uns["manifest"])["seed"] == 0


def test_arrays_are_named(result, tmp_path):
    write_run(result, tmp_path)
    scores = np.load(tmp_path / "similarity.npz")
    shape = (len(scores["clusters"]), len(scores["types"]))
    assert scores["query/cosine"].shape == (1, *shape)
    for name in ("mean_row", "count_col", "score_row", "score_col", "p"):
        assert scores[f"query/{name}"].shape == shape
    assert scores["plane/position"].shape == (sum(shape), 2)
    neighbours = np.load(tmp_path / "neighbours.npz")
    index = neighbours["colour:fgw/index"]
    assert index.shape == (result.query.n_cells, 10)
    files = neighbours["reference_files"][index[0]]
    assert all((result.reference.root / file).is_file() for file in files)


def test_confirmed_rows_come_back(result, tmp_path):
    write_run(result, tmp_path)
    path = tmp_path / "matches.csv"
    assert read_matches(path) == ()
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[2], cells[8], cells[9] = "none", "TRUE", "Dr K"
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]))
    (word,) = read_matches(path)
    assert (word.cluster, word.type_name, word.by) == (0, "none", "Dr K")
    assert word.cells == result.clusters.sizes[0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,b\n1,2\n", "needs the columns cluster, confirmed, matched_type"),
        ("cluster,matched_type,confirmed\n0,x,yes\n", "write true or false"),
        ("cluster,matched_type,confirmed\nzero,x,true\n", "no cluster number"),
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


def test_clusters_come_back_with_their_numbers(result, tmp_path):
    write_run(result, tmp_path)
    path = tmp_path / "clusters.csv"
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
        (lambda t: t.assign(cluster="x"), "holds no number"),
        (lambda t: t.assign(cluster=-1), "start at 0"),
        (lambda t: t.drop(columns="cluster"), "needs the columns cluster, file"),
    ],
)
def test_clusters_that_do_not_fit(result, tmp_path, edit, message):
    write_run(result, tmp_path)
    path = tmp_path / "clusters.csv"
    path.write_bytes(csv_bytes(edit(pd.read_csv(path))))
    with pytest.raises(DataError, match=message):
        read_clusters(path, result.query)


def test_a_slides_differential_count(result):
    table = differential_table(result)
    assert table["cells"].sum() == result.query.n_cells
    n = len(result.query.files)
    halves = tuple("s1" if i < 10 else "s2" for i in range(n))
    slides = replace(result.query, slide=halves, patient=("p",) * n)
    table = differential_table(replace(result, query=slides))
    first = table[table["slide"] == "s1"]
    assert first["cells"].sum() == 10
    assert first["percent"].sum() == pytest.approx(100)
    assert set(first["patient"]) == {"p"}
    assert ((first["low"] <= first["percent"]) & (first["percent"] <= first["high"])).all()
    none = first[first["cells"] == 0]
    # Wilson's interval for 0 of 10 at 95 %.
    assert none["high"].tolist() == pytest.approx([27.75] * len(none), abs=0.01)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="another folder with --out"):
        check_writable(tmp_path / "file" / "out")


def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "a.csv", b"old")

    def full(self, data):
        with io.FileIO(self, "w") as file:
            file.write(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match="free some space and run again"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_really_full_disk(result, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not Path("/bin/mount").exists():
        pytest.skip("needs a system with /bin/mount")
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs more rights than this user has")
    try:
        with pytest.raises(OutputError, match="free some space"):
            write_run(result, disk / "out")
    finally:
        subprocess.run(["/bin/umount", str(disk)], check=True)
