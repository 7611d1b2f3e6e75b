import unicodedata

import pandas as pd
import pytest

from celltransfer_core.data import find_files, read_dataset
from celltransfer_core.errors import DataError
from celltransfer_core.outputs.formats import csv_bytes
from tests.studies.samples import png


@pytest.fixture
def folder(tmp_path):
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for number in range(2):
            (tmp_path / kind / f"{number}.png").write_bytes(png(10 * ord(kind) % 200 + number))
    return tmp_path


def types(folder):
    dataset = read_dataset(folder, labelled=True, workers=1)
    return dict(zip(dataset.files, dataset.labels, strict=True))


def test_a_table_counts_in_any_spelling_of_its_name(folder):
    rows = "file,label\na/0.png,x\na/1.png,x\nb/0.png,y\nb/1.png,y\n"
    (folder / "Labels.CSV").write_text(rows)
    assert set(types(folder).values()) == {"x", "y"}
    (folder / "labels.csv").write_text(rows)
    with pytest.raises(DataError, match=r"contains labels\.csv twice"):
        types(folder)


def test_a_table_in_a_sub_folder_is_not_passed_over(folder):
    (folder / "a" / "labels.csv").write_text("file,label\n0.png,x\n1.png,y\n")
    with pytest.raises(DataError, match=r"a/labels\.csv is in a sub-folder.*give .*/a, or move"):
        types(folder)
    left_out = {one.file: one.reason for one in read_dataset(folder, workers=1).left_out}
    assert "table in a sub-folder" in left_out["a/labels.csv"]
    assert "a/labels.csv" in {one.file for one in find_files(folder)[1]}
    # Beside a table that counts it is only told.
    (folder / "labels.csv").write_text("file,label\na/0.png,x\nb/0.png,y\n")
    assert types(folder) == {"a/0.png": "x", "b/0.png": "y"}


def test_a_table_that_is_no_file_is_not_passed_over(folder):
    (folder / "labels.csv").mkdir()
    with pytest.raises(DataError, match=r"labels\.csv cannot be read"):
        types(folder)
    (folder / "labels.csv").rmdir()
    (folder / "labels.csv").symlink_to(folder / "nowhere")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read"):
        types(folder)


def test_a_name_without_its_folder_names_no_image(folder):
    (folder / "labels.csv").write_text("file,label\n0.png,x\na/1.png,y\nb/1.png,z\n")
    dataset = read_dataset(folder, labelled=True, workers=1)
    assert set(dataset.files) == {"a/1.png", "b/1.png"}
    (note,) = dataset.notes
    assert (note.file, note.reason) == (
        "0.png",
        "matches several files (line 2); write it as a/0.png or b/0.png",
    )


def test_names_that_read_the_same_get_no_type_and_no_slide(folder):
    composed, apart = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    for name, shade in ((composed, 1), (apart, 2)):
        (folder / name).write_bytes(png(shade))
    (folder / "labels.csv").write_text(
        f"file,label,slide\n{composed},x,S1\na/0.png,x,S1\nb/0.png,y,S2\n", encoding="utf-8"
    )
    assert types(folder) == {"a/0.png": "x", "b/0.png": "y"}
    dataset = read_dataset(folder, workers=1)
    told = dict(zip(dataset.files, dataset.slide, strict=True))
    assert (told[composed], told[apart], told["a/0.png"]) == ("", "", "S1")


def test_names_that_were_kept_from_being_formulas_are_read_back(folder):
    labels = {"a/0.png": "+CD4", "a/1.png": "+CD4", "b/0.png": "'tween", "-x.png": "-CD8"}
    (folder / "-x.png").write_bytes(png(7))
    table = pd.DataFrame({"file": [*labels], "label": [*labels.values()]})
    (folder / "labels.csv").write_bytes(csv_bytes(table))
    assert types(folder) == labels
