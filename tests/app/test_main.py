"""What stands around every page: it is there whatever is wrong with the study or its database."""

import re
import sqlite3
from contextlib import closing

import pytest
import streamlit as st
from streamlit.runtime.context import ContextProxy

from celltransfer_core.about import __version__
from celltransfer_core.errors import OutputError
from celltransfer_core.studies import Workspace

PAGES = ("studies", "data", "review")


def fail(*_, **__):
    raise OutputError("The database is away.")


@pytest.mark.parametrize("call", ["study", "pulse", "jobs"])
def test_a_database_that_fails_ends_no_page_and_closes_no_study(
    open_page, finished, monkeypatch, call
):
    monkeypatch.setattr(Workspace, call, fail)
    _, study = finished
    for page in PAGES:
        app = open_page(page, study.id)
        assert not app.exception, page
        assert [one.value for one in app.error].count("The database is away.") == 1, page
        assert app.session_state["study"] == study.id


def test_a_workspace_of_a_newer_version_is_said_and_nothing_else_is_shown(
    open_page, finished, tmp_path, monkeypatch
):
    space, study = finished
    with (
        closing(sqlite3.connect(space.folder / "studies.sqlite")) as now,
        closing(sqlite3.connect(tmp_path / "studies.sqlite")) as newer,
    ):
        now.backup(newer)
        newer.execute("UPDATE alembic_version SET version_num = '9.0.0'")
        newer.commit()
    monkeypatch.setenv("CELLTRANSFER_HOME", str(tmp_path))
    app = open_page("data", study.id)
    assert not app.exception
    assert [one.value for one in app.title] == ["CellTransfer"]
    assert [one.value for one in app.error] == [
        "This workspace was made by a newer version of CellTransfer; install at least 9.0.0."
    ]
    assert __version__ in app.caption[0].value
    assert not app.button


def test_a_study_with_an_option_of_a_later_version_hides_no_other(open_page, finished):
    space, study = finished
    other = space.create("Another").id
    space.change_options(study.id, hologram=True)
    app = open_page("studies", study.id)
    assert not app.exception
    assert any("hologram" in one.value for one in app.error)
    assert {study.id, other} <= {one.key.removeprefix("open ") for one in app.button if one.key}
    assert not open_page("studies", other).error


def test_a_workspace_that_cannot_be_opened_is_said(open_page, home):
    (home / "images").write_text("")
    app = open_page("studies")
    assert not app.exception
    assert "cannot be opened" in app.error[0].value


def button(app, label):
    return next(one for one in app.button if one.label == label)


def said(app):
    kinds = ("title", "markdown", "info", "warning")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def listed(monkeypatch):
    """Collect title and mark of every page that is declared."""
    pages = {}
    declare = st.Page

    def page(path, title, **more):
        pages[path if isinstance(path, str) else title] = (title, more)
        return declare(path, title=title, **more)

    monkeypatch.setattr(st, "Page", page)
    return pages


def test_a_tick_is_for_what_people_did_and_one_step_is_next(open_page, finished, monkeypatch):
    pages = listed(monkeypatch)
    _, study = finished
    app = open_page("embeddings", study.id)
    marks = {path: more["help"] for path, (_, more) in pages.items() if "help" in more}
    assert {path for path, words in marks.items() if words == "Done."} == {
        "data.py",
        "embeddings.py",
        "clusters.py",
        "classify.py",
    }
    assert [path for path, words in marks.items() if words == "Next."] == ["matches.py"]
    assert marks["review.py"] == marks["export.py"] == "Not done yet."
    clusters = re.fullmatch(r"2 · Matches · 0 of (\d+)", pages["matches.py"][0])
    assert int(clusters[1]) > 0
    # The page's button and Start lead to the same.
    for page in ("embeddings", "classify", "data", "start"):
        app = open_page(page, study.id)
        (main,) = [one for one in app.button if one.key == "following"]
        assert main.label == "Continue: confirm the types of the clusters", page


def test_every_page_has_one_main_button(open_page, finished):
    _, study = finished
    for page in ("start", "studies", "data", "embeddings", "clusters", "classify", "cells"):
        app = open_page(page, study.id)
        primary = [one.label for one in app.button if one.proto.type == "primary"]
        assert len(primary) == 1, (page, primary)


def test_an_address_that_no_page_has_says_so(open_page, home, monkeypatch):
    monkeypatch.setattr(ContextProxy, "url", "http://localhost:8501/base/nothing")
    pages = listed(monkeypatch)
    assert not open_page("studies").exception
    assert pages["Page not found"][1]["url_path"] == "nothing"
    monkeypatch.setattr(ContextProxy, "url", "http://localhost:8501/base/studies")
    pages.clear()
    open_page("studies")
    assert "Page not found" not in pages


def test_the_start_asked_for_by_name_is_led_to(open_page, home, monkeypatch):
    monkeypatch.setattr(ContextProxy, "url", "http://localhost:8501/base/start")
    pages = listed(monkeypatch)
    assert not open_page("studies").exception
    assert pages["Page not found"][1]["url_path"] == "start"
    assert pages["start.py"][1]["url_path"] != "start"


@pytest.mark.parametrize("page", ["data", "matches", "cells", "review", "export", "evaluate"])
def test_a_step_without_a_study_leads_to_the_studies(open_page, home, page):
    app = open_page(page)
    assert not app.exception
    assert "No study is open" in said(app)
    button(app, "Choose a study").click().run()
    assert app.title[0].value == "Studies"


def test_the_study_of_the_last_visit_is_opened_if_it_is_there(open_page, finished):
    space, study = finished
    last = {"celltransfer_study": study.id}
    assert open_page("matches", cookies=last).session_state["study"] == study.id
    other = space.create("Other").id
    assert open_page("start", other, cookies=last).session_state["study"] == other
    space.delete(study.id)
    app = open_page("start", cookies=last)
    assert not app.session_state["study"]
    assert "no longer exists" not in said(app)  # nobody asked for it


def test_a_name_is_asked_at_the_first_answer_which_is_then_kept(open_page, finished):
    space, study = finished
    app = open_page("matches", study.id, reader="")
    answer = next(one for one in app.button if one.key.startswith("none "))
    answer.click().run()
    assert not app.exception
    assert space.decisions(study.id, "match") == ()
    name = next(one for one in app.text_input if one.key == "name asked")
    button(app, "Save my name").click().run()
    assert space.decisions(study.id, "match") == ()  # without a name nothing is kept
    name = next(one for one in app.text_input if one.key == "name asked")
    name.set_value("  Zoë  ")
    button(app, "Save my name").click().run()
    assert not app.exception
    assert {one.who for one in space.decisions(study.id, "match")} == {"Zoë"}
    assert app.session_state["reader"] == "Zoë"
    assert all(one.key != "name asked" for one in app.text_input)


def test_a_name_is_asked_from_a_part_of_a_page_too(open_page, finished):
    space, study = finished
    app = open_page("review", study.id, reader="")
    next(one for one in app.button if one.key == "type 0").click().run()
    assert not app.exception
    assert space.decisions(study.id, "review") == ()
    next(one for one in app.text_input if one.key == "name asked").set_value("Zoë")
    button(app, "Save my name").click().run()
    assert not app.exception
    (kept,) = space.decisions(study.id, "review")
    assert (kept.who, kept.payload["reader"]) == ("Zoë", "Zoë")


def test_the_browser_remembers_the_name(open_page, finished):
    app = open_page("matches", finished[1].id, {"celltransfer_reader": "Zo%C3%AB"}, reader=None)
    assert app.session_state["reader"] == "Zoë"
