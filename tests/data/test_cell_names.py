import pytest

from celltransfer_core.data.cell_names import CellNames, match_rows, named_file

HERE = ["cells/EO_1.jpg", "cells/EO_2.jpg", "cells/deep/Ly 3.png", "a/7.png", "b/7.png", "c/8.tif"]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("EO_1.jpg", ["cells/EO_1.jpg"]),
        ("EO_1", ["cells/EO_1.jpg"]),
        ("eo_1.JPG", ["cells/EO_1.jpg"]),
        ("EO_1.tif", ["cells/EO_1.jpg"]),
        ("set/cells/EO_2.jpg", ["cells/EO_2.jpg"]),
        ("D:\\Study 7\\cells\\EO_2.jpg", ["cells/EO_2.jpg"]),
        ("\\\\server\\share\\EO_2.jpg", ["cells/EO_2.jpg"]),
        ("/mnt/lab/others/EO_2.jpg", ["cells/EO_2.jpg"]),
        ("https://lab.org/cells/EO%5F2.jpg", ["cells/EO_2.jpg"]),
        ("cells/deep/Ly%203.png", ["cells/deep/Ly 3.png"]),
        ("/data/upload/1/0a1b2c3d-EO_1.jpg", ["cells/EO_1.jpg"]),
        ("/data/local-files/?d=cells/EO_1.jpg", ["cells/EO_1.jpg"]),
        ("7.png", ["a/7.png", "b/7.png"]),
        ("/x/a/7.png", ["a/7.png"]),
        ("d/7.png", []),
        ("d/8.tif", []),  # another folder's cell may have the same number
        ("EO_3.jpg", []),
    ],
)
def test_a_file_is_found_as_long_as_it_is_clear(written, found):
    assert CellNames(HERE).find(named_file(written)) == found


def test_two_of_one_name_with_other_endings_are_told_apart_by_it():
    both = CellNames(["1.jpg", "1.png", "2.v1.png"])
    assert both.find("1.PNG") == ["1.png"]
    assert both.find("1") == both.find("1.tif") == ["1.jpg", "1.png"]
    assert both.find("2.v1") == ["2.v1.png"]


def test_a_files_own_name_leaves_others_aside():
    lines = {name: ("labels.csv", n) for n, name in enumerate(["1.png", "x/1.png", "2", "2.tif"])}
    matched = match_rows(["1.png", "2.png"], lines)
    assert matched.rows == {"1.png": "1.png", "2.png": "2.png"}
    assert matched.several == {"2.png": ["2", "2.tif"]}
    assert matched.missing == {"x/1.png": "is in a table but not in the folder"}


def test_where_nothing_fits_a_name_of_each_is_said():
    matched = match_rows(["1.png"], {"x.png": ("labels.csv", 2), "y.png": ("labels.csv", 3)})
    assert matched.missing == {
        "labels.csv": "names no existing file: the table has x.png, the folder has 1.png"
    }
