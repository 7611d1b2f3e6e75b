import csv
from collections import Counter
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.data import read_dataset
from celltransfer_core.demo import (
    CELL_TYPES,
    DRAWN_NOTICE,
    QUERY_STYLE,
    REFERENCE_STYLE,
    REFERENCE_TYPES,
    draw_demo,
    sets,
)
from celltransfer_core.demo.sets import plan_query
from celltransfer_core.errors import OutputError


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "demo"
    draw_demo(folder, reference_per_type=3, query_cells=60)
    return folder


def rows_of(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def bytes_of(folder):
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_everything_is_where_a_run_looks_for_it(demo):
    reference = read_dataset(demo / "reference", labelled=True, workers=1)
    assert Counter(reference.labels) == dict.fromkeys(REFERENCE_TYPES, 3)
    query = read_dataset(demo / "query", workers=1)
    assert len(query.files) == query.n_cells == 60
    assert reference.left_out == query.left_out == ()
    assert reference.read(0).shape == (REFERENCE_STYLE.size,) * 2 + (3,)
    assert query.read(0).shape == (QUERY_STYLE.size,) * 2 + (3,)


def test_query_has_other_types_and_proportions(demo):
    counts = Counter(row["label"] for row in rows_of(demo / "query-labels.csv"))
    assert counts.total() == 60
    assert set(REFERENCE_TYPES) - set(counts) == {"basophil", "erythroblast"}
    assert set(counts) - set(REFERENCE_TYPES) == {"plasma cell"}
    assert counts["neutrophil"] > 2 * max(
        counts[name] for name in counts if name not in {"neutrophil", "lymphocyte"}
    )
    assert counts.most_common(1)[0][0] == "neutrophil"


def test_slides_differ_and_carry_patients(demo):
    label = {row["file"]: row["label"] for row in rows_of(demo / "query-labels.csv")}
    metadata = rows_of(demo / "query" / "metadata.csv")
    assert {row["file"] for row in metadata} == set(label)
    assert {(row["slide"], row["patient"]) for row in metadata} == {
        ("slide-1", "patient-1"),
        ("slide-2", "patient-1"),
        ("slide-3", "patient-2"),
    }
    neutrophils = Counter(row["slide"] for row in metadata if label[row["file"]] == "neutrophil")
    assert neutrophils["slide-1"] > neutrophils["slide-3"]
    query = read_dataset(demo / "query", workers=1)
    assert Counter(query.slide) == {"slide-1": 20, "slide-2": 20, "slide-3": 20}


def test_nothing_in_the_query_tells_a_type(demo):
    names = sorted(path.name for path in (demo / "query").iterdir())
    assert names == [f"cell-{number:04d}.png" for number in range(1, 61)] + ["metadata.csv"]
    # Neither a name, a text in a file nor the order of the files gives a type away.
    for path in (demo / "query").iterdir():
        content = path.read_bytes()
        assert not any(name.encode() in content for name in CELL_TYPES)
    labels = [row["label"] for row in rows_of(demo / "query-labels.csv")]
    slides = [row["slide"] for row in rows_of(demo / "query" / "metadata.csv")]
    for column in (labels, slides):
        runs = 1 + sum(a != b for a, b in pairwise(column))
        assert runs > 3 * len(set(column))


def test_it_says_everywhere_that_it_is_drawn(demo):
    assert "Synthetic cells, not real ones" in DRAWN_NOTICE
    assert (demo / "README.txt").read_text(encoding="utf-8").startswith(DRAWN_NOTICE)
    for path in demo.rglob("*.png"):
        with Image.open(path) as image:
            assert image.info["Description"] == DRAWN_NOTICE


def test_seed_decides_every_byte(demo, tmp_path):
    draw_demo(tmp_path / "same", reference_per_type=3, query_cells=60)
    assert bytes_of(tmp_path / "same") == bytes_of(demo)
    draw_demo(tmp_path / "other", seed=1, reference_per_type=3, query_cells=60)
    other, first = bytes_of(tmp_path / "other"), bytes_of(demo)
    assert other.keys() == first.keys()
    assert not any(other[name] == first[name] for name in first if name.endswith(".png"))


def test_work_of_a_worker_that_died_is_done_again(demo, tmp_path, monkeypatch):
    def twice(write, jobs):
        for index, job in enumerate(jobs):
            write(job)
            yield index, write(job)

    monkeypatch.setattr(sets, "run_tasks", twice)
    draw_demo(tmp_path, reference_per_type=3, query_cells=60)
    assert bytes_of(tmp_path) == bytes_of(demo)


def test_no_two_cells_are_alike(demo):
    pictures = [name for path, name in bytes_of(demo).items() if path.endswith(".png")]
    assert len(set(pictures)) == len(pictures) == 3 * len(REFERENCE_TYPES) + 60


def test_a_folder_with_anything_in_it_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(OutputError, match="is not empty"):
        draw_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write the demonstration"):
        draw_demo(tmp_path / "file")


def test_an_empty_folder_will_do(tmp_path):
    draw_demo(tmp_path, reference_per_type=1, query_cells=1)
    assert len(list(tmp_path.rglob("*.png"))) == len(REFERENCE_TYPES) + 1


@pytest.mark.parametrize("counts", [{"reference_per_type": 0}, {"query_cells": 0}])
def test_counts_under_one_are_refused(tmp_path, counts):
    with pytest.raises(ValueError, match="at least 1"):
        draw_demo(tmp_path / "demo", **counts)
    assert not (tmp_path / "demo").exists()


def test_the_drawn_types_are_those_in_the_table(demo):
    planned = plan_query(60, np.random.default_rng(0).spawn(2)[1])
    table = {row["file"]: row["label"] for row in rows_of(demo / "query-labels.csv")}
    assert {name: kind for name, (_, kind) in planned.items()} == table
