import pytest

from celltransfer_core.data.same_names import (
    free_number,
    join_tables,
    numbered,
    place,
    place_table,
)
from celltransfer_core.data.tables import table_problem
from celltransfer_core.errors import DataError

HERE = {"1.png": "x", "bad.png": ""}
NEEDS = {"file", "label"}


@pytest.mark.parametrize(
    ("clash", "written", "clashing"),
    [
        ("ask", {"2.png": 1}, (2,)),
        ("leave", {"2.png": 1}, ()),
        ("replace", {"2.png": 1, "1.png": 2}, ()),
        ("both", {"2.png": 1, "1 (2).png": 2}, ()),
    ],
)
def test_an_image_of_other_content_takes_no_name_unasked(clash, written, clashing):
    coming = [("1.png", "x"), ("2.png", "y"), ("1.png", "z")]
    placed = place(coming, HERE, clash, 2)
    assert (placed.written, placed.same, placed.clashing) == (written, 1, clashing)


def test_a_file_that_cannot_be_used_is_replaced_and_replaces_nothing():
    for clash in ("ask", "leave", "replace", "both"):
        placed = place([("bad.png", "good now"), ("1.png", "")], HERE, clash, 2)
        assert (placed.written, placed.clashing) == ({"bad.png": 0}, ())


def test_a_number_that_is_taken_is_no_way_out():
    here = {"1.png": "x", "1 (2).png": "y"}
    assert place([("1.png", "z")], here, "both", 2).clashing == (0,)
    assert place([("1.png", "y")], here, "both", 2).same == 1  # sent before: goes on
    assert free_number({"1.png": "z"}, here.get) == 3
    assert free_number({"1.png": "y"}, here.get) == 2


def test_two_images_of_one_name_in_one_batch_do_not_replace_each_other():
    placed = place([("1.png", "x"), ("1.png", "y")], {}, "ask", 2)
    assert (placed.written, placed.clashing) == ({"1.png": 0}, (1,))


def test_joined_rows_follow_their_images():
    here = "file,label\n1.png,a\n2.png,b\n"
    coming = "File;slide;label\n1.png;S2;c\n.\\2.png;S2;b\n"
    rename = {"1.png": "1 (2).png"}
    text = join_tables(here, coming, "t", lambda name: rename.get(name, name))
    assert text == "file,label,slide\n1.png,a,\n2.png,b,\n1 (2).png,c,S2\n2.png,b,S2\n"
    assert join_tables(text, here, "t", lambda name: name) == text  # once is enough


def test_a_table_replaces_another_one_only_if_it_is_wanted():
    old, new = "file,label\n1.png,a\n", "file,label\n1.png,b\n"

    def placed(coming, here, clash):
        return place_table(coming, here, "S/labels.csv", NEEDS, clash, lambda name: name)

    asked = placed(new, old, "ask")
    assert (asked.text, asked.clashing, asked.taken) == (old, True, False)
    assert placed(new, old, "leave").text == old
    assert placed(new, old, "replace").text == new
    assert placed(new, old, "both").text == old + "1.png,b\n"
    assert placed(old, old, "ask").taken
    damaged = placed("name,kind\n", old, "replace")
    assert (damaged.text, "is kept" in damaged.problem) == (old, True)
    # Without a table that can be read, nothing is lost; and a damaged one is kept, to be seen.
    assert placed(new, "name,kind\n", "ask").text == new
    first = placed("name,kind\n", None, "ask")
    assert (first.text, first.taken, first.clashing) == ("name,kind\n", False, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,kind\n", "needs the columns file, label"),
        ("file,label\n1.png,neutr\ufffdphil\n", "not UTF-8"),
        ('file,label\n1.png,a\n"2.png,b\n3.png,c\n', "not a table"),
        ("file,label,Label\n1.png,a,b\n", "column label twice"),
        ("file,label\n1.png,eosinophil, mature\n", "more values than columns"),
        ("", "it has none"),
    ],
)
def test_a_table_that_is_cut_short_or_ambiguous_is_not_read(text, reason):
    assert reason in table_problem(text, "labels.csv", NEEDS)


def test_numbers_stand_before_the_ending():
    assert numbered("1.tar.png", 2) == "1.tar (2).png"
    assert numbered("a.b/cell", 12) == "a.b/cell (12)"


def test_a_table_that_cannot_be_read_is_not_joined():
    with pytest.raises(DataError, match="needs the columns"):
        join_tables("file,label\n", "name\n", "labels.csv", str)
