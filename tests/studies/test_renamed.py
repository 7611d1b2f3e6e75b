"""After the types or the images of a study were changed, no page is served what was before."""

import pytest

from celltransfer_core.data import stored_at
from celltransfer_core.studies import (
    bring_up_to,
    load_current,
    load_named,
    load_run,
    match_payloads,
    now,
    review_payloads,
    study_config,
)
from celltransfer_core.studies.records import Decision, ImageSet
from celltransfer_core.studies.renamed import (
    SetTypes,
    TypesNow,
    decisions_now,
    renamed_types,
)
from celltransfer_core.studies.stages import named_types
from celltransfer_core.types import silent
from tests.studies.samples import png


@pytest.fixture
def decided(space, finished):
    """A study with a complete run, after which people confirmed clusters and typed cells."""
    named, _ = load_named(space, finished)
    query, types = space.pooled(finished, "query"), named.scores["query"].types
    answers = [(0, "eosinophil"), (1, "lymphocyte")][: len(named.matches)]
    space.decide_all(
        finished, "match", match_payloads(named.clusters, query.cells, answers, types), "Ann"
    )
    typed = [(query.cells[0], "eosinophil", False), (query.cells[1], "lymphocyte", True)]
    space.decide_all(finished, "review", review_payloads(typed, "Ann", now()), "Ann")
    space.decide(finished, "keep", {"type": "neutrophil", "kept": True}, "Ann")
    space.decide(finished, "keep", {"type": "neutrophil", "kept": False}, "Ann")
    current = load_current(space, finished)
    assert not current.fresh  # but of the same images and types: it may be shown
    assert current.run.updated
    return finished


def rename(space, study, **mapping):
    space.change_set(space.sets(study, "reference")[0].id, mapping=mapping)


def confirmed(space, study):
    matches = load_named(space, study)[0].matches
    return {match.matched_type for match in matches if match.confirmed}


def answers(space, study):
    return [review.answer for review in load_current(space, study).reviews]


def add_images(space, study, role, *names):
    space.receive(space.sets(study, role)[0].id, [(name, png(n)) for n, name in enumerate(names)])


def files_of(space, image_set):
    dataset = space.dataset(image_set)
    return [
        (name, stored_at(space.images, sha).read_bytes())
        for name, sha in zip(dataset.files, dataset.sha256, strict=True)
    ]


def remove_images(space, study):
    """Send the same query with three cells fewer."""
    old = space.sets(study, "query")[0]
    files = files_of(space, old)
    space.remove_set(old.id)
    space.receive(space.add_set(study, "query", "query").id, files[3:])


CHANGES = {
    "a type renamed": lambda *of: rename(*of, neutrophil="granulocyte"),
    "types merged": lambda *of: rename(*of, eosinophil="myeloid", neutrophil="myeloid"),
    "a type left out": lambda *of: rename(*of, neutrophil=""),
    "reference images added": lambda *of: add_images(*of, "reference", "neutrophil/new.png"),
    "query images added": lambda *of: add_images(*of, "query", "new 1.png", "new 2.png"),
    "images removed": remove_images,
    "another slide": lambda space, study: space.receive(
        space.sets(study, "query")[0].id, [("metadata.csv", b"file,slide\n00.png,s1\n")]
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_of_before_is_not_shown_as_one_of_now(space, decided, change):
    before = load_run(space, decided, stale=True)
    CHANGES[change](space, decided)
    for stage in ("embed", "matches"):
        bring_up_to(space, decided, stage, silent)
        assert load_current(space, decided) is None
        assert load_run(space, decided) is None
    assert load_run(space, decided, stale=True).predicted == before.predicted
    assert set(confirmed(space, decided)) <= {*space.pooled(decided, "reference").labels}


def test_a_renamed_set_is_the_same_data(space, decided):
    space.change_set(space.sets(decided, "reference")[0].id, name="Another name")
    assert load_current(space, decided) is not None


def test_decisions_follow_a_renamed_type(space, decided):
    rename(space, decided, eosinophil="eos", lymphocyte="lymph")
    bring_up_to(space, decided, "classify", silent)
    assert named_types(space, decided) == []
    assert confirmed(space, decided) == {"eos", "lymph"}
    current = load_current(space, decided)
    assert current.fresh
    assert answers(space, decided) == ["eos", "lymph"]
    assert current.run.types == ("eos", "lymph")
    assert {name for _, name in current.run.updated.annotations.clusters} == {"eos", "lymph"}
    # Renamed once more, and called what it was: what was stored stays readable all the while.
    rename(space, decided, eosinophil="eosin", lymphocyte="lymph")
    space.decide(decided, "review", review_payloads([("x", "eos", False)], "Bob", now())[0], "Bob")
    assert named_types(space, decided) == []
    rename(space, decided)
    assert named_types(space, decided) == []
    bring_up_to(space, decided, "matches", silent)
    assert confirmed(space, decided) == {"eosinophil", "lymphocyte"}


def test_decisions_follow_merged_types(space, decided):
    rename(space, decided, eosinophil="white", lymphocyte="white")
    bring_up_to(space, decided, "matches", silent)
    assert confirmed(space, decided) == {"white"}
    assert named_types(space, decided) == []


def test_a_type_that_is_left_out_is_one_that_the_reference_lacks(space, decided):
    rename(space, decided, lymphocyte="")
    bring_up_to(space, decided, "classify", silent)
    assert confirmed(space, decided) == {"eosinophil", "lymphocyte"}
    assert named_types(space, decided) == ["lymphocyte"]
    assert answers(space, decided) == ["eosinophil", "lymphocyte"]
    assert {"eosinophil", "lymphocyte"} <= {*load_current(space, decided).run.types}


def test_a_kept_type_follows_too(space, decided):
    space.decide(decided, "keep", {"type": "neutrophil", "kept": True}, "Ann")
    rename(space, decided, neutrophil="neut")
    assert study_config(space, space.study(decided)).keep == ("neut",)
    rename(space, decided, neutrophil="")
    assert study_config(space, space.study(decided)).keep == ()


def test_decisions_on_types_of_another_reference_name_none(space, decided):
    old = space.sets(decided, "reference")[0]
    files = files_of(space, old)
    space.remove_set(old.id)
    new = space.add_set(decided, "reference", "new")
    space.receive(new.id, [(f"of another {name}", data) for name, data in files])
    assert named_types(space, decided) == ["eosinophil", "lymphocyte"]  # typed cells are so still
    bring_up_to(space, decided, "matches", silent)
    assert confirmed(space, decided) == set()


def reference_with(**mapping):
    return ImageSet("", "", "reference", "", 0, "", None, mapping)


def test_a_name_that_stands_for_several_types_stays():
    sets = (reference_with(a="x"), reference_with(a="y", b="", c="z"))
    assert renamed_types(sets, [], ("x", "y", "z")) == {"b": "", "c": "z"}
    merged = [{"d": "both", "e": "both"}, {"c": "earlier"}]
    assert renamed_types(sets, merged, ("d", "e")) == {"b": "", "c": "z", "earlier": "z"}


def test_answers_are_no_types():
    types = TypesNow(("x",), {"none": "x", "unsure": "x", "a": "x", "u": ""})
    for answer, read in (("none", "none"), ("unsure", "unsure"), ("a", "x"), ("u", "u")):
        decision = Decision(1, "", "review", {"answer": answer}, "Ann", "")
        assert types.read(decision).payload["answer"] == read
    left_out = Decision(1, "", "match", {"type": "u"}, "Ann", "")
    assert types.read(left_out).payload == {"type": "u", "new": True}


def test_types_that_swap_their_names_keep_their_decisions(space, decided):
    rename(space, decided, eosinophil="lymphocyte", lymphocyte="eosinophil")
    (later,) = review_payloads([("x", "eosinophil", False)], "Bob", now())
    space.decide(decided, "review", later, "Bob")

    def given():
        reviews = decisions_now(space, space.snapshot(decided), "review")
        return [one.payload["answer"] for one in reviews]

    # Those of before mean what is called otherwise now; the last one was given since.
    assert given() == ["lymphocyte", "eosinophil", "eosinophil"]
    rename(space, decided)
    assert given() == ["eosinophil", "lymphocyte", "lymphocyte"]


def test_a_swap_in_one_set_leaves_the_names_of_another(space, study):
    for name, kinds in (("May", "ab"), ("June", "cd")):
        made = space.add_set(study.id, "reference", name)
        space.receive(made.id, [(f"{k}/{k}.png", png(ord(k))) for k in kinds])
    space.decide(study.id, "match", {"type": "a", "cells": []}, "Ann")
    first, second = space.sets(study.id, "reference")
    space.change_set(first.id, mapping={"a": "b", "b": "a"})
    space.change_set(second.id, mapping={"c": "d", "d": "c"})
    (match,) = decisions_now(space, space.snapshot(study.id), "match")
    assert match.payload["type"] == "b"


def test_set_types_know_what_a_name_stood_for():
    swapped = SetTypes(frozenset("ab"), {"a": "b", "b": "a"}, ((5, {}),))
    assert [swapped.now(name, 4) for name in "abc"] == [{"b"}, {"a"}, set()]
    assert [swapped.now(name, 6) for name in "abc"] == [{"a"}, {"b"}, set()]
    left_out = SetTypes(frozenset("a"), {"b": ""}, ((5, {}),))
    assert left_out.now("b", 4) == {""}
    types = TypesNow(("a", "b"), {}, (swapped, SetTypes(frozenset("a"), {})))
    assert types.name_now("a", 4) == "a"  # another set has it still: it stands for two types
    assert types.name_now("b", 4) == "a"
