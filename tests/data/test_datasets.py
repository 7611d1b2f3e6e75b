import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from celltransfer_core.data import (
    TableText,
    images as images_module,
    read_dataset,
    stored_dataset,
)
from celltransfer_core.errors import DataError, ImageError


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


def test_labels_csv_in_a_flat_folder(tmp_path, save):
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
    reason = "the same image appears under a and b c"
    assert reasons(dataset) == {"a/1.png": reason, "b c/copy.png": reason}
    assert len(read_dataset(folder).files) == 6  # without types there is no contradiction
    assert dataset.duplicates == (("a/2.png", "a/twin.png"),)
    assert len(dataset.files) == 4
    assert dataset.n_cells == 3
    (folder / "labels.csv").write_text("file,label\na/1.png,X\na/1.png,Y\na/2.png,X\nb c/1.png,Y\n")
    assert "contradictory" in reasons(read_dataset(folder, labelled=True))["a/1.png"]


def test_bad_files_are_left_out_with_reasons(folder, tmp_path_factory, save):
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
    assert dataset.notes == ()
    assert set(found) == {
        *(f"a/{name}.png" for name in ("empty", "text", "cut", "tiny", "link")),
        "a/notes.txt",
        "stray.png",
    }
    assert found["a/notes.txt"] == "is no image by its name"
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
    low, high = dataset.scales[0].intensity
    assert 95 < low < 110
    assert 2900 < high < 3000  # the set's own, so that the brighter image is not cut
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
    with pytest.raises(DataError, match=r"1 left out, the first is a/x.png: is text, not a PNG"):
        read_dataset(tmp_path, labelled=labelled)
    with pytest.raises(DataError, match="is a file"):
        read_dataset(tmp_path / "a/x.png", labelled=labelled)


def test_one_type_is_no_reference(folder):
    shutil.rmtree(folder / "b c")
    with pytest.raises(DataError, match=r"only one type \(a\)"):
        read_dataset(folder, labelled=True)
    assert len(read_dataset(folder)) == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids such names")
def test_odd_names(folder, save):
    save(folder / "a" / "line\nbreak ü %20.png", 55)
    assert "a/line\nbreak ü %20.png" in read_dataset(folder).files


def test_a_file_that_changes_during_the_run(folder, save):
    dataset = read_dataset(folder)
    save(dataset.path(0), 200)
    with pytest.raises(ImageError, match="has changed"):
        dataset.read(0)
    dataset.path(0).unlink()
    with pytest.raises(ImageError, match="can no longer be read"):
        dataset.read(0)


def test_many_files_in_processes_with_progress(tmp_path, save):
    for number in range(200):
        save(tmp_path / f"{number}.png", number)
    seen = []
    dataset = read_dataset(
        tmp_path, workers=2, progress=lambda stage, done, total: seen.append((stage, done, total))
    )
    assert len(dataset) == 200
    assert seen[-1] == ("reading", 200, 200)
    assert pickle.loads(pickle.dumps(dataset)) == dataset  # noqa: S301


def test_labels_in_another_spelling_are_one(folder, save):
    save(folder / "a" / "e\u0301.png", 77)  # é as macOS writes it
    (folder / "labels.csv").write_text(
        "file,label\na/\xe9.png,\xe9\nb c/1.png,e\u0301\na/1.png,Y\n", encoding="utf-8"
    )
    found = types(read_dataset(folder, labelled=True))
    assert found == {"a/e\u0301.png": "\xe9", "b c/1.png": "\xe9", "a/1.png": "Y"}


def test_tables_of_careless_shape(folder):
    (folder / "labels.csv").write_text(
        "\n\nLABEL\tSlide\tFile\nX\n\ts1\ta/1.png\nX\ts1\ta/1.png\nY\ts2\tb c/1.png\textra\n"
    )
    dataset = read_dataset(folder, labelled=True)
    assert types(dataset) == {"a/1.png": "X", "b c/1.png": "Y"}
    assert set(dataset.slide) == {"s1", "s2"}


def test_a_label_column_in_metadata_is_not_read(folder):
    (folder / "metadata.csv").write_text("file,label,slide\na/1.png,SECRET,s1\n")
    assert set(types(read_dataset(folder, labelled=True)).values()) == {"a", "b c"}


def test_a_slide_in_doubt_is_unknown(folder):
    (folder / "labels.csv").write_text("file,label,slide\na/1.png,X,s1\nb c/1.png,Y,s1\n")
    (folder / "metadata.csv").write_text("file,slide\na/1.png,s2\n")
    dataset = read_dataset(folder, labelled=True)
    assert dict(zip(dataset.files, dataset.slide, strict=True)) == {
        "a/1.png": "",
        "b c/1.png": "s1",
    }
    (note,) = dataset.notes
    assert (note.file, "contradictory entries for slide" in note.reason) == ("a/1.png", True)


def test_labels_beside_a_query_change_nothing(folder):
    plain = read_dataset(folder)
    for label in ("X", "Y"):
        (folder / "labels.csv").write_text(f"file,label\na/1.png,X\na/1.png,{label}\n")
        assert read_dataset(folder) == plain
    (folder / "a").rename(folder / "q")
    assert read_dataset(folder).cells == plain.cells


def test_images_without_types_are_no_reference(tmp_path, save):
    save(tmp_path / "1.png", 1)
    save(tmp_path / "2.png", 2)
    with pytest.raises(DataError, match=r"none has a type.*labels\.csv"):
        read_dataset(tmp_path, labelled=True)
    (tmp_path / "labels.csv").write_text("file,label\n")
    with pytest.raises(DataError, match=r"2 left out, the first is 1\.png: has no label"):
        read_dataset(tmp_path, labelled=True)


def test_types_one_folder_too_deep_are_hinted_at(folder, save):
    save(folder / "set/a/1.png", 1)
    save(folder / "set/b/1.png", 2)
    shutil.rmtree(folder / "a")
    shutil.rmtree(folder / "b c")
    with pytest.raises(DataError, match=f"types are the folders inside set, give {folder}/set"):
        read_dataset(folder, labelled=True)


def test_files_of_other_kinds_alone(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "x.gif")
    with pytest.raises(DataError, match=r"x\.gif: is a GIF image by its name; save it as PNG"):
        read_dataset(tmp_path)
    (tmp_path / "x.gif").rename(tmp_path / "x.txt")
    with pytest.raises(DataError, match=r"x\.txt: is no image by its name; give .*\.bmp"):
        read_dataset(tmp_path)
    (tmp_path / "x.txt").unlink()
    with pytest.raises(DataError, match=r"the folder is empty; give .*\.bmp"):
        read_dataset(tmp_path)


def test_what_systems_leave_in_folders_is_passed_over(folder):
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store"):
        (folder / "a" / name).write_bytes(b"x")
    dataset = read_dataset(folder)
    assert dataset.notes == dataset.left_out == ()


def test_a_blank_folder_is_no_type(folder, save):
    save(folder / " " / "1.png", 90)
    assert "blank" in reasons(read_dataset(folder, labelled=True))[" /1.png"]


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make links")
def test_links(folder, tmp_path_factory):
    (folder / "a/self.png").symlink_to(folder / "a/self.png")
    (folder / "a/gone.png").symlink_to(folder / "nowhere.png")
    (folder / "a/inside.png").symlink_to(folder / "b c/deep/er/4.png")
    (folder / "elsewhere").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    dataset = read_dataset(folder)
    assert reasons(dataset) == {
        "a/self.png": "is a broken link",
        "a/gone.png": "is a broken link",
        "elsewhere": "is a link to a folder; links to folders are not followed",
    }
    assert dataset.duplicates == (("a/inside.png", "b c/deep/er/4.png"),)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "a/pipe.png")
    assert reasons(read_dataset(folder)) == {"a/pipe.png": "is not a file"}


def test_a_long_file_is_not_even_read(folder, monkeypatch):
    (folder / "a/long.png").write_bytes(b"x" * 5000)
    monkeypatch.setattr(images_module, "MAX_BYTES", 4000)
    read, seen = Path.read_bytes, []
    monkeypatch.setattr(Path, "read_bytes", lambda path: seen.append(path.name) or read(path))
    assert "the file is over" in reasons(read_dataset(folder, workers=1))["a/long.png"]
    assert "1.png" in seen
    assert "long.png" not in seen


def test_what_may_not_be_read_is_left_out(folder, monkeypatch):
    read, scan = Path.read_bytes, os.scandir

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(
        Path, "read_bytes", lambda path: forbidden(path) if path.name == "2.png" else read(path)
    )
    monkeypatch.setattr(
        os, "scandir", lambda path: forbidden(path) if str(path).endswith("er") else scan(path)
    )
    assert reasons(read_dataset(folder, workers=1)) == {
        "a/2.png": "cannot be read (Permission denied)",
        "b c/deep/er": "cannot be opened (Permission denied)",
    }


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids such names")
def test_names_that_are_no_text(folder):
    try:
        (folder / "a/2.png").rename(folder / "a" / os.fsdecode(b"\xff.png"))
    except OSError:
        pytest.skip("this file system refuses such names")
    assert reasons(read_dataset(folder)) == {
        "a/\\udcff.png": "its name is not valid Unicode; rename it"
    }


def test_the_scale_of_16_bit_sets_does_not_depend_on_names(tmp_path, rng):
    for number in range(5):
        values = rng.integers(100, 1000 * (number + 1), (40, 40, 3)).astype(np.uint16)
        tifffile.imwrite(tmp_path / f"{number}.tif", values, photometric="rgb")
    before = read_dataset(tmp_path)
    (tmp_path / "0.tif").rename(tmp_path / "zz.tif")
    (tmp_path / "sub").mkdir()
    (tmp_path / "4.tif").rename(tmp_path / "sub/4.tif")
    shutil.copy(tmp_path / "sub/4.tif", tmp_path / "copy.tif")
    after = read_dataset(tmp_path)
    assert (after.scales, after.cells) == (before.scales, before.cells)


def test_the_scale_is_blind_to_what_is_transparent(tmp_path):
    for number in range(2):
        values = np.zeros((40, 40, 4), np.uint16)
        values[:20] = (1000 + number, 2000, 3000, 65535)
        tifffile.imwrite(
            tmp_path / f"{number}.tif", values, photometric="rgb", extrasamples=["unassalpha"]
        )
    dataset = read_dataset(tmp_path)
    assert dataset.deep
    assert [scale.intensity for scale in dataset.scales] == [(1000, 3000)]


def test_8_bit_sets_have_no_scale(folder):
    dataset = read_dataset(folder)
    assert not dataset.deep
    assert [scale.intensity for scale in dataset.scales] == [None]


def test_the_folder_may_be_named_from_where_one_stands(tmp_path, monkeypatch, save):
    for place in ("one", "two"):  # workers of the first are still there, and stand in it
        for number in range(200):
            save(tmp_path / place / "cells" / f"{place}{number}.png", number)
        monkeypatch.chdir(tmp_path / place)
        dataset = read_dataset("cells", workers=2)
        assert len(dataset) == 200
    monkeypatch.chdir(tmp_path)
    assert dataset.read(0).shape == (12, 12, 3)


def test_a_stored_set_is_the_set_its_folder_would_be(tmp_path, store, png):
    cells = {"a/1.png": png("red"), "a/2.png": png("blue"), "b/3.png": png("green")}
    folder = tmp_path / "folder"
    for name, data in {**cells, "b/bad.png": b"text"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    metadata = "file,slide\na/1.png,s1\n"
    (folder / "metadata.csv").write_text(metadata)
    root, checked = store({**cells, "b/bad.png": b"text"})
    tables = {"metadata.csv": TableText(metadata)}
    stored = stored_dataset(root, "mine", checked, tables, labelled=True)
    read = read_dataset(folder, labelled=True)
    assert stored == replace(read, root=root, by_hash=True)
    np.testing.assert_array_equal(stored.read(0), read.read(0))
    assert stored.slide is not None
    assert sorted(stored.slide) == ["", "", "s1"]


def test_types_told_by_names(folder):
    dataset = read_dataset(folder, labelled=True, type_of=lambda name: name.split("/")[-1][:1] * 2)
    assert set(dataset.labels) == {"11", "22", "44"}
    kept = read_dataset(
        folder, labelled=True, type_of=lambda name: "ab"["4" in name] * ("1" in name or "4" in name)
    )
    assert types(kept) == {"a/1.png": "a", "b c/1.png": "a", "b c/deep/er/4.png": "b"}
    assert reasons(kept) == {"a/2.png": "has none of the selected types"}
