"""How many statements reach the database, and that what is kept in memory is never old."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from celltransfer_core.studies import (
    Workspace,
    load_current,
    load_prepared,
    load_run,
    now,
    review_payloads,
    stage_keys,
    states,
    study_config,
)
from celltransfer_core.studies.stages import named_types
from tests.counting import statements


def test_pages_ask_for_little(space, finished):
    calls = {
        "pulse": lambda: space.pulse(finished),
        "keys": lambda: stage_keys(space, finished),
        "current": lambda: load_current(space, finished),
        "prepared": lambda: load_prepared(space, finished),
        "run": lambda: load_run(space, finished),
        "names": lambda: named_types(space, finished),
    }
    counts = {}
    for name, call in calls.items():
        call()
        with statements() as sent:
            call()
        counts[name] = len(sent)
    assert counts == dict.fromkeys(calls, 1)


def test_an_answer_takes_three_statements(space, finished):
    load_current(space, finished)
    seen = space.pulse(finished)
    payloads = review_payloads([("cell", "lymphocyte", False)], "Ann", now())
    with statements() as sent:
        after = space.decide_unseen(finished, "review", payloads, "Ann", seen)
    assert [one.split()[0] for one in sent] == ["SELECT", "UPDATE", "INSERT"]
    assert after == space.pulse(finished)
    with statements() as sent:
        found = load_current(space, finished)
    assert len(sent) == 2  # what is there, and the decisions since
    assert [review.cell for review in found.reviews] == ["cell"]


def test_what_somebody_else_decided_meanwhile_is_not_taken_as_seen(space, study):
    seen = space.pulse(study.id)
    space.decide(study.id, "match", {"cells": [], "type": "a"}, "Bob")
    assert space.decide_unseen(study.id, "review", [{"cell": "x"}], "Ann", seen) == seen
    assert space.pulse(study.id) != seen
    assert len(space.decisions(study.id)) == 2
    seen = space.pulse(study.id)
    both = [{"cell": "x"}, {"cell": "y"}]
    assert space.decide_unseen(study.id, "review", both, "Ann", seen) == space.pulse(study.id)
    assert space.decide_unseen(study.id, "review", [], "Ann", seen) == seen


CHANGES = {
    "option": lambda space, study: space.change_options(study, seed=7),
    "decision": lambda space, study: space.decide(
        study, "match", {"cells": [], "type": "lymphocyte"}, "Ann"
    ),
    "undone": lambda space, study: space.undo(study, "match", "Ann"),
    "mapping": lambda space, study: space.change_set(
        space.sets(study, "reference")[0].id, mapping={"neutrophil": "n"}
    ),
    "scale": lambda space, study: [
        space.change_set(one.id, um_per_px=0.5) for one in space.sets(study)
    ],
    "image": lambda space, study: space.receive(
        space.sets(study, "query")[0].id, [("metadata.csv", b"file,slide\n00.png,s\n")]
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_another_process_changed_is_seen_at_once(space, finished, change, monkeypatch):
    # All within one millisecond of a clock that stands still.
    for module in ("database", "decisions", "study_list", "sets"):
        monkeypatch.setattr(f"celltransfer_core.studies.{module}.now", lambda: "2026-01-01")
    other = Workspace()
    if change == "undone":
        CHANGES["decision"](other, finished)
    before, pulse = stage_keys(space, finished), space.pulse(finished)
    assert space.pulse(finished) == pulse
    CHANGES[change](other, finished)
    after = stage_keys(space, finished)
    assert after["classify"] != before["classify"]
    assert after == stage_keys(Workspace(), finished)


def test_a_study_that_was_deleted_is_not_there(space, finished):
    stage_keys(space, finished)
    Workspace().delete(finished)
    with pytest.raises(Exception, match="no longer exists"):
        stage_keys(space, finished)
    Workspace().restore(finished)
    assert set(states(space, finished).values()) == {"done"}


def test_two_who_change_different_options_at_once_lose_nothing(space, study):
    names = [f"option_{number}" for number in range(24)]

    def change(name):
        Workspace().change_options(study.id, **{name: name})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, names))
    assert space.study(study.id).options == {name: name for name in names}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: space.change_options(study.id, **{name: None}), names))
    assert space.study(study.id).options == {}


def test_two_who_keep_different_types_at_once_lose_nothing(space, finished):
    types = ("eosinophil", "lymphocyte", "neutrophil")

    def keep(name):
        Workspace().decide(finished, "keep", {"type": name, "kept": True}, f"reader of {name}")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(keep, types))
    assert study_config(space, space.study(finished)).keep == types
    before = stage_keys(space, finished)
    space.undo(finished, "keep", "reader of lymphocyte")
    assert study_config(space, space.study(finished)).keep == ("eosinophil", "neutrophil")
    assert stage_keys(space, finished)["classify"] != before["classify"]
    assert "keep" not in space.study(finished).options


def test_a_type_that_was_kept_in_an_option_is_left_out_by_a_decision(space, finished):
    space.change_options(finished, keep=["neutrophil"])  # as 0.1.0 stored it
    assert study_config(space, space.study(finished)).keep == ("neutrophil",)
    space.decide(finished, "keep", {"type": "neutrophil", "kept": False}, "Ann")
    assert study_config(space, space.study(finished)).keep == ()
    space.undo(finished, "keep", "Ann")
    assert study_config(space, space.study(finished)).keep == ("neutrophil",)
