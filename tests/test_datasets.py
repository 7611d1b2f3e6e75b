import os
import pickle
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from celltransfer_core.datasets import read_dataset
from celltransfer_core.errors import DataError, ImageError


def save(path, value, size=12):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), (value, 255 - value, 7)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two types of two cells, in class folders."""
    for number, name in enumerate(("a/1.png", "a/2.png", "b c/1.png", "b c/deep/er/4.png")):
        save(tmp_path / name, 10 * number)
    return tmp_path


def types(dataset):
    return dict(zip(dataset.files, dataset.labels, strict=True))


def reasons(dataset):
    return {remark.file: remark.reason for remark in dataset.left_out}


def test_class_folders(folder):
    dataset = read_dataset(folder, labelled=True)
    assert types(dataset) == {
        "a/1.png": "a",
        "a/2.png": "a",
        "b c/1.png": "b c",
        "b c/deep/er/4.png": "b c",
    }
    assert list(dataset.cells) == sorted(dataset.cells)
    assert dataset.n_cells == len(dataset) == 4
    assert dataset.slide is None
    for cell in range(4):
        assert dataset.read(cell).shape == (12, 12, 3)


def test_order_and_fingerprint_do_not_depend_on_names(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "set"
    shutil.copytree(folder, other)
    (other / "a").rename(other / "z")
    (other / "b c" / "1.png").rename(other / "b c" / "zz.png")
    first, second = read_dataset(folder), read_dataset(other)
    assert first.cells == second.cells
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint != read_dataset(folder, labelled=True).fingerprint


def test_unlabelled_reads_no_label(folder):
    (folder / "labels.csv").write_text("file,label,slide\na/1.png,SECRET,s1\n")
    dataset = read_dataset(folder)
    assert dataset.labels is None
    assert dataset.slide is not None
    assert "SECRET" not in repr(dataset)
    with pytest.raises(DataError, match="labelled=True"):
        _ = dataset.cell_labels


def test_labels_csv_in_a_flat_folder(tmp_path):
    for name in ("x.png", "y.PNG", "z.png", "w.png"):
        save(tmp_path / name, ord(name[0]))
    (tmp_path / "labels.csv").write_text(
        "\ufeffFile;Label;Slide;Patient\nx.png; Ly mphozyt é ;S1;P1\ny.PNG;b;;\nz.png;;S2;P1\n",
        encoding="utf-8",
    )
    dataset = read_dataset(tmp_path, labelled=True)
    assert types(dataset) == {"x.png": "Ly mphozyt é", "y.PNG": "b"}
    assert reasons(dataset) == {
        "z.png": "has no label in labels.csv",
        "w.png": "has no label in labels.csv",
    }
    slides = dict(zip(dataset.files, dataset.slide, strict=True))
    assert slides == {"x.png": "S1", "y.PNG": ""}


def test_labels_csv_wins_over_folders_and_backslashes_are_understood(folder):
    (folder / "labels.csv").write_text(
        "file,label\na\\1.png,X\na/2.png,Y\nb c/1.png,Y\nb c/deep/er/4.png,Z\ngone.png,Z\n"
    )
    dataset = read_dataset(folder, labelled=True)
    assert types(dataset)["a/1.png"] == "X"
    assert [remark.file for remark in dataset.notes] == ["gone.png"]


def test_metadata(folder):
    (folder / "metadata.csv").write_text("file\tslide\tpatient\na/1.png\ts1\tp1\n")
    dataset = read_dataset(folder)
    assert dict(zip(dataset.files, dataset.patient, strict=True))["a/1.png"] == "p1"


@pytest.mark.parametrize(
    ("table", "message"),
    [("name,label\nx,y\n", "needs the columns file, label; it has name, label"), ("", "has none")],
)
def test_wrong_columns(folder, table, message):
    (folder / "labels.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        read_dataset(folder, labelled=True)


def test_a_table_that_is_no_text(folder):
    (folder / "labels.csv").write_bytes(b"\xff\xfe\x00f")
    with pytest.raises(DataError, match="not UTF-8"):
        read_dataset(folder, labelled=True)


def test_contradictory_rows_and_contents(folder):
    shutil.copy(folder / "a/1.png", folder / "b c/copy.png")  # one content, two types
    shutil.copy(folder / "a/2.png", folder / "a/twin.png")  # a harmless copy
    dataset = read_dataset(folder, labelled=True)
    assert set(reasons(dataset)) == {"a/1.png", "b c/copy.png"}
    assert dataset.duplicates == (("a/2.png", "a/twin.png"),)
    assert len(dataset.files) == 4
    assert dataset.n_cells == 3
    (folder / "labels.csv").write_text("file,label\na/1.png,X\na/1.png,Y\na/2.png,X\nb c/1.png,Y\n")
    assert "contradictory" in reasons(read_dataset(folder, labelled=True))["a/1.png"]


def test_bad_files_are_left_out_with_reasons(folder, tmp_path_factory):
    (folder / "a/empty.png").write_bytes(b"")
    (folder / "a/text.png").write_text("not an image")
    data = (folder / "a/1.png").read_bytes()
    (folder / "a/cut.png").write_bytes(data[: len(data) // 2])
    save(folder / "a/tiny.png", 5, size=6)
    (folder / "a/notes.txt").write_text("ignored")
    (folder / ".hidden.png").write_bytes(data)
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX/1.png").write_bytes(data)
    outside = tmp_path_factory.mktemp("outside") / "x.png"
    save(outside, 99)
    (folder / "a/link.png").symlink_to(outside)
    save(folder / "stray.png", 98)
    dataset = read_dataset(folder, labelled=True)
    assert len(dataset.files) == 4
    found = reasons(dataset)
    assert set(found) == {
        *(f"a/{name}.png" for name in ("empty", "text", "cut", "tiny", "link")),
        "stray.png",
    }
    assert "empty" in found["a/empty.png"]
    assert "outside the folder" in found["a/link.png"]
    assert "outside the types" in found["stray.png"]


def test_multi_page_is_noted(folder):
    pages = [Image.new("L", (12, 12), v) for v in (1, 2, 3)]
    pages[0].save(folder / "a/pages.tif", save_all=True, append_images=pages[1:])
    (note,) = read_dataset(folder).notes
    assert (note.file, note.reason) == ("a/pages.tif", "has 3 pages; the first is used")


def test_16_bit_sets_share_one_scale(tmp_path, rng):
    for number, top in enumerate((1000, 3000)):
        values = rng.integers(100, top, (40, 40)).astype(np.uint16)
        tifffile.imwrite(tmp_path / f"{number}.tif", values)
    dataset = read_dataset(tmp_path)
    low, high = dataset.intensity
    assert 95 < low < 110
    assert 1900 < high < 2100
    brightness = sorted(dataset.read(cell).mean() for cell in range(2))
    assert brightness[1] > 1.5 * brightness[0]  # the dimmer image stays dimmer


@pytest.mark.parametrize("labelled", [True, False])
def test_no_folder_no_images(tmp_path, labelled):
    with pytest.raises(DataError, match="does not exist"):
        read_dataset(tmp_path / "gone", labelled=labelled)
    with pytest.raises(DataError, match="no usable image"):
        read_dataset(tmp_path, labelled=labelled)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.png").write_text("text")
    with pytest.raises(DataError, match=r"1 left out: a/x.png: not a PNG"):
        read_dataset(tmp_path, labelled=labelled)
    with pytest.raises(DataError, match="is a file"):
        read_dataset(tmp_path / "a/x.png", labelled=labelled)


def test_one_type_is_no_reference(folder):
    shutil.rmtree(folder / "b c")
    with pytest.raises(DataError, match=r"one type only \(a\)"):
        read_dataset(folder, labelled=True)
    assert len(read_dataset(folder)) == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids such names")
def test_odd_names(folder):
    save(folder / "a" / "line\nbreak ü %20.png", 55)
    assert "a/line\nbreak ü %20.png" in read_dataset(folder).files


def test_a_file_that_changes_during_the_run(folder):
    dataset = read_dataset(folder)
    save(dataset.path(0), 200)
    with pytest.raises(ImageError, match="has changed"):
        dataset.read(0)
    dataset.path(0).unlink()
    with pytest.raises(ImageError, match="cannot be read any more"):
        dataset.read(0)


def test_many_files_in_processes_with_progress(tmp_path):
    for number in range(200):
        save(tmp_path / f"{number}.png", number)
    seen = []
    dataset = read_dataset(
        tmp_path, workers=2, progress=lambda stage, done, total: seen.append((stage, done, total))
    )
    assert len(dataset) == 200
    assert seen[-1] == ("reading", 200, 200)
    assert pickle.loads(pickle.dumps(dataset)) == dataset  # noqa: S301
