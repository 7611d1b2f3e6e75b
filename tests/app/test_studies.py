import io
from collections import Counter

from celltransfer_core.studies import (
    export_study,
    load_current,
    now,
    preparation,
    review_payloads,
    wait,
)


def text_of(app):
    kinds = ("title", "markdown", "caption", "info", "warning")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def button(app, key):
    return next(one for one in app.button if one.key == key)


def test_a_study_is_told_in_words(open_page, finished):
    _, study = finished
    app = open_page("studies", study.id)
    assert not app.exception
    said = text_of(app)
    assert "42 reference images, 30 query images" in said
    assert "on disk" in said
    assert ":blue-badge[open]" in said
    assert any(f"?study={study.id}" in code.value for code in app.code)


def test_studies_without_images_and_names_with_marks(open_page, home, finished):
    space, _ = finished
    bad = space.create("<script>alert(1)</script> **x** :red[y]")
    app = open_page("studies")
    assert not app.exception
    said = text_of(app)
    assert "<script>" not in said
    assert r"\*\*x\*\*" in said
    assert "no images yet" in said
    assert f"open {bad.id}" in {one.key for one in app.button}


def test_rename_and_duplicate(open_page, finished):
    space, study = finished
    app = open_page("studies", study.id)
    name = next(one for one in app.text_input if one.label == "New name")
    name.set_value("  Better   name ")
    next(one for one in app.button if one.label == "Rename").click().run()
    assert space.study(study.id).name == "Better name"
    button(app, f"copy {study.id}").click().run()
    assert not app.exception
    assert [one.name for one in space.studies()] == ["Copy of Better name", "Better name"]


def test_delete_with_undo_and_restore(open_page, finished):
    space, study = finished
    app = open_page("studies", study.id)
    button(app, f"delete {study.id}").click().run()
    assert not app.exception
    assert space.studies() == ()
    assert "study" not in app.session_state
    button(app, "undo").click().run()
    assert space.studies() == (study,)
    button(app, f"delete {study.id}").click().run()
    app = open_page("studies")
    assert "undo" not in {one.key for one in app.button}
    button(app, f"restore {study.id}").click().run()
    assert not app.exception
    assert space.studies() == (study,)


def test_open_goes_to_what_comes_next(open_page, finished):
    _, study = finished
    app = open_page("studies")
    button(app, f"open {study.id}").click().run()
    assert not app.exception
    assert app.title[0].value == "Matches"
    assert app.session_state["study"] == study.id


def test_a_signed_study_is_not_renamed(open_page, finished):
    space, study = finished
    space.sign(study.id, "Ann")
    app = open_page("studies", study.id)
    assert not app.exception
    assert "Signed off by Ann" in text_of(app)
    assert all(one.label != "New name" for one in app.text_input)


def test_a_study_that_is_gone_is_said(open_page, finished):
    app = open_page("studies", "nothere")
    assert not app.exception
    assert "no longer exists" in app.warning[0].value


def test_deleted_studies_are_deleted_for_good_after_a_second_look(open_page, finished):
    space, study = finished
    space.duplicate(study.id, "A copy")
    space.delete(study.id)
    app = open_page("studies")
    offer = button(app, "sweep deleted")
    freed = space.sweepable()
    assert freed.studies == 1
    assert offer.label.startswith("Permanently delete 1 study (")
    assert "sweep" not in {one.key for one in app.button}
    offer.click().run()
    assert not app.exception
    assert "This cannot be undone" in text_of(app)
    assert space.studies(deleted=True) != ()
    button(app, "sweep").click().run()
    assert not app.exception
    assert space.studies(deleted=True) == ()
    assert [one.name for one in space.studies()] == ["A copy"]
    assert space.pooled(space.studies()[0].id, "query").n_cells == 30
    assert any("freed" in one.value for one in app.success)
    assert space.sweepable().size == 0


def test_studies_that_were_deleted_just_now_can_be_spared(open_page, finished):
    space, study = finished
    space.delete(study.id)
    app = open_page("studies")
    next(one for one in app.selectbox if one.key == "age").set_value(30).run()
    assert button(app, "sweep deleted").label.startswith("Permanently delete 0 studies (")
    assert button(app, "sweep deleted").disabled


def widget(app, kind, key):
    return next(one for one in app.get(kind) if one.key == key)


def asked(app, name):
    """What the address says, however it was written."""
    found = app.query_params[name]
    return found[0] if isinstance(found, list) else found


def listed(app):
    keys = [one.key for one in app.button if one.key and one.key.startswith("open ")]
    return [key.removeprefix("open ") for key in keys]


def test_a_search_stands_in_the_address_and_its_chips_take_it_away(open_page, finished):
    space, study = finished
    other = space.create("Marrow").id
    space.tag(other, ["stain: Giemsa"])
    app = open_page("studies")
    assert {*listed(app)} == {study.id, other}
    assert "stain: Giemsa" in text_of(app).replace("\\", "")
    widget(app, "text_input", "studies words").set_value(" eosinophil ").run()
    assert not app.exception
    assert listed(app) == [study.id]
    assert asked(app, "find") == "eosinophil"
    widget(app, "multiselect", "studies tags").set_value(["stain: Giemsa"]).run()
    assert listed(app) == []
    assert "No study matches" in text_of(app)
    assert asked(app, "tag") == "stain: Giemsa"
    widget(app, "button", "studies chip 0").click().run()
    assert listed(app) == [other]
    widget(app, "button", "studies chip 0").click().run()
    assert {*listed(app)} == {study.id, other}
    again = open_page("studies", address={"tag": "stain: Giemsa"})
    assert listed(again) == [other]


def test_archived_studies_are_listed_on_demand(open_page, finished):
    space, study = finished
    app = open_page("studies")
    button(app, f"archive {study.id}").click().run()
    assert not app.exception
    assert listed(app) == []
    assert "All studies are archived" in text_of(app)
    widget(app, "toggle", "studies archived").set_value(True).run()
    assert asked(app, "archived") == "1"
    assert listed(app) == [study.id]
    assert "archived" in text_of(app)
    button(app, f"archive {study.id}").click().run()
    assert space.study(study.id).archived is None


def test_tags_are_given_on_the_card(open_page, finished):
    space, study = finished
    app = open_page("studies")
    tags = widget(app, "multiselect", f"tags {study.id}")
    assert "site: blood" in tags.options
    tags.set_value(["site: blood"]).run()
    assert not app.exception
    assert space.study(study.id).tags == ["site: blood"]


def test_a_study_is_taken_away_and_brought_as_one_file(open_page, finished, tmp_path):
    space, study = finished
    app = open_page("studies")
    button(app, f"file {study.id}").click().run()
    wait()
    app = open_page("studies")
    (made,) = space.result_path(study.id, "x", "").parent.glob("export-study-*.zip")
    assert preparation(made) is None
    assert f"file {study.id}" not in {one.key for one in app.button}
    data = export_study(space, study.id, tmp_path / "a.zip").read_bytes()
    assert made.read_bytes() == data
    widget(app, "file_uploader", "study file 0").upload("a.zip", data, "application/zip").run()
    button(app, "bring study").click().run()
    assert not app.exception
    assert len(space.studies()) == 2
    assert any("got a new id" in one.value for one in app.success)
    bad = io.BytesIO(data[:1000]).getvalue()
    app = open_page("studies")
    widget(app, "file_uploader", "study file 0").upload("a.zip", bad, "application/zip").run()
    button(app, "bring study").click().run()
    assert "contains no study" in app.error[0].value
    assert len(space.studies()) == 2


def test_two_that_are_ticked_are_compared(open_page, finished):
    space, study = finished
    copied = space.duplicate(study.id, "A copy").id
    run = load_current(space, study.id).run
    given = next(name for name in run.types if name != run.predicted[0])
    answers = review_payloads([(run.query.cells[0], given, False)], "Bob", now())
    space.decide_all(copied, "review", answers, "Bob")
    app = open_page("studies")
    assert "compare" not in {one.key for one in app.button}
    for one in (study.id, copied):
        widget(app, "checkbox", f"tick {one}").check().run()
    button(app, "compare").click().run()
    assert not app.exception
    assert app.title[0].value == "Compare"
    assert (asked(app, "first"), asked(app, "second")) == (study.id, copied)
    assert "1 cell of 30 changed type" in app.subheader[0].value
    said = text_of(app).replace("\\", "")
    assert f"It was {run.predicted[0]} in the first" in said
    assert f"answer: no answer → {given}" in said


def test_one_that_is_ticked_is_compared_with_its_earlier_runs(open_page, finished):
    _, study = finished
    app = open_page("studies")
    widget(app, "checkbox", f"tick {study.id}").check().run()
    assert button(app, "compare").label == "Compare its runs"
    button(app, "compare").click().run()
    assert "0 cells of 30 changed type" in app.subheader[0].value
    runs = widget(app, "selectbox", f"compare second run {study.id}")
    assert Counter(one.split()[1] for one in runs.options) == {"state": 1, "computed": 1}
    runs.set_value(runs.value if len(runs.options) < 2 else runs.options[1])
    app.run()
    assert not app.exception


def test_studies_of_other_cells_are_not_compared(open_page, finished):
    space, study = finished
    empty = space.create("Empty").id
    app = open_page("compare", address={"first": study.id, "second": empty})
    assert not app.exception
    assert "not been typed yet" in text_of(app)
    app = open_page("compare", address={"first": "nothing", "second": "../x"})
    assert not app.exception
    assert not app.subheader
