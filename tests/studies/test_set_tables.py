"""Tables of a set in other forms than CSV; columns and labels that somebody explains."""

import hashlib
import io
import zipfile

import pytest

from celltransfer_core.data import unzip
from celltransfer_core.errors import DataError
from celltransfer_core.studies.renamed import TypesNow
from celltransfer_core.web.arrivals import take_in
from tests.data.test_table_forms import sheet
from tests.studies.samples import png

IMAGES = [(f"{n}.png", png(n)) for n in range(4)]
ROWS = [("file", "label"), ("0.png", "a"), ("1.png", "a"), ("2.png", "b"), ("3.png", "b")]
CSV = "".join(f"{file},{label}\n" for file, label in ROWS)
TYPES = {"0.png": "a", "1.png": "a", "2.png": "b", "3.png": "b"}


@pytest.fixture
def reference(space):
    return space.add_set(space.create("Slides").id, "reference", "Lab").id


def types(space, reference):
    dataset = space.dataset(space.image_set(reference))
    return dict(zip(dataset.files, dataset.labels, strict=True))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("labels.xlsx", sheet(ROWS)),
        ("Labels.TSV", CSV.replace(",", "\t").encode()),
        ("labels.csv", CSV.encode("utf-16")),
        ("labels.csv", b"\xef\xbb\xbf" + CSV.replace(",", ";").encode()),
    ],
)
def test_a_table_of_any_form_is_taken_and_known_again(space, reference, name, data):
    assert space.receive(reference, [*IMAGES, (name, data)]).taken == 5
    assert types(space, reference) == TYPES
    known = hashlib.sha256(data.removeprefix(b"\xef\xbb\xbf")).hexdigest()
    assert space.known_tables(reference) == {name.lower(): known}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file, content in [*IMAGES, (name, data)]:
            archive.writestr(f"cells/{file}", content)
    said = list(take_in(space, reference, lambda wanted: unzip(packed, wanted), "ask"))
    assert said[-1] == {"finished": True, "already": 5}


def test_a_zip_brings_a_workbook(space, reference):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file, content in [*IMAGES, ("labels.xlsx", sheet(ROWS))]:
            archive.writestr(f"cells/{file}", content)
    said = list(take_in(space, reference, lambda wanted: unzip(packed, wanted), "ask"))
    assert said[-1] == {"finished": True, "already": 0}
    assert types(space, reference) == TYPES


def test_two_tables_of_labels_are_not_chosen_among(space, reference):
    files = [*IMAGES, ("labels.csv", CSV.encode()), ("labels.xlsx", sheet(ROWS))]
    assert space.receive(reference, files).taken == 6
    with pytest.raises(DataError, match=r"Lab contains labels\.csv and labels\.xlsx; keep one"):
        types(space, reference)
    space.take_out_table(reference, "labels.csv")
    assert types(space, reference) == TYPES


def test_columns_are_asked_for_chosen_and_kept(space, reference):
    text = (
        CSV.replace("file,label", "path,type").replace("\n", ",x\n").replace("type,x", "type,class")
    )
    ((name, why),) = space.receive(reference, [*IMAGES, ("labels.csv", text.encode())]).refused
    assert (name, "several columns that may be the label: type, class" in why) == (
        *("labels.csv", True),
    )
    header = space.table_headers(reference)["labels.csv"]
    assert (header.columns, header.counts) == (("path", "type", "class"), {"file": "path"})
    before = space.image_set(reference).revision
    with pytest.raises(DataError, match="needs the columns"):
        space.choose_columns(reference, "labels.csv", {"file": "path", "label": "gone"})
    space.choose_columns(reference, "labels.csv", {"file": "path", "label": "type"})
    assert space.image_set(reference).revision != before
    assert types(space, reference) == TYPES
    assert space.known_tables(reference)["labels.csv"] == hashlib.sha256(text.encode()).hexdigest()
    # The table of tomorrow has the same columns.
    later = text.replace("0.png,a", "0.png,b").encode()
    assert space.receive(reference, [("labels.csv", later)], clash="replace").taken == 1
    assert types(space, reference) == {**TYPES, "0.png": "b"}
    # One that is joined to it calls them by their names.
    more = b"file,label\n4.png,b\n"
    space.receive(reference, [("4.png", png(4)), ("labels.csv", more)], clash="both")
    assert types(space, reference) == {**TYPES, "0.png": "b", "4.png": "b"}
    assert space.table_headers(reference)["labels.csv"].counts == {"file": "file", "label": "label"}


def test_rows_of_a_joined_table_follow_new_images_however_they_name_them(space, reference):
    first = CSV.replace(".png", "")
    space.receive(reference, [*IMAGES, ("labels.csv", first.encode())])
    others = [(name, png(50 + n)) for n, (name, _) in enumerate(IMAGES)]
    space.receive(reference, others, clash="both", number=2)
    second = first.replace("0,a", "0,c").replace(",b", ",d").encode()
    space.receive(reference, [("labels.csv", second)], clash="both", number=2)
    new = {"0 (2).png": "c", "1 (2).png": "a", "2 (2).png": "d", "3 (2).png": "d"}
    assert types(space, reference) == {**TYPES, **new}


def test_labels_that_are_hardly_types_wait_for_an_answer(space, reference):
    text = CSV.replace("0.png,a", "0.png,nan").replace("3.png,b", "3.png,#REF!")
    space.receive(reference, [*IMAGES, ("labels.csv", text.encode())])
    assert types(space, reference) == {"1.png": "a", "2.png": "b"}
    left = {r.file: r.reason for r in space.dataset(space.image_set(reference)).left_out}
    assert left.keys() == {"0.png", "3.png"}
    assert "its type reads #REF!, a spreadsheet's error" in left["3.png"]
    as_sent = space.as_sent(space.image_set(reference))
    assert sorted(as_sent.labels) == ["#REF!", "a", "b", "nan"]
    answers = {"nan": "nan", "#REF!": "", "a": "a", "b": "b"}
    space.change_set(reference, mapping=answers)
    assert types(space, reference) == {"0.png": "nan", "1.png": "a", "2.png": "b"}
    assert space.image_set(reference).mapping == {"nan": "nan", "#REF!": ""}


def test_a_mapping_follows_a_type_that_is_spelt_otherwise_by_now(space, reference):
    text = CSV.replace("0.png,a", "0.png,Blast").replace("1.png,a", "1.png,Blast")
    space.receive(reference, [*IMAGES, ("labels.csv", text.encode())])
    space.change_set(reference, mapping={"Blast": "young"})
    more = [(f"{n}.png", png(n)) for n in range(4, 7)]
    rows = "".join(f"{name},blast\n" for name, _ in more)
    space.receive(reference, [*more, ("labels.csv", f"{text}{rows}".encode())], clash="replace")
    assert set(types(space, reference).values()) == {"young", "b"}


def test_answers_follow_a_type_whose_commonest_spelling_changed():
    now = TypesNow(("blast", "mast"), {"Mast": ""})
    assert [now.name_now(name, 1) for name in ("Blast", "blast", "Mast", "other")] == [
        *("blast", "blast", "", None)
    ]


def test_spellings_are_merged_across_pooled_references(space):
    study = space.create("Slides").id
    for name, spelt in (("one", "Blast"), ("two", "blast ")):
        reference = space.add_set(study, "reference", name).id
        shade = len(spelt)
        rows = f"file,label\n0.png,{spelt}\n1.png,{spelt}\n2.png,mast\n"
        files = [(f"{n}.png", png(10 * shade + n)) for n in range(3)]
        space.receive(reference, [*files, ("labels.csv", rows.encode())])
    pooled = space.pooled(study, "reference")
    assert sorted(pooled.labels) == ["Blast"] * 4 + ["mast"] * 2
    assert sum("'blast', which counts as 'Blast'" in note.reason for note in pooled.notes) == 2
