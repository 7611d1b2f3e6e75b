from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from celltransfer_core.people import NotYet, Review
from celltransfer_core.pipeline import (
    CELL_ORDERS,
    CellFacts,
    CellFilter,
    cell_facts,
    fitting_cells,
    sort_cells,
)

CELLS = tuple(f"{number:02d}" for number in range(6))
FILES = ("b/0.png", "a/1.png", "a/copy of 1.png", "2.png", "3.png", "4.png", "5.png")


def as_bools(text):
    return np.array([letter == "x" for letter in text])


@pytest.fixture
def facts():
    """Six cells; the second has two files, on two slides."""
    index = np.array([0, 1, 1, 2, 3, 4, 5])
    query = SimpleNamespace(
        files=FILES,
        n_cells=6,
        cell_index=index,
        slide=("s1", "s1", "s2", "s2", "s2", "", "s3"),
        patient=None,
    )
    return CellFacts(
        query=query,
        predicted=np.array(["a", "a", "b", "b", "c", "a"]),
        final=np.array(["b", "a", "b", "b", "artefact", "a"]),
        answered=np.array(["b", "a", "", "", "artefact", ""]),
        time=np.array(["2026-03", "2026-05", "", "", "2026-04", ""]),
        mine=np.array(["b", "", "", "", "artefact", ""]),
        others=as_bools(".x...."),
        clusters=np.array([0, 4, 4, 4, 0, 0]),
        centrality=np.array([0.5, 0.1, 0.2, 0.9, 1.0, 0.3]),
        agreement=np.array([0.6, 0.9, 0.5, 0.7, 0.4, 0.8]),
        divided=np.array([0.5, 0.0, 0.3, 0.0, 1.0, 0.0]),
        calibration=NotYet(4),
        flagged=as_bools("x...x."),
        unknown=as_bools("....xx"),
        must_find=as_bools("..x..."),
        faults={"blurred": as_bools("..xx.."), "dark": as_bools("...x.x")},
    )


def found(facts, **wanted):
    return np.flatnonzero(fitting_cells(facts, CellFilter(**wanted))).tolist()


@pytest.mark.parametrize(
    ("wanted", "cells"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"types": ("a",)}, [0, 1, 5]),
        ({"types": ("a", "c")}, [0, 1, 4, 5]),
        ({"types": ("gone",)}, []),
        ({"final": ("b",)}, [0, 2, 3]),
        ({"final": ("artefact",)}, [4]),
        ({"reviewed": "no"}, [2, 3, 5]),
        ({"reviewed": "yes"}, [0, 1, 4]),
        ({"reviewed": "me"}, [0, 4]),
        ({"reviewed": "others"}, [1]),
        ({"changed": True}, [0]),  # an artefact is no other type
        ({"flagged": True}, [0, 4]),
        ({"unknown": True}, [4, 5]),
        ({"must_find": True}, [2]),
        ({"clusters": (4,)}, [1, 2, 3]),
        ({"slides": ("s2",)}, [1, 2, 3]),  # a copy of the second cell's image lies there too
        ({"slides": ("s1", "s3")}, [0, 1, 5]),
        ({"patients": ("p",)}, []),
        ({"agreement": (0.5, 0.7)}, [0, 2, 3]),
        ({"divided": 0.5}, [0, 4]),
        ({"faults": ("dark",)}, [3, 5]),
        ({"faults": ("dark", "blurred")}, [2, 3, 5]),
        ({"faults": ("gone",)}, []),
        ({"file": "A/"}, [1]),
        ({"file": "copy"}, [1]),
        ({"types": ("a",), "agreement": (0.7, 1.0), "reviewed": "no"}, [5]),
    ],
)
def test_every_condition_counts(facts, wanted, cells):
    assert found(facts, **wanted) == cells


def test_confidence_counts_once_it_is_calibrated(facts):
    assert found(facts, confidence=(0.9, 1.0)) == [0, 1, 2, 3, 4, 5]
    from celltransfer_core.people import Calibration

    confidence = np.array([0.2, 0.95, 0.4, 0.9, 0.1, 0.5])
    known = Calibration(1.0, 0.0, confidence, np.zeros(0), np.zeros(0, bool))
    facts = replace(facts, calibration=known)
    assert found(facts, confidence=(0.9, 1.0)) == [1, 3]
    everything = np.arange(6)
    assert sort_cells(facts, everything, "least confident").tolist() == [4, 0, 2, 5, 3, 1]
    assert sort_cells(facts, everything, "most confident").tolist() == [1, 3, 5, 2, 0, 4]


@pytest.mark.parametrize(
    ("order", "cells"),
    [
        ("least agreement", [4, 2, 0, 3, 5, 1]),
        ("most agreement", [1, 5, 3, 0, 2, 4]),
        ("most divided voters", [4, 0, 2, 3, 5, 1]),
        ("least confident", [4, 2, 0, 3, 5, 1]),  # not calibrated: agreement stands in
        ("most confident", [1, 5, 3, 0, 2, 4]),
        ("central first", [4, 3, 0, 5, 2, 1]),
        ("predicted type", [0, 5, 1, 2, 3, 4]),
        ("final type", [5, 1, 4, 2, 0, 3]),
        ("cluster", [4, 0, 5, 2, 3, 1]),
        ("slide", [4, 0, 1, 2, 3, 5]),
        ("patient", [4, 2, 0, 3, 5, 1]),
        ("flagged first", [4, 0, 2, 3, 5, 1]),
        ("last answered", [1, 4, 0, 2, 3, 5]),
        ("like the pinned", [4, 2, 0, 3, 5, 1]),  # nothing is pinned
        ("by hash", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_orders(facts, order, cells):
    assert sort_cells(facts, np.arange(6), order).tolist() == cells
    some = np.array([0, 2, 5])
    assert sort_cells(facts, some, order).tolist() == [one for one in cells if one in some]


def test_no_order_is_untested():
    tested = test_orders.pytestmark[0].args[1]
    assert {order for order, _ in tested} == set(CELL_ORDERS)


def test_the_most_like_the_pinned_come_first(facts):
    alike = np.float32([0.1, 1, -0.5, 0.9, 0.2, 0.9])
    assert sort_cells(facts, np.arange(6), "like the pinned", alike).tolist() == [1, 3, 5, 4, 0, 2]


def test_facts_are_those_of_the_result_and_its_answers():
    vote = SimpleNamespace(
        winner=np.array([0, 1, 0]),
        agreement=np.array([0.6000000001, 1.0, 0.7]),
        choices=np.array([[0, 1, 0], [1, 1, 0]]),
    )
    result = SimpleNamespace(
        query=SimpleNamespace(cells=CELLS[:3]),
        types=("a", "b"),
        vote=vote,
        clusters=SimpleNamespace(
            names=np.array([4, 7]), labels=np.array([0, 1, 1]), centrality=np.ones(3)
        ),
        flagged=as_bools("x.."),
        updated=None,
        to_show={"b": None},
        seen_as=lambda name: as_bools(".x.") if name == "b" else None,
    )
    reviews = [
        Review("00", "b", "Ann", "2026-01-01T00:00:00", blind=False),
        Review("02", "a", "Ben", "2026-01-02T00:00:00", blind=False),
        Review("02", "artefact", "Ann", "2026-01-03T00:00:00", blind=True),
        Review("02", "artefact", "Eve", "2026-01-04T00:00:00", blind=True),
    ]
    facts = cell_facts(result, reviews, "Ann", {})
    assert facts.predicted.tolist() == ["a", "b", "a"]
    assert facts.final.tolist() == ["b", "b", "artefact"]
    assert facts.answered.tolist() == ["b", "", "artefact"]
    assert facts.mine.tolist() == ["b", "", "artefact"]
    assert facts.others.tolist() == [False, False, True]
    assert facts.clusters.tolist() == [4, 7, 7]
    assert facts.agreement.tolist() == [0.6, 1.0, 0.7]  # shown as 0.60, it counts as 0.60
    assert facts.divided.tolist() == [1.0, 0.0, 0.0]
    assert facts.must_find.tolist() == [False, True, False]
    assert not facts.unknown.any()
    assert str(facts.calibration).startswith("Not yet: 30 more cells")
