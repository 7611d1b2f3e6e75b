"""Several readers, and several pages of one, on the Review page; and how little a page asks."""

import pytest

from celltransfer_core.errors import OutputError
from celltransfer_core.studies import (
    HELD,
    Workspace,
    desks as desks_module,
    now,
    review_payloads,
)
from celltransfer_core.vocabulary import UNSURE
from tests.counting import statements


def button(app, key):
    return next(one for one in app.button if one.key == key)


def shown(app):
    return app.session_state["desk"].current


def answers(space, study):
    return [one.payload["cell"] for one in space.decisions(study.id, "review")]


def test_readers_who_share_the_work_are_given_other_cells(open_page, finished):
    space, study = finished
    ann, ben = (open_page("review", study.id, reader=name) for name in ("Ann", "Ben"))
    assert shown(ann) != shown(ben)
    for app in (ann, ben, ann):
        button(app, "type 0").click().run()
        assert not app.exception
        assert shown(ann) != shown(ben)
    assert len({*answers(space, study)}) == 3


def test_who_reads_all_for_himself_is_given_the_same_cell(open_page, finished):
    _, study = finished
    ann = open_page("review", study.id)
    ben = open_page("review", study.id, reader="Ben", reading="second")
    assert shown(ann) == shown(ben)


def test_cells_of_who_went_away_come_after_some_minutes(open_page, finished, monkeypatch):
    space, study = finished
    cells = space.pooled(study.id, "query").cells
    space.take(study.id, "Ben", cells, len(cells))
    app = open_page("review", study.id)
    assert shown(app) is None
    assert any("are being read by other readers" in one.value for one in app.info)
    later = desks_module.time.time() + HELD + 1
    monkeypatch.setattr(desks_module.time, "time", lambda: later)
    app.run()
    assert shown(app) is not None
    assert not app.info


@pytest.mark.parametrize("name", ["  Zoë   Smith", "Zoe\u0308 Smith"])
def test_undo_finds_a_name_however_it_was_typed(open_page, finished, name):
    space, study = finished
    app = open_page("review", study.id, reader=name)
    first = shown(app)
    button(app, "type 0").click().run()
    assert {one.who for one in space.decisions(study.id)} == {"Zoë Smith"}
    assert space.decisions(study.id)[0].payload["reader"] == "Zoë Smith"
    button(app, "undo").click().run()
    assert answers(space, study) == []
    assert shown(app) == first


def test_undo_takes_a_stroke_back_whole(open_page, finished):
    space, study = finished
    cells = space.pooled(study.id, "query").cells[:3]
    stroke = review_payloads([(cell, UNSURE, False) for cell in cells], "Ann", now())
    space.decide_all(study.id, "review", stroke, "Ann")
    app = open_page("review", study.id)
    button(app, "undo").click().run()
    assert answers(space, study) == []


def test_where_nothing_can_be_written_cells_are_shown(open_page, finished, monkeypatch):
    def fail(*_):
        raise OutputError("It is read-only.")

    monkeypatch.setattr(Workspace, "take", fail)
    app = open_page("review", finished[1].id)
    assert not app.exception
    assert not app.error
    assert shown(app) is not None


def test_a_page_asks_for_little(open_page, finished):
    _, study = finished
    app = open_page("review", study.id)
    app.run()
    with statements() as sent:
        app.run()
    assert len(sent) <= 5  # the study twice, its jobs, what others changed twice
    button(app, "type 0").click().run()
    with statements() as sent:
        button(app, "type 0").click().run()
    # Three to keep the answer, the decisions since, and three to give out the next cell.
    assert len(sent) <= 12
