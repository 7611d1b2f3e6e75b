from collections import Counter
from shutil import copytree
from types import SimpleNamespace

import numpy as np
import pytest

from celltransfer_core.demo import REFERENCE_TYPES
from celltransfer_core.demo.sets import draw_demo, plan_query
from celltransfer_core.studies import (
    DEMO_NAME,
    DEMO_READER,
    Workspace,
    bring_up_to,
    demo as demo_study,
    fill_demo,
    introduce_demo,
    load_named,
    open_demo,
    states,
)


@pytest.fixture
def small(monkeypatch, home):
    """Make a workspace in which the demo study is a small one."""
    monkeypatch.setattr(demo_study, "PER_TYPE", 6)
    monkeypatch.setattr(demo_study, "QUERY_CELLS", 60)
    return Workspace()


def test_the_demo_study_is_made_once(small):
    study = open_demo(small)
    assert (study.name, study.drawn) == (DEMO_NAME, True)
    assert [s.role for s in small.sets(study.id)] == ["reference", "query"]
    small.create("Another")
    small.duplicate(study.id, "Copy")
    small.rename(study.id, "Mine now")
    assert open_demo(small).id == study.id


def test_a_deleted_demo_comes_back(small):
    study = open_demo(small)
    small.delete(study.id)
    assert open_demo(small).id == study.id
    assert [one.id for one in small.studies()] == [study.id]


def test_the_demo_is_filled_once_and_leaves_nothing_beside_it(small):
    study = open_demo(small).id
    before = {path.name for path in small.folder.iterdir()}
    fill_demo(small, study)
    query = small.pooled(study, "query")
    assert query.n_cells == 60
    assert set(query.slide) == {"slide-1", "slide-2", "slide-3"}
    assert Counter(small.pooled(study, "reference").labels) == dict.fromkeys(REFERENCE_TYPES, 6)
    assert {path.name for path in small.folder.iterdir()} == before
    revisions = [s.revision for s in small.sets(study)]
    fill_demo(small, study)
    assert [s.revision for s in small.sets(study)] == revisions


def test_the_ready_answers_are_true_and_leave_something_to_do(small, tmp_path):
    study = open_demo(small).id
    small.change_options(study, encoders=[["colour", "shape"]], draws=1)
    bring_up_to(small, study, "classify", lambda *_: None)
    assert set(states(small, study).values()) == {"done"}
    query = small.pooled(study, "query")
    truth = {
        file: kind
        for file, (_, kind) in plan_query(60, np.random.default_rng(0).spawn(2)[1]).items()
    }
    drawn_as = {c: truth[f] for c, f in zip(query.cells, query.first_file, strict=True)}

    named, standing = load_named(small, study)
    assert 0 < len(standing) < len(named.matches)
    for one in standing:
        assert one.share == 1
        assert one.confirmation.by == DEMO_READER
        inside = named.clusters.names[named.clusters.labels] == one.confirmation.cluster
        kinds = Counter(drawn_as[query.cells[cell]] for cell in np.flatnonzero(inside))
        assert kinds.most_common(1)[0][0] == one.confirmation.type_name
    reviews = [decision.payload for decision in small.decisions(study, "review")]
    assert len(reviews) == 12
    assert sum(review["blind"] for review in reviews) == 8
    for review in reviews:
        kind = drawn_as[review["cell"]]
        assert review["answer"] == (kind if kind in REFERENCE_TYPES else "unsure")

    # What a person took back does not come again with the next run.
    before = len(small.decisions(study))
    small.change_options(study, alignment="none")
    bring_up_to(small, study, "classify", lambda *_: None)
    assert len(small.decisions(study)) == before


def test_a_query_that_is_gone_gets_no_answers(small):
    study = open_demo(small).id
    introduce_demo(small, study, None)
    assert small.decisions(study) == ()


class Killed(BaseException):
    """What ends the making of a demo at any moment."""


def whole_demo(space):
    """Make the demo as the first page and the first job do; return all that is in it."""
    study = open_demo(space)
    fill_demo(space, study.id)
    query = space.pooled(study.id, "query")
    named = SimpleNamespace(
        clusters=SimpleNamespace(labels=np.arange(len(query)) % 3, names=np.arange(3)),
        matches=[SimpleNamespace(matched_type=name) for name in REFERENCE_TYPES[:3]],
    )
    introduce_demo(space, study.id, named)
    sets = [
        (one.role, one.name, one.um_per_px, space.dataset(one).cells)
        for one in space.sets(study.id)
    ]
    decided = [
        (one.kind, {**one.payload, "time": ""}, one.who) for one in space.decisions(study.id)
    ]
    return study.name, sets, decided


def test_a_demo_that_was_killed_while_it_was_made_is_finished_and_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(demo_study, "PER_TYPE", 1)
    monkeypatch.setattr(demo_study, "QUERY_CELLS", 20)
    draw_demo(tmp_path / "drawn", reference_per_type=1, query_cells=20)
    monkeypatch.setattr(
        demo_study, "draw_demo", lambda folder, **_: copytree(tmp_path / "drawn", folder)
    )
    transact = Workspace._transact
    written = []

    def counted(space, work):
        found = transact(space, work)
        written.append(space.folder)
        if len(written) == last:
            raise Killed
        return found

    monkeypatch.setattr(Workspace, "_transact", counted)
    last = None
    expected = whole_demo(Workspace(tmp_path / "whole"))
    assert {kind for kind, _, _ in expected[2]} >= {"review"}
    assert all(um_per_px for _, _, um_per_px, _ in expected[1])
    steps = len(written)
    assert steps > 7
    for step in range(1, steps + 1):
        written.clear()
        last = step
        with pytest.raises(Killed):
            whole_demo(Workspace(tmp_path / f"{step}"))
        assert whole_demo(Workspace(tmp_path / f"{step}")) == expected
