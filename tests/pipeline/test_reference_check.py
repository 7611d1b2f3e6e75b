import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from celltransfer_core.data import read_dataset
from celltransfer_core.errors import DataError
from celltransfer_core.outputs import Mended, check_table, csv_bytes, labels_table
from celltransfer_core.pipeline import check_labels, check_reference
from tests.pipeline.samples import FAST

SWAPPED = 8


@pytest.fixture(scope="module")
def mistaken(reference):
    """The drawn reference with one wrong label."""
    labels = list(reference.labels)
    labels[SWAPPED] = "neutrophil" if labels[SWAPPED] != "neutrophil" else "lymphocyte"
    return replace(reference, labels=tuple(labels))


@pytest.fixture(scope="module")
def found(mistaken, store):
    return check_reference(mistaken, FAST, cache=store, workers=1)


def test_a_wrong_label_comes_first_with_the_right_one_proposed(found, reference):
    cell = reference.sha256[SWAPPED]
    first = int(found.order[0])
    assert found.reference.cells[first] == cell
    assert first in found.suspects
    assert found.reasons[first] == ("label",)
    assert found.proposed[first] == reference.labels[SWAPPED]
    near = found.reference.cell_labels[found.neighbours[first]]
    assert (near == reference.labels[SWAPPED]).sum() > len(near) / 2
    assert first not in found.neighbours[first]


def test_a_check_is_the_same_again(found, mistaken, store):
    again = check_reference(mistaken, FAST, cache=store, workers=1)
    assert again.score.tobytes() == found.score.tobytes()


def test_a_cell_unlike_all_others_wants_a_look_after_the_wrong_labels(reference, rng):
    X = rng.normal(size=(reference.n_cells, 4)).astype(np.float32)
    for number, name in enumerate(np.unique(reference.cell_labels)):
        X[reference.cell_labels == name, number] += 9
    X[5] += 400 * np.eye(4, dtype=np.float32)[3]
    found = check_labels([X], reference)
    assert found.reasons[5] == ("outlier",)
    assert found.score[5] >= 0.5
    assert found.suspects.tolist() == [5]


def test_a_blurred_picture_wants_a_look(drawn, store, tmp_path):
    shutil.copytree(drawn / "reference", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "neutrophil" / "4.png"
    Image.open(path).filter(ImageFilter.GaussianBlur(4)).save(path)
    dataset = read_dataset(tmp_path, labelled=True, workers=1)
    found = check_reference(dataset, FAST, cache=store, workers=1)
    cell = dataset.first_file.index("neutrophil/4.png")
    assert "blurred" in found.reasons[cell]
    assert cell in found.suspects
    assert found.score[cell] >= 0.5


def test_nearly_the_same_image_under_two_labels_comes_first(drawn, tmp_path, rng):
    shutil.copytree(drawn / "reference", tmp_path, dirs_exist_ok=True)
    kept = tmp_path / "lymphocyte" / "3.png"
    copy = tmp_path / "neutrophil" / "copy.jpg"
    Image.open(kept).convert("RGB").save(copy, quality=92)
    dataset = read_dataset(tmp_path, labelled=True, workers=1)
    X = rng.normal(size=(dataset.n_cells, 4)).astype(np.float32)
    for number, name in enumerate(np.unique(dataset.cell_labels)):
        X[dataset.cell_labels == name, number] += 9
    pair = [dataset.files.index(p.relative_to(tmp_path).as_posix()) for p in (kept, copy)]
    X[pair[1]] = X[pair[0]] + 0.01
    found = check_labels([X], dataset)
    assert all("duplicate" in found.reasons[cell] for cell in pair)
    assert found.order[0] == pair[1]  # the wrong one
    assert found.order[1] == pair[0]


def test_files_of_one_content_under_two_types_are_listed(drawn, tmp_path):
    one = (drawn / "reference" / "lymphocyte" / "3.png").read_bytes()
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(one)
    for number in (4, 5):
        other = (drawn / "reference" / "lymphocyte" / f"{number}.png").read_bytes()
        (tmp_path / "ab"[number - 4] / "2.png").write_bytes(other)
    dataset = read_dataset(tmp_path, labelled=True, workers=1)
    found = check_labels([np.eye(2, 3, dtype=np.float32)], dataset)
    assert [remark.file for remark in found.contradictions] == ["a/1.png", "b/1.png"]
    table = check_table(found)
    assert table["file"].tolist()[:2] == ["a/1.png", "b/1.png"]
    assert table["label"].tolist()[:2] == ["a and b", "a and b"]
    assert table["reason"].tolist() == ["duplicate", "duplicate", "", ""]


def test_one_type_alone_cannot_be_checked(reference, store):
    alone = reference.take_typed(np.flatnonzero(reference.cell_labels == "lymphocyte"))
    with pytest.raises(DataError, match=r"only one type \(lymphocyte\)"):
        check_reference(alone, FAST, cache=store)


def test_the_table_has_every_file_the_most_doubtful_first(found, reference):
    table = check_table(found)
    assert [*table.columns[:4]] == ["file", "label", "proposed", "score"]
    assert sorted(table["file"]) == sorted(reference.files)
    assert table["score"].is_monotonic_decreasing
    assert table["sha256"][0] == reference.sha256[SWAPPED]
    assert table["alike"][0].count("|") == found.neighbours.shape[1] - 1
    said = {reference.sha256[SWAPPED]: Mended("", "Ann", "2025-01-01T00:00:00")}
    decided = check_table(found, said)
    assert decided["decided"].tolist() == ["left out", *[""] * (len(table) - 1)]
    assert decided["decided_by"][0] == "Ann"


def test_labels_as_a_table_are_read_back(reference, drawn, tmp_path):
    labels = list(reference.labels)
    labels[0] = "monocyte"
    labels[1] = "monocyte"
    mended = replace(reference, labels=tuple(labels))
    for file in mended.files:
        target = tmp_path / file
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((drawn / "reference" / file).read_bytes())
    (tmp_path / "labels.csv").write_bytes(csv_bytes(labels_table(mended)))
    again = read_dataset(tmp_path, labelled=True, workers=1)
    assert dict(zip(again.files, again.labels, strict=True)) == dict(
        zip(mended.files, mended.labels, strict=True)
    )
