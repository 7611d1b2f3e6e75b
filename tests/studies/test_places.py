"""A workspace that was moved, and results that name no place."""

import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from celltransfer_core.outputs import write_images, write_run
from celltransfer_core.studies import (
    Workspace,
    load_clusters,
    load_current,
    load_map,
    load_named,
    load_prepared,
    load_result,
    save_result,
    stage_keys,
    states,
)
from celltransfer_core.studies.places import placed_in, seen_from


def exported(space, study, folder):
    """Bytes of all files that the Export page gives, and of the pictures of two cells."""
    run = load_current(space, study).run
    write_run(run, folder)
    write_images(space.pooled(study, "query"), list(run.predicted), folder / "images.zip")
    (folder / "run.json").unlink(missing_ok=True)  # holds times
    crops = load_prepared(space, study).framing.crops
    shown = [cells[0].tobytes() for cells in crops.values()]
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}, shown


def unpacked(path):
    """Bytes of a file; those of a result without its checksum and its packing."""
    data = path.read_bytes()
    return zlib.decompress(data[32:]) if path.suffix == ".joblib" else data


def test_a_moved_workspace_keeps_its_results(space, finished, tmp_path):
    before = exported(space, finished, tmp_path / "before")
    with closing(sqlite3.connect(space.folder / "studies.sqlite")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    new = tmp_path / "elsewhere" / "moved"
    new.parent.mkdir()
    space.folder.rename(new)
    moved = Workspace(new, f"sqlite:///{new / 'studies.sqlite'}")
    assert set(states(moved, finished).values()) == {"done"}
    assert all(load(moved, finished) for load in (load_map, load_clusters, load_named))
    assert exported(moved, finished, tmp_path / "after") == before
    assert not space.folder.exists()
    files = [path for path in new.rglob("*") if path.is_file()]
    names = (str(space.folder).encode(), str(new).encode())
    assert [p.name for p in files if any(name in unpacked(p) for name in names)] == []


def test_parts_that_were_shared_stay_shared(space, finished, tmp_path):
    path = space.result_path(finished, "embed", stage_keys(space, finished)["embed"])
    prepared = load_result(path)
    assert prepared.query is prepared.framing.crops["query"].dataset
    assert prepared.query.root == space.images
    away = seen_from(path.parent, prepared)
    assert away.query is away.framing.crops["query"].dataset
    assert away.query.root == Path("../../images")
    assert placed_in(path.parent, away).query == prepared.query
    assert seen_from(path.parent, {"a": (prepared,)})["a"][0].query.root == Path("../../images")


def test_a_set_that_is_no_studys_stays_where_it_is(query, tmp_path):
    result = {"query": query, "rows": np.arange(3)}
    assert seen_from(tmp_path, result) is result
    save_result(tmp_path / "a.joblib", result)
    assert load_result(tmp_path / "a.joblib")["query"] == replace(query)
