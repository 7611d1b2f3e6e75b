"""What stands around every page: it is there whatever is wrong with the study or its database."""

import pytest

from celltransfer_core.errors import OutputError
from celltransfer_core.studies import Workspace

PAGES = ("studies", "data", "review")


def fail(*_, **__):
    raise OutputError("The database is away.")


@pytest.mark.parametrize("call", ["study", "pulse", "count_decisions"])
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
