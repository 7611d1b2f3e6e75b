import io

import pandas as pd
import pytest

from celltransfer_core.outputs import Pseudonyms, with_batches
from celltransfer_core.studies import (
    BATCH_REVIEW,
    add_batch,
    batches_of,
    bring_up_to,
    load_current,
    now,
    review_payloads,
    wait,
)
from celltransfer_core.types import silent
from tests.studies.samples import files_below, png


def text_of(app):
    kinds = ("header", "markdown", "caption", "info", "success", "warning", "error")
    told = " ".join(element.value for kind in kinds for element in app.get(kind))
    return told.replace("\\", "")


def without_script(page):
    """Read a page without the plotting library, which names the months."""
    return page.read_text(encoding="utf-8").split("</script>", 1)[1]


def button(app, key):
    return next(one for one in app.button if one.key == key)


def add(space, study, drawn, role="reference"):
    batch = add_batch(space, study.id, "June")
    space.receive(batch.id, files_below(drawn / role))
    return batch


def test_cells_are_added_to_a_signed_study(finished, drawn, open_page, monkeypatch):
    space, study = finished
    space.sign(study.id, "Ann")
    asked = []
    monkeypatch.setattr("parts.work.start", lambda *given: asked.append(given[-1]))
    app = open_page("data", study.id)
    assert not app.exception
    assert "New cells can be added on Data" in text_of(app)
    next(one for one in app.text_input if one.label.startswith("Name of the next")).set_value(
        "June"
    )
    button(app, "add batch button").click().run()
    (batch,) = batches_of(space, study.id)
    assert batch.images.name == "June"
    space.receive(batch.images.id, files_below(drawn / "reference"))
    app = open_page("data", study.id)
    assert not app.exception
    button(app, "type batches").click().run()
    assert asked == ["batch"]


def test_what_came_out_is_shown_with_its_drift(finished, drawn, open_page):
    space, study = finished
    add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    for page in ("data", "classify"):
        app = open_page(page, study.id)
        assert not app.exception
        assert "June: All cells: the stain" in text_of(app)
        assert "may be worthwhile" in text_of(app)
        assert "type batches" not in {one.key for one in app.button}
        (table,) = [one.value for one in app.dataframe if "Batch" in one.value]
        assert table["Cells"].tolist() == [len(list((drawn / "reference").rglob("*.png")))]


def test_one_of_many_batches_is_shown_at_first_the_newest(finished, drawn, open_page):
    space, study = finished
    add(space, study, drawn)
    images = files_below(drawn / "reference")
    made = [add_batch(space, study.id, f"2026-07-{day}").id for day in range(1, 7)]
    for number, one in enumerate(made[:-1]):
        space.receive(one, images[number : number + 3])
    app = open_page("data", study.id)
    assert not app.exception
    assert "Not typed yet: June, 2026-07-1" in text_of(app)
    bring_up_to(space, study.id, "batch", silent)
    app = open_page("data", study.id)

    def reviewed():
        return [one.key for one in app.button if (one.key or "").startswith("review ")]

    assert not reviewed()  # it has no cells yet
    choice = next(one for one in app.selectbox if one.label == "Batch")
    assert (choice.value, choice.options[0]) == (made[-1], "2026-07-6")
    choice.set_value(made[0]).run()
    assert reviewed() == [f"review {made[0]}"]
    (table,) = [one.value for one in app.dataframe if "Drifted" in one.value]
    assert table["Batch"].tolist() == [
        "June",
        "2026-07-1",
        "2026-07-2",
        "2026-07-3",
        "2026-07-4",
        "2026-07-5",
    ]
    assert "stain" in table["Drifted"][0]
    name = next(one for one in app.text_input if one.label.startswith("Name of the next"))
    name.set_value("August")
    button(app, "add batch button").click().run()
    choice = next(one for one in app.selectbox if one.label == "Batch")
    assert choice.value == space.sets(study.id, "batch")[-1].id
    assert choice.options[0] == "August"
    assert not reviewed()
    app = open_page("review", study.id, batch=made[0])
    assert next(one for one in app.selectbox if one.label == "Cells of").value == made[0]


def test_a_batch_becomes_a_study_of_its_own(finished, drawn, open_page):
    space, study = finished
    batch = add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    app = open_page("data", study.id)
    button(app, f"own study {batch.id}").click().run()
    assert "not finished" in text_of(app)
    space.sign(study.id, "Ann")
    app = open_page("data", study.id)
    button(app, f"own study {batch.id}").click().run()
    made = next(one for one in space.studies() if one.id != study.id)
    assert made.name == f"June after {study.name}"


def test_new_cells_are_taken_away_apart_from_the_old_ones(finished, drawn, open_page):
    space, study = finished
    app = open_page("export", study.id)
    assert "Cells added later" not in text_of(app)
    add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    app = open_page("export", study.id)
    assert not app.exception
    assert "Cells added later" in text_of(app)
    assert "were not signed off" in text_of(app)
    button(app, "prepare batches").click().run()
    wait()
    (page,) = space.result_path(study.id, "embed", "").parent.glob("export-batches-*.html")
    assert "June" in without_script(page)
    app = open_page("export", study.id, hidden=True)
    assert not app.exception
    assert "Old and new cells (CSV)" in {one.proto.label for one in app.get("download_button")}
    button(app, "prepare batches").click().run()
    button(app, "prepare report").click().run()
    wait()
    hidden = Pseudonyms.of_study(space.secret, study.id)
    for kind in ("batches", "report"):
        (page,) = space.result_path(study.id, "embed", "").parent.glob(
            f"export-{kind}-pseudonyms-*.html"
        )
        said = without_script(page)
        assert "June" not in said
        assert hidden.of("batch", "June") in said


@pytest.mark.parametrize("hidden", [False, True])
def test_tables_of_new_cells_are_made_when_they_are_downloaded(
    finished, drawn, open_page, monkeypatch, hidden
):
    space, study = finished
    add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    made = []
    monkeypatch.setattr("parts.batches.with_batches", lambda *given: made.append(given))
    assert not open_page("export", study.id, hidden=hidden).exception
    assert made == []
    monkeypatch.setattr("parts.batches.with_batches", with_batches)
    offered = {}
    monkeypatch.setattr(
        "streamlit.download_button", lambda _, write, file, **__: offered.update({file: write})
    )
    assert not open_page("export", study.id, hidden=hidden).exception
    cells = csv_of(offered["drawn-cells-cells-with-batches.csv"]())
    old = csv_of(offered["drawn-cells-cells.csv"]())
    assert cells["sha256"][: len(old)].tolist() == old["sha256"].tolist()
    name = Pseudonyms.of_study(space.secret, study.id).of("batch", "June") if hidden else "June"
    assert {*cells["batch"][len(old) :]} == {name}
    counts = csv_of(offered["drawn-cells-differential-of-batches.csv"]())
    assert counts["cells"].sum() == len(cells) - len(old)
    assert {*csv_of(offered["drawn-cells-drift.csv"]())["batch"]} == {name}


def csv_of(data):
    return pd.read_csv(io.BytesIO(data))


def shown(app):
    return app.session_state["desk"].current[0]


def taught(space, study):
    (batch,) = batches_of(space, study.id)
    return batch.typed


def test_cells_of_a_batch_are_reviewed_after_sign_off(finished, drawn, open_page):
    space, study = finished
    batch = add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    space.sign(study.id, "Ann")
    before = taught(space, study)
    app = open_page("review", study.id, batch=batch.id)
    assert not app.exception
    assert "Typed with what this study taught" in text_of(app)
    first = shown(app)
    assert first == before.query.cells[before.queue[0]]
    button(app, "accept").click().run()
    second = shown(app)
    assert second != first
    button(app, "type 1").click().run()
    assert not app.exception
    after = taught(space, study)
    said = {one.cell: one.answer for one in after.reviews}
    assert said == {first: before.predicted[before.query.cells.index(first)], second: said[second]}
    assert {one.reader for one in after.reviews} == {"Ann"}
    assert not space.decisions(study.id, "review")  # the study's own answers are as they were
    (answered,) = [one for one in app.metric if one.label.startswith("Answered of")]
    assert answered.value == "2"
    button(app, "back").click().run()
    assert shown(app) == second
    assert "Your answer" in text_of(app)
    button(app, "undo").click().run()
    assert len(taught(space, study).reviews) == 1
    assert shown(app) == second


def test_a_new_type_can_be_named_for_a_cell_of_a_batch(finished, drawn, open_page):
    space, study = finished
    batch = add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    app = open_page("review", study.id, batch=batch.id)
    next(one for one in app.text_input if one.key == "new type").set_value("plasma cell")
    next(one for one in app.button if one.label == "This cell is that").click().run()
    assert not app.exception
    assert "plasma cell" in taught(space, study).types
    assert "plasma cell" in {one.label for one in app.button}


def test_the_studys_own_cells_are_shown_unless_a_batch_is_chosen(finished, drawn, open_page):
    space, study = finished
    app = open_page("review", study.id, batch="gone")
    assert not app.exception
    assert "order" in {one.key for one in app.selectbox}
    assert not app.get("button_group")
    batch = add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    app = open_page("data", study.id)
    assert f"review {batch.id}" in {one.key for one in app.button}


def test_answers_on_a_batch_are_listed(finished, drawn, open_page):
    space, study = finished
    add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    cell = taught(space, study).query.cells[0]
    payloads = review_payloads([(cell, "odd", False)], "Ann", now())
    space.decide_all(study.id, BATCH_REVIEW, payloads, "Ann")
    app = open_page("answers", study.id)
    assert not app.exception
    (table,) = [one.value for one in app.dataframe if "Subject" in one.value]
    assert table["Answer"].tolist() == ["odd"]
    assert table["File"].tolist() == [taught(space, study).query.first_file[0]]
    assert "role=batch" in table["Picture"][0]
    assert table["Subject"].tolist() == ["Cell of June"]
    kind = next(one for one in app.selectbox if one.key == "answers kind")
    kind.set_value("cells").run()
    assert "**1 answer** of 1" in text_of(app)
    button(app, "answers undo").click().run()
    assert not taught(space, study).reviews


def test_only_answers_on_a_batch_can_be_revised_after_sign_off(finished, drawn, open_page):
    space, study = finished
    add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    own = load_current(space, study.id).run.query.cells[0]
    payloads = review_payloads([(own, "odd", False)], "Ann", now())
    space.decide_all(study.id, "review", payloads, "Ann")
    space.sign(study.id, "Ann")
    app = open_page("answers", study.id)
    assert button(app, "answers undo").disabled
    cell = taught(space, study).query.cells[0]
    payloads = review_payloads([(cell, "odd", False)], "Ann", now())
    space.decide_all(study.id, BATCH_REVIEW, payloads, "Ann")
    app = open_page("answers", study.id)
    selection = {"rows": [0, 1], "columns": [], "cells": []}
    app.session_state["answers table"] = {"selection": selection}
    app.run()
    assert "1 answer of these cannot be revised: they were signed off" in text_of(app)
    next(one for one in app.selectbox if one.label == "Corrected answer").set_value("unsure").run()
    button(app, "answers change").click().run()
    assert not app.exception
    assert [one.answer for one in taught(space, study).reviews] == ["odd", "unsure"]
    assert space.count_decisions(study.id, "review") == 1
    button(app, "answers undo").click().run()
    assert [one.answer for one in taught(space, study).reviews] == ["odd"]


def test_a_batch_chosen_on_review_is_forgotten_on_cells(finished, drawn, open_page):
    space, study = finished
    batch = add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    assert open_page("review", study.id, batch=batch.id).session_state["desk"].kind == BATCH_REVIEW
    app = open_page("cells", study.id, batch=batch.id)
    assert not app.exception
    assert app.session_state["desk"].kind == "review"


def test_a_cell_whose_image_was_replaced_is_not_gone_back_to(finished, drawn, open_page):
    space, study = finished
    batch = add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    app = open_page("review", study.id, batch=batch.id)
    first = shown(app)
    button(app, "accept").click().run()
    query = taught(space, study).query
    name = query.first_file[query.cells.index(first)]
    space.receive(batch.id, [(name, png(9, side=40))], clash="replace")  # sent again
    bring_up_to(space, study.id, "batch", silent)
    button(app, "back").click().run()
    assert not app.exception
    assert shown(app) in taught(space, study).query.cells
    assert button(app, "back").disabled


def test_undo_in_a_batch_leaves_the_answers_on_another(finished, drawn, open_page):
    space, study = finished
    june = add(space, study, drawn)
    july = add_batch(space, study.id, "July")
    space.receive(july.id, files_below(drawn / "query")[:6])
    bring_up_to(space, study.id, "batch", silent)
    button(open_page("review", study.id, batch=june.id), "accept").click().run()
    app = open_page("review", study.id, batch=july.id)
    button(app, "undo").click().run()
    assert not app.exception
    assert space.count_decisions(study.id, BATCH_REVIEW) == 1
    button(app, "accept").click().run()
    button(app, "undo").click().run()
    assert space.count_decisions(study.id, BATCH_REVIEW) == 1


def test_a_type_called_like_a_column_has_one_of_its_own(finished, drawn, open_page):
    space, study = finished
    add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    cells = taught(space, study).query.cells
    payloads = review_payloads([(cells[0], "Batch", False), (cells[1], "Cells", False)], "A", now())
    space.decide_all(study.id, BATCH_REVIEW, payloads, "A")
    (table,) = [
        one.value for one in open_page("data", study.id).dataframe if "Answered" in one.value
    ]
    assert table["Batch"].tolist() == ["June"]
    assert table["Cells"].tolist() == [len(cells)]
    assert table["Batch (type)"][0] >= 1


def test_a_batch_with_an_unreadable_table_does_not_hide_the_others(finished, drawn, open_page):
    space, study = finished
    add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    july = add_batch(space, study.id, "July")
    space.receive(july.id, [*files_below(drawn / "query"), ("metadata.csv", b"nofile;x\n1;2\n")])
    app = open_page("data", study.id)
    assert "July/metadata.csv needs the columns file" in text_of(app)
    (table,) = [one.value for one in app.dataframe if "Batch" in one.value]
    assert table["Batch"].tolist() == ["June"]


def test_a_name_of_a_batch_is_shown_as_written(finished, drawn, open_page):
    from parts import text

    space, study = finished
    batch = add(space, study, drawn)
    space.change_set(batch.id, name="*June* :red[x]")
    bring_up_to(space, study.id, "batch", silent)
    app = open_page("review", study.id)
    (choice,) = app.get("button_group")
    assert choice.options == ["this study", text.plain("*June* :red[x]")]


def test_a_batch_that_was_removed_meanwhile_says_so(finished, drawn, open_page, monkeypatch):
    space, study = finished
    batch = add(space, study, drawn)
    bring_up_to(space, study.id, "batch", silent)
    monkeypatch.setattr("parts.batch_review.choose_batch", lambda _: batch.id)
    app = open_page("review", study.id, batch=batch.id)
    space.remove_set(batch.id)
    app.run()
    assert not app.exception
    assert "This batch was removed" in text_of(app)
