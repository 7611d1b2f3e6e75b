import time

from celltransfer_core.about import RESEARCH_USE
from celltransfer_core.studies import Workspace, cancel, current_job


def text_of(app):
    kinds = ("title", "header", "markdown", "caption", "info", "warning")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def button(app, label):
    return next(one for one in app.button if one.label == label)


def test_the_first_visit_makes_the_demo_and_fills_it(open_page, home):
    app = open_page("start")
    assert not app.exception
    space = Workspace()
    (study,) = space.studies()
    try:
        assert study.drawn
        assert app.session_state["study"] == study.id
        assert app.query_params["study"] == study.id
        assert "The demo is being prepared" in text_of(app)
        assert RESEARCH_USE in text_of(app)
        assert app.run().query_params["study"] == study.id
        assert len(space.studies()) == 1
    finally:
        job = current_job(space, study.id)
        cancel(space, job.id)
        deadline = time.monotonic() + 60
        while current_job(space, study.id).active and time.monotonic() < deadline:
            time.sleep(0.1)


def test_nothing_is_made_where_there_is_a_study(open_page, finished):
    space, study = finished
    app = open_page("start")
    assert not app.exception
    assert space.studies() == (study,)
    space.delete(study.id)
    assert not open_page("start").exception
    assert space.studies() == ()


def test_it_leads_on_with_the_open_study(open_page, finished):
    _, study = finished
    app = open_page("start", study.id)
    assert "no match confirmed" in text_of(app)
    button(app, "Continue: confirm the types of the clusters").click().run()
    assert not app.exception
    assert app.title[0].value == "Matches"


def test_new_studies_begin_with_their_data(open_page, finished):
    space, study = finished
    app = open_page("start", study.id)
    app.text_input[0].set_value("*Mine* <b>")
    button(app, "New study").click().run()
    assert not app.exception
    assert app.title[0].value == "Data"
    made = space.studies()[0]
    assert made.name == "*Mine* <b>"
    assert app.session_state["study"] == made.id
    app = open_page("start", made.id)
    assert r"\*Mine\* \<b\>" in text_of(app)
    assert "waits for images" in text_of(app)
    assert len(space.studies()) == 2


def test_a_study_needs_a_name(open_page, finished):
    space, study = finished
    app = open_page("start", study.id)
    button(app, "New study").click().run()
    assert "A name is required" in app.error[0].value
    assert space.studies() == (study,)
