"""The check of the reference on the Data page: offered, gone through by keys, undone."""

import pytest

from celltransfer_core.studies import (
    LABEL,
    bring_up_to,
    label_decisions,
    load_check,
    mended_reference,
)
from celltransfer_core.types import silent

WRONG = "lymphocyte/0.png"


def said(page):
    kinds = (page.markdown, page.caption, page.info, page.success, page.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


@pytest.fixture
def mistaken(finished):
    """A study of which one reference cell has a wrong label, checked."""
    space, study = finished
    images = space.sets(study.id, "reference")[0]
    dataset = space.dataset(images)
    labels = dict(zip(dataset.files, dataset.labels, strict=True)) | {WRONG: "neutrophil"}
    table = "\n".join(["file,label", *(f"{name},{label}" for name, label in labels.items())])
    space.receive(images.id, [("labels.csv", table.encode())])
    bring_up_to(space, study.id, "check", silent)
    return space, study


def first_cell(space, study):
    found = load_check(space, study.id)
    return found.reference.cells[found.suspects[0]]


def test_the_check_is_offered(finished, open_page):
    _, study = finished
    page = open_page("data", study.id)
    assert not page.exception
    assert "Check the reference" in [button.label for button in page.button]


def test_one_key_mends_a_label_and_another_takes_it_back(mistaken, open_page):
    space, study = mistaken
    cell = first_cell(space, study)
    dataset = space.pooled(study.id, "reference")
    assert dataset.first_file[dataset.cells.index(cell)] == WRONG
    page = open_page("data", study.id)
    assert not page.exception
    assert "should be checked" in said(page)
    assert "Proposed: **lymphocyte**" in said(page)
    assert page.button("check A").label == "Accept: lymphocyte"
    page.button("check A").click().run()
    assert not page.exception
    decision = label_decisions(space, study.id)[cell]
    assert (decision.payload["was"], decision.payload["type"]) == ("neutrophil", "lymphocyte")
    assert decision.who == "Ann"
    assert "1 label mended, 0 cells left out" in said(page)
    mended = mended_reference(space, study.id)
    assert mended.cell_labels[mended.cells.index(cell)] == "lymphocyte"
    page.button("check Z").click().run()
    assert space.decisions(study.id, LABEL) == ()
    assert "Accept: lymphocyte" in [button.label for button in page.button]


def test_a_cell_is_left_out_and_a_label_kept(mistaken, open_page):
    space, study = mistaken
    cell = first_cell(space, study)
    page = open_page("data", study.id)
    page.button("check L").click().run()
    assert cell not in mended_reference(space, study.id).cells
    assert "0 labels mended, 1 cell left out" in said(page)
    page.button("check B").click().run()
    assert "Decided: **left out** (Ann" in said(page)
    page.button("check K").click().run()
    assert cell in mended_reference(space, study.id).cells
    assert label_decisions(space, study.id)[cell].payload["type"] == "neutrophil"


def test_a_signed_study_can_only_be_read(mistaken, open_page):
    space, study = mistaken
    space.sign(study.id, "Ann")
    page = open_page("data", study.id)
    assert not page.exception
    assert all(page.button(f"check {key}").disabled for key in "AKLZ")
