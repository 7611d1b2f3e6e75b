"""Answers that were given elsewhere: what a table or a folder says, laid beside a study."""

import hashlib
import shutil
from dataclasses import replace

import pytest

from celltransfer_core.data import ColumnsError, decode_table
from celltransfer_core.errors import DataError
from celltransfer_core.outputs import (
    answers_before_and_after,
    bring_in,
    csv_bytes,
    read_answers,
    read_elsewhere,
    reviews_table,
    said_in_folders,
    said_in_table,
)
from celltransfer_core.people import final_types
from celltransfer_core.vocabulary import ARTEFACT, SKIPPED, UNSURE

LATER = "2025-06-01T00:00:00+00:00"


def brought(result, said, reviews=(), reader="Ann", **how):
    return bring_in(said, result.query, result.types, reviews, reader, LATER, **how)


def table_of(result, names, header="file,type"):
    rows = zip(result.query.first_file, names, strict=False)
    return "\n".join([header, *(f"{file},{name}" for file, name in rows)])


@pytest.mark.parametrize(
    ("encoding", "separator", "header"),
    [
        ("utf-8-sig", ",", ("file", "type")),
        ("cp1252", ";", ("Filename", "Cell type")),
        ("utf-16", "\t", ("image_path", "CLASS")),
    ],
)
def test_any_table_of_files_and_types_is_read(result, encoding, separator, header):
    types = [*result.types[:2], "Größe"]
    lines = [header, *zip(result.query.first_file, types, strict=False)]
    data = "\n".join(separator.join(line) for line in lines).encode(encoding)
    said = said_in_table(decode_table(data, "t.csv").text, "t.csv")
    assert [one.type_name for one in said] == types
    found = brought(result, said)
    assert [one.cell for one in found.reviews] == [*result.query.cells[:2]]
    assert found.unknown == {"Größe": 1}
    assert {(one.reader, one.time, one.blind) for one in found.reviews} == {("Ann", LATER, False)}


def test_hashes_alone_do(result):
    text = f"sha256,label\n{result.query.cells[4].upper()},{result.types[0].upper()}\n"
    (one,) = brought(result, said_in_table(text, "t.csv")).reviews
    assert (one.cell, one.answer) == (result.query.cells[4], result.types[0])


def test_which_columns_are_meant_can_be_said(result):
    text = table_of(result, result.types, "Bild,Zelltyp")
    with pytest.raises(ColumnsError) as found:
        said_in_table(text, "t.csv")
    assert found.value.columns == ("Bild", "Zelltyp")
    said = said_in_table(text, "t.csv", {"file": "Bild", "label": "Zelltyp"})
    assert len(brought(result, said).reviews) == len(result.types)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,type\n", "no rows"),
        ("file,type\na.png,\n", "line 2, has no type"),
        ("file,type,blind\na.png,x,maybe\n", "write true or false"),
        ("file,type,time\na.png,x,noon\n", "line 2: 'noon' is not a time"),
        ("file,type,reader\na.png,x,\n", "the reader is missing"),
        ("file,type\na.png,x,y,z\n", "more values than columns"),
    ],
)
def test_tables_that_cannot_be_read(text, message):
    with pytest.raises(DataError, match=message):
        said_in_table(text, "t.csv")


def test_what_does_not_fit_is_told_and_left_out(result):
    one, two, *_ = result.types
    text = table_of(result, [one, "plasma cell", "Artefact", "UNSURE", one])
    text += f"\nnowhere.png,{one}\n{result.query.first_file[4]},{two}\n"
    said = said_in_table(text, "t.csv")
    found = brought(result, said)
    assert [one.answer for one in found.reviews] == [one, ARTEFACT, UNSURE]
    assert [one.file for one in found.missing] == ["nowhere.png"]
    assert found.unknown == {"plasma cell": 1}
    ((first, second),) = found.conflicts
    assert (first.place, second.place) == ("line 6", "line 8")
    named = brought(result, said, meant={"plasma cell": " Plasma  cell"})
    assert "Plasma cell" in [one.answer for one in named.reviews]
    assert brought(result, said, meant={"plasma cell": ""}).unknown == {}
    with pytest.raises(DataError, match="is a reserved answer and cannot name a type"):
        brought(result, said, meant={"plasma cell": "skip"})


def test_bringing_in_twice_changes_nothing(result):
    said = said_in_table(table_of(result, result.types), "t.csv")
    first = brought(result, said)
    again = brought(result, said, first.reviews)
    assert (again.reviews, again.already) == ((), len(result.types))


def test_nobody_answers_as_somebody_else(result):
    text = f"file,type,reader\n{result.query.first_file[0]},{result.types[0]},Ben\n"
    said = said_in_table(text, "t.csv")
    assert brought(result, said, reader="Ben").reviews[0].reader == "Ben"
    assert brought(result, said, reader="Ann").reviews[0].reader == "Ben (brought in by Ann)"


def test_answers_that_figures_rest_on_stay(result, answer):
    one, two, *_ = result.types
    mine = [
        replace(answer(0, one), blind=True),
        replace(answer(1, one), chance=0.1),
        answer(2, one),
    ]
    found = brought(result, said_in_table(table_of(result, [two] * 3), "t.csv"), mine)
    assert found.kept == 2
    assert [one.cell for one in found.reviews] == [result.query.cells[2]]


def test_only_a_studys_own_answers_count_like_those_given_here(result, answer):
    mine = (
        replace(answer(0, result.types[0]), blind=True, chance=0.25),
        replace(answer(1, SKIPPED), chance=0.5),
        answer(2, result.types[1]),
    )
    text = decode_table(csv_bytes(reviews_table(result.query, mine)), "reviews.csv").text
    said = said_in_table(text, "reviews.csv")
    seen = brought(result, said)
    assert seen.can_count
    assert {(one.blind, one.chance) for one in seen.reviews} == {(False, None)}
    assert brought(result, said, counts=True).reviews == mine
    assert not brought(result, said, [answer(5, UNSURE)]).can_count
    elsewhere = said_in_table(text + "nowhere.png,,x,Ann,2025-01-01,,\n", "reviews.csv")
    assert not brought(result, elsewhere).can_count


def test_sorted_images_are_known_by_their_content(result):
    one, two, *_ = result.types
    cells = result.query.cells
    hashes = {f"sorted/{one}/x.png": cells[0], f"sorted/{two}/y.png": cells[1]}
    found = brought(result, said_in_folders(hashes))
    assert [(r.cell, r.answer) for r in found.reviews] == [(cells[0], one), (cells[1], two)]


def test_sorted_images_that_were_saved_anew_are_taken_by_name_if_allowed(result):
    name = result.query.first_file[3].rpartition("/")[2]
    said = said_in_folders({f"sorted/{result.types[0]}/{name}": "0" * 64})
    found = brought(result, said)
    assert (found.reviews, len(found.renamed)) == ((), 1)
    (one,) = brought(result, said, by_name=True).reviews
    assert one.cell == result.query.cells[3]


@pytest.mark.parametrize("hashes", [{}, {"x.png": "0" * 64}])
def test_folders_without_types_are_told(hashes):
    with pytest.raises(DataError, match=r"sub-folder per type|no folder that names"):
        said_in_folders(hashes)


def test_the_command_line_reads_the_same(result, drawn, tmp_path):
    one, *_ = result.types
    file = result.query.first_file[0]
    (tmp_path / "sorted" / one).mkdir(parents=True)
    shutil.copy(drawn / "query" / file, tmp_path / "sorted" / one / "renamed.png")
    (review,) = read_answers(tmp_path / "sorted", result.query, result.types, reader="Ann")
    data = (drawn / "query" / file).read_bytes()
    assert review.cell == hashlib.sha256(data).hexdigest() == result.query.cells[0]
    assert (review.answer, review.reader, review.blind) == (one, "Ann", False)
    (tmp_path / "t.csv").write_text(f"Bild;Zelltyp\n{file};{one}\n")
    columns = {"file": "Bild", "label": "Zelltyp"}
    (again,) = read_answers(tmp_path / "t.csv", result.query, result.types, columns=columns)
    assert (again.cell, again.reader) == (review.cell, "t")
    assert read_elsewhere(tmp_path / "t.csv", columns)[0].place == "line 2"
    (tmp_path / "u.csv").write_text(f"file,type\n{file},{one}\n{file},{result.types[1]}\n")
    with pytest.raises(DataError, match=r"line 2 and line 3 give the same cell"):
        read_answers(tmp_path / "u.csv", result.query, result.types)
    shutil.move(tmp_path / "sorted" / one, tmp_path / "sorted" / "Zelle")
    with pytest.raises(
        DataError, match=r"1 name is not a type of the reference. .*Zelle\. Correct"
    ):
        read_answers(tmp_path / "sorted", result.query, result.types)


def test_types_are_counted_before_and_after(result, answer):
    before, new = [answer(0, UNSURE)], [answer(0, "x", minute=1), answer(1, "x")]
    cells, predicted = result.query.cells, result.predicted
    counted = answers_before_and_after(cells, predicted, before, new)
    after = final_types(cells, predicted, [*before, *new]).final.tolist()
    assert counted["x"] == (0, 2)
    assert {name: two for name, (_, two) in counted.items()} == {
        name: after.count(name) for name in {*predicted, "x"}
    }


def test_a_folder_without_sorted_images_is_refused_with_what_it_lacks(tmp_path):
    with pytest.raises(DataError, match="it contains no image; give a folder with one sub-folder"):
        read_elsewhere(tmp_path)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match="its images are in no sub-folder; give a folder with one"):
        read_elsewhere(tmp_path)
