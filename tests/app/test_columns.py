"""What the Data page asks of a table: which columns are meant, and what doubtful labels are."""

import pytest

from celltransfer_core.studies import Workspace
from tests.studies.samples import png

IMAGES = [(f"{n}.png", png(n, 24)) for n in range(4)]


@pytest.fixture
def space(home):
    return Workspace()


@pytest.fixture
def study(space):
    return space.create("Cells").id


def reference(space, study, table):
    made = space.add_set(study, "reference", "Lab")
    space.receive(made.id, [*IMAGES, ("labels.csv", table.encode())])
    return made.id


def types(space, made):
    dataset = space.dataset(space.image_set(made))
    return [label for _, label in sorted(zip(dataset.files, dataset.labels, strict=True))]


def press(page, label):
    next(button for button in page.button if button.label == label).click()
    return page.run()


def said(page):
    told = [str(one.value) for kind in (page.warning, page.error) for one in kind]
    return "\n".join([*told, *(one.label for one in page.expander)]).replace("\\", "")


def test_unclear_columns_are_asked_for(space, study, open_page):
    rows = "".join(f"{n}.png,{'ab'[n // 2]},x\n" for n in range(4))
    made = reference(space, study, f"image,class,type\n{rows}")
    page = open_page("data", study)
    assert "Choose the columns of labels.csv." in said(page)
    boxes = {box.label: box for box in page.selectbox}
    assert (boxes["Files"].value, boxes["Types"].value) == ("image", None)
    assert boxes["Types"].options == ["image", "class", "type"]
    assert "Choose a column for each field." in said(press(page, "Use these columns"))
    next(box for box in page.selectbox if box.label == "Types").set_value("class")
    page = press(page, "Use these columns")
    assert not page.exception
    assert "Choose the columns" not in said(page)
    assert types(space, made) == ["a", "a", "b", "b"]
    # What was taken can be changed.
    assert "Columns of labels.csv (files: image, types: class)" in said(page)


def test_labels_that_are_hardly_types_are_asked_about(space, study, open_page):
    made = reference(space, study, "file,label\n0.png,cell\n1.png,nan\n2.png,cells\n3.png,mast\n")
    page = open_page("data", study)
    assert not page.exception
    assert (
        "Probably not cell types: nan (1 cells, what programs write for a missing value)"
        in said(page)
    )
    assert "One type or two? cell and cells." in said(page)
    assert types(space, made) == ["cell", "cells", "mast"]
    page = press(page, "Save types")  # as it stands: without a name
    assert "Probably not cell types" not in said(page)
    assert space.image_set(made).mapping == {"nan": ""}
    space.change_set(made, mapping={"nan": "", "cells": "cell"})
    assert "One type or two?" not in said(open_page("data", study))


def test_a_table_that_names_other_files_says_one_of_each(space, study, open_page):
    reference(space, study, "file,label\nx0.png,a\nx1.png,b\n")
    page = open_page("data", study)
    assert "For example, 0.png: has no label in labels.csv, which names no existing file" in said(
        page
    )
    assert "has x0.png" in said(page)
