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
    assert "no such study" in app.warning[0].value


def test_deleted_studies_are_deleted_for_good_after_a_second_look(open_page, finished):
    space, study = finished
    space.duplicate(study.id, "A copy")
    space.delete(study.id)
    app = open_page("studies")
    offer = button(app, "sweep deleted")
    freed = space.sweepable()
    assert freed.studies == 1
    assert offer.label.startswith("Delete 1 study for good (")
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
    assert any("are free again" in one.value for one in app.success)
    assert space.sweepable().size == 0


def test_studies_that_were_deleted_just_now_can_be_spared(open_page, finished):
    space, study = finished
    space.delete(study.id)
    app = open_page("studies")
    next(one for one in app.selectbox if one.key == "age").set_value(30).run()
    assert button(app, "sweep deleted").label.startswith("Delete 0 studies for good (")
    assert button(app, "sweep deleted").disabled
