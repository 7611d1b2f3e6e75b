import csv
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.data import read_dataset
from celltransfer_core.demo import (
    CELL_TYPES,
    QUERY_STYLE,
    REFERENCE_STYLE,
    REFERENCE_TYPES,
    draw_cell,
    sets,
)
from celltransfer_core.demo.sets import DRAWN_NOTICE, _planned, draw_demo
from celltransfer_core.errors import OutputError
from celltransfer_core.framing import find_nucleus
from celltransfer_core.studies import (
    DEMO_NAME,
    DEMO_READER,
    Workspace,
    bring_up_to,
    demo as demo_study,
    fill_demo,
    introduce_demo,
    load_named,
    open_demo,
    states,
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "demo"
    draw_demo(folder, reference_per_type=3, query_cells=60)
    return folder


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
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
    assert "Drawn cells, not real ones" in DRAWN_NOTICE
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


@pytest.mark.parametrize(
    ("style", "name"), [(REFERENCE_STYLE, "reference"), (QUERY_STYLE, "query")]
)
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_nuclei_are_found_near_the_middle(cell_type, style, name):
    rng = np.random.default_rng(11)
    nuclei = [find_nucleus(draw_cell(cell_type, rng, style)) for _ in range(8)]
    assert all(nucleus is not None for nucleus in nuclei), name
    middle = style.size / 2
    # An eccentric nucleus and a cell off the centre: 6 % of the side, and half a cell's radius.
    reach = 0.06 * style.size + 5 / style.um_per_px
    assert all(np.hypot(n.x - middle, n.y - middle) < reach for n in nuclei)
    extent = np.median([n.extent for n in nuclei]) * style.um_per_px
    assert 3 < extent < 12


def test_types_have_their_marks():
    rng = np.random.default_rng(5)
    style = replace(REFERENCE_STYLE, noise=0.0, blur=(0.0, 0.0))

    def colours(cell_type):
        """Return the mean RGB of what is coloured but no nucleus in the middle of ten cells."""
        pixels = []
        for _ in range(10):
            middle = draw_cell(cell_type, rng, style)[36:76, 36:76].reshape(-1, 3).astype(float)
            pixels.append(middle[(middle[:, 1] > 90) & (middle[:, 1] < 225)])
        return np.concatenate(pixels).mean(axis=0)

    def nucleus(cell_type):
        """Return the mean size of a nucleus, µm²."""
        dark = [(draw_cell(cell_type, rng, style)[..., 1] < 90).sum() for _ in range(10)]
        return float(np.mean(dark)) * style.um_per_px**2

    eosinophil, neutrophil = colours("eosinophil"), colours("neutrophil")
    assert eosinophil[2] < neutrophil[2] - 30  # orange granules against pale pink
    assert colours("monocyte")[0] < neutrophil[0] - 20  # grey-blue cytoplasm
    assert nucleus("erythroblast") < 0.75 * nucleus("lymphocyte")
    assert nucleus("lymphocyte") < 1.2 * nucleus("monocyte")


def test_query_looks_like_another_microscope():
    rng = np.random.default_rng(3)

    def drawn(style):
        return np.stack([draw_cell("neutrophil", rng, style) for _ in range(6)]).astype(float)

    reference, query = drawn(REFERENCE_STYLE), drawn(QUERY_STYLE)
    yellow = [float(np.median(s[..., 0] - s[..., 2])) for s in (reference, query)]
    assert yellow[1] > yellow[0] + 30
    steps = [np.abs(np.diff(s[..., 1], axis=2)).max(axis=(1, 2)).mean() for s in (reference, query)]
    assert steps[1] < 0.7 * steps[0]  # blurred


def test_draw_cell_repeats_and_knows_its_types():
    first, again = (draw_cell("monocyte", np.random.default_rng(2)) for _ in range(2))
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    with pytest.raises(ValueError, match="monocyte"):
        draw_cell("unicorn", np.random.default_rng(2))


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


@pytest.fixture
def small(monkeypatch, home):
    """Make a workspace in which the demo study is a small one."""
    monkeypatch.setattr(demo_study, "PER_TYPE", 6)
    monkeypatch.setattr(demo_study, "QUERY_CELLS", 60)
    return Workspace()


def test_the_demo_study_is_made_once(small):
    study = open_demo(small)
    assert (study.name, study.drawn) == (DEMO_NAME, True)
    assert [s.role for s in small.sets(study.id)] == ["reference", "query"]
    small.create("Another")
    small.duplicate(study.id, "Copy")
    small.rename(study.id, "Mine now")
    assert open_demo(small).id == study.id


def test_a_deleted_demo_comes_back(small):
    study = open_demo(small)
    small.delete(study.id)
    assert open_demo(small).id == study.id
    assert [one.id for one in small.studies()] == [study.id]


def test_the_demo_is_filled_once_and_leaves_nothing_beside_it(small):
    study = open_demo(small).id
    before = {path.name for path in small.folder.iterdir()}
    fill_demo(small, study)
    query = small.pooled(study, "query")
    assert query.n_cells == 60
    assert set(query.slide) == {"slide-1", "slide-2", "slide-3"}
    assert Counter(small.pooled(study, "reference").labels) == dict.fromkeys(REFERENCE_TYPES, 6)
    assert {path.name for path in small.folder.iterdir()} == before
    revisions = [s.revision for s in small.sets(study)]
    fill_demo(small, study)
    assert [s.revision for s in small.sets(study)] == revisions


def test_the_ready_words_are_true_and_leave_something_to_do(small, tmp_path):
    study = open_demo(small).id
    small.set_options(study, {"encoders": [["colour", "shape"]], "draws": 1})
    bring_up_to(small, study, "classify", lambda *_: None)
    assert set(states(small, study).values()) == {"done"}
    query = small.pooled(study, "query")
    truth = {
        file: kind for file, (_, kind) in _planned(60, np.random.default_rng(0).spawn(2)[1]).items()
    }
    drawn_as = {c: truth[f] for c, f in zip(query.cells, query.first_file, strict=True)}

    named, standing = load_named(small, study)
    assert 0 < len(standing) < len(named.matches)
    for word in standing:
        assert word.share == 1
        assert word.confirmation.by == DEMO_READER
        inside = named.clusters.names[named.clusters.labels] == word.confirmation.cluster
        kinds = Counter(drawn_as[query.cells[cell]] for cell in np.flatnonzero(inside))
        assert kinds.most_common(1)[0][0] == word.confirmation.type_name
    reviews = [decision.payload for decision in small.decisions(study, "review")]
    assert len(reviews) == 12
    assert sum(review["blind"] for review in reviews) == 8
    for review in reviews:
        kind = drawn_as[review["cell"]]
        assert review["answer"] == (kind if kind in REFERENCE_TYPES else "unsure")

    # What a person took back does not come again with the next run.
    said = len(small.decisions(study))
    small.set_options(study, {"encoders": [["colour", "shape"]], "draws": 1, "alignment": "none"})
    bring_up_to(small, study, "classify", lambda *_: None)
    assert len(small.decisions(study)) == said


def test_the_drawn_types_are_those_in_the_table(demo):
    planned = _planned(60, np.random.default_rng(0).spawn(2)[1])
    table = {row["file"]: row["label"] for row in rows_of(demo / "query-labels.csv")}
    assert {name: kind for name, (_, kind) in planned.items()} == table


def test_nothing_is_said_of_a_query_that_is_gone(small):
    study = open_demo(small).id
    introduce_demo(small, study, None)
    assert small.decisions(study) == ()
