import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltransfer_core.errors import OutputError
from celltransfer_core.outputs import manifest, reviewed_table, write_h5ad, write_run
from celltransfer_core.vocabulary import ARTEFACT


@pytest.mark.parametrize("table_format", ["csv", "parquet", "h5ad"])
def test_everything_is_written_and_read_again(result, tmp_path, table_format):
    if table_format == "h5ad":
        anndata = pytest.importorskip("anndata", reason="needs the extra formats")
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


def test_reviews_in_h5ad(result, tmp_path, answer):
    table = reviewed_table(result, [answer(0, ARTEFACT)])
    anndata = pytest.importorskip("anndata", reason="needs the extra formats")
    read = anndata.read_h5ad(write_h5ad(table, manifest(result), tmp_path / "x.h5ad"))
    assert (read.obs["final_type"] == ARTEFACT).sum() == 1
    assert read.X.shape == (len(table), len(result.types))
