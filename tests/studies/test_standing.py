from celltransfer_core.studies import Decision, standing_decisions, standing_names
from tests.pipeline.test_edits import CELLS, clusters, some


def decisions(*given):
    return [
        Decision(0, "", "match", {"cells": some(*cells), "type": name}, who, f"t{number}")
        for number, (cells, name, who) in enumerate(given)
    ]


def test_a_decision_stands_for_its_cluster():
    found = clusters([0] * 5 + [1] * 5)
    given = decisions((range(5), "a", "Ann"), (range(5, 10), "b", "Bob"))
    standing = standing_decisions(found, CELLS, given, ["a", "b"])
    assert [s.confirmation.type_name for s in standing] == ["a", "b"]
    assert [s.confirmation.by for s in standing] == ["Ann", "Bob"]
    assert [s.share for s in standing] == [1.0, 1.0]


def test_the_last_decision_counts_and_can_be_taken_back():
    found = clusters([0] * 5)
    cells = CELLS[:5]
    given = decisions((range(5), "a", "Ann"), (range(5), "b", "Bob"))
    (only,) = standing_decisions(found, cells, given, ["a", "b"])
    assert (only.confirmation.type_name, only.confirmation.by, only.at) == ("b", "Bob", "t1")
    back = decisions((range(5), "a", "Ann"), (range(5), None, "Ann"))
    assert standing_decisions(found, cells, back, ["a", "b"]) == ()


def test_decisions_are_carried_over_by_overlap():
    before = decisions((range(6), "a", "Ann"), (range(6, 10), "none", "Ann"))
    after = clusters([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], names=[4, 5, 9])
    standing = standing_decisions(after, CELLS, before, ["a", "b"])
    # The middle cluster is half of one and half of the other: nothing is carried over.
    assert [(s.confirmation.cluster, s.confirmation.type_name) for s in standing] == [
        (4, "a"),
        (9, "none"),
    ]
    shared = clusters([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    assert standing_decisions(shared, CELLS, before, ["a"])[0].share == 0.75


def test_decisions_for_types_that_are_gone_do_not_count():
    found = clusters([0] * 10)
    assert standing_decisions(found, CELLS, decisions((range(10), "a", "Ann")), ["b", "c"]) == ()


def test_a_new_type_stands_where_the_decision_marks_it():
    found, types = clusters([0, 0, 0]), ["a", "b"]
    for new in (True, False):
        given = [
            Decision(
                0,
                "",
                "match",
                {"cells": some(0, 1, 2), "type": "z", "new": new},
                "Ann",
                "2026-01-01",
            )
        ]
        standing = standing_decisions(found, CELLS[:3], given, types)
        assert [one.confirmation.type_name for one in standing] == ["z"] * new


def test_names_follow_their_cells():
    def named(name, *numbers):
        return Decision(
            0, "", "cluster-name", {"cells": some(*numbers), "name": name}, "Ann", "2026-01-01"
        )

    found = clusters([0, 0, 0, 1, 1], names=[4, 7])
    assert standing_names(found, CELLS[:5], []) == {}
    both = [named("bands", 0, 1), named("small", 3, 4)]
    assert standing_names(found, CELLS[:5], both) == {4: "bands", 7: "small"}
    assert standing_names(found, CELLS[:5], [*both, named("", 3, 4)]) == {4: "bands"}
