"""Labels of the reference that people mend count at once, and embeddings stay valid."""

from collections import Counter

import pytest

from celltransfer_core.errors import StudyError
from celltransfer_core.studies import (
    LABEL,
    bring_up_to,
    check_path,
    label_decisions,
    label_payload,
    load_check,
    load_map,
    load_prepared,
    load_run,
    mended_cells,
    mended_reference,
    stage_keys,
    states,
)
from celltransfer_core.types import silent


def say(space, study, number, label, who="Ann"):
    """Say what the label of a reference cell is; its hash, and the label that it came with."""
    reference = space.pooled(study, "reference")
    cell, was = reference.cells[number], str(reference.cell_labels[number])
    space.decide(study, LABEL, label_payload(cell, was, label), who)
    return cell, was


def label_of(dataset, cell):
    return str(dataset.cell_labels[dataset.cells.index(cell)])


def test_the_latest_word_on_a_label_counts_until_it_is_undone(space, drawn_study):
    cell, was = say(space, drawn_study, 0, "lymphocyte")
    say(space, drawn_study, 0, "eosinophil", "Ben")
    assert label_of(mended_reference(space, drawn_study), cell) == "eosinophil"
    decision = label_decisions(space, drawn_study)[cell]
    assert (decision.who, decision.payload["was"]) == ("Ben", was)
    assert mended_cells(space, drawn_study)[cell].by == "Ben"
    space.undo(drawn_study, LABEL, "Ben")
    assert label_of(mended_reference(space, drawn_study), cell) == "lymphocyte"
    space.undo(drawn_study, LABEL, "Ann")
    assert mended_reference(space, drawn_study) is space.pooled(drawn_study, "reference")


def test_a_type_that_is_renamed_is_mended_to_its_new_name(space, drawn_study):
    cell, _ = say(space, drawn_study, 0, "lymphocyte")
    images = space.sets(drawn_study, "reference")[0].id
    space.change_set(images, mapping={"lymphocyte": "B cell"})
    assert label_of(mended_reference(space, drawn_study), cell) == "B cell"
    space.change_set(images, mapping={"lymphocyte": ""})
    assert cell not in mended_reference(space, drawn_study).cells


def test_labels_decide_what_follows_but_not_embeddings(space, finished):
    before = stage_keys(space, finished)
    _, was = say(space, finished, 0, "")
    after = stage_keys(space, finished)
    assert after["embed"] == before["embed"]
    assert {*after.values()} & {*before.values()} == {before["embed"]}
    space.undo(finished, LABEL, "Ann")
    say(space, finished, 0, was)  # it is right as it is
    assert stage_keys(space, finished) == before


def test_a_study_goes_on_with_mended_labels_and_embeds_no_cell_again(space, finished, monkeypatch):
    out, _ = say(space, finished, 1, "")
    reference = space.pooled(finished, "reference")
    number = reference.cell_labels.tolist().index("neutrophil", 2)
    cell, _ = say(space, finished, number, "lymphocyte")
    assert states(space, finished) == {
        "embed": "done",
        "clusters": "stale",
        "matches": "stale",
        "classify": "stale",
    }
    prepared = load_prepared(space, finished)
    assert label_of(prepared.reference, cell) == "lymphocyte"
    assert out not in prepared.reference.cells
    assert len(prepared.framing.crops["reference"]) == prepared.reference.n_cells
    drawn = load_map(space, finished)
    assert Counter(drawn.sets)["reference"] == prepared.reference.n_cells

    def fail(*_):
        raise AssertionError("a cell is framed or embedded again")

    monkeypatch.setattr("celltransfer_core.runtime.cache.Cache.put", fail)
    bring_up_to(space, finished, "classify", silent)
    run = load_run(space, finished)
    assert label_of(run.reference, cell) == "lymphocyte"
    assert out not in run.reference.cells


def test_the_last_cell_of_the_second_type_cannot_be_left_out(space, drawn_study):
    reference = space.pooled(drawn_study, "reference")
    cells = zip(reference.cells, reference.cell_labels.tolist(), strict=True)
    out = [label_payload(cell, name, "") for cell, name in cells if name != "lymphocyte"]
    space.decide_all(drawn_study, LABEL, out, "Ann")
    with pytest.raises(StudyError, match=r"only one type \(lymphocyte\)"):
        bring_up_to(space, drawn_study, "clusters", silent)


def test_a_reference_is_checked_once_whatever_is_decided(space, drawn_study):
    assert load_check(space, drawn_study) is None
    bring_up_to(space, drawn_study, "check", silent)
    found, path = load_check(space, drawn_study), check_path(space, drawn_study)
    assert found.reference.n_cells == 42
    assert len(found.score) == 42
    say(space, drawn_study, 0, "")
    assert check_path(space, drawn_study) == path
    written = path.stat().st_mtime_ns
    bring_up_to(space, drawn_study, "check", silent)
    assert path.stat().st_mtime_ns == written
    assert states(space, drawn_study)["embed"] == "next"


def test_a_reference_is_checked_before_there_is_a_query(space, drawn_study):
    space.remove_set(space.sets(drawn_study, "query")[0].id)
    bring_up_to(space, drawn_study, "check", silent)
    assert load_check(space, drawn_study).reference.n_cells == 42


def test_without_a_reference_there_is_nothing_to_check(space, study):
    assert check_path(space, study.id) is None
    with pytest.raises(StudyError, match="Add images to the reference first"):
        bring_up_to(space, study.id, "check", silent)
