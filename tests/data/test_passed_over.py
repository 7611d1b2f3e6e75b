import pytest

from celltransfer_core.data import EXTENSIONS, PassedOver, Remark, count_passed_over, read_dataset
from celltransfer_core.data.passed_over import extension_of, is_of_systems, kind_problem
from celltransfer_core.data.tables import TABLES


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a/1.txt", "is no image by its name"),
        ("a/1.GIF", "is a GIF image by its name"),
        ("a/slide.svs", "is a scanned slide by its name"),
        ("cells.zip", "is an archive by its name"),
        ("a/1", "has no extension"),
        ("site A. 3 May", "has no extension"),
    ],
)
def test_what_is_passed_over_has_a_reason_for_its_kind(name, reason):
    assert kind_problem(name).startswith(reason)


def test_no_kind_that_is_read_is_passed_over():
    assert [end for end in EXTENSIONS if kind_problem(f"a/1{end.upper()}")] == []
    assert [table for table in TABLES if kind_problem(table.title())] == []


@pytest.mark.parametrize(
    "name", [".DS_Store", "a/._1.png", "__MACOSX/a/1.png", "a/Thumbs.db", "a/Desktop.ini"]
)
def test_what_systems_leave_behind(name):
    assert is_of_systems(name)
    assert not is_of_systems("../a/1.png")  # a trick, and refused as one


def test_counts_by_reason_kind_and_folder():
    remarks = [
        Remark(f"{folder}/{n}.txt", "why") for folder in "ab" for n in range(2 + (folder > "a"))
    ]
    remarks.append(Remark("1.gif", "other"))
    assert count_passed_over(remarks, folders=False) == (
        PassedOver("why", ".txt", "", 5),
        PassedOver("other", ".gif", "", 1),
    )
    assert count_passed_over(remarks, folders=True) == (
        PassedOver("why", ".txt", "b", 3),
        PassedOver("why", ".txt", "a", 2),
        PassedOver("other", ".gif", "", 1),
    )
    assert extension_of("a.b/c") == ""


def test_an_empty_folder_says_so(folder):
    (folder / "c").mkdir()
    (folder / "c" / ".DS_Store").write_bytes(b"x")
    (folder / "d" / "e").mkdir(parents=True)
    notes = read_dataset(folder, labelled=True).notes
    assert [(one.file, one.reason) for one in notes] == [
        ("c", "is an empty folder"),
        ("d/e", "is an empty folder"),
    ]
