import math

import pytest

from celltransfer_core.people import (
    Review,
    cohen_kappa,
    read_reviews,
    reader_pairs,
    reclassification,
    wilson,
)
from celltransfer_core.vocabulary import ARTEFACT, UNSURE


def test_pairs_of_readers():
    answers = [
        Review(cell, "x", reader, "2025-01-01T00:00:00", False)
        for reader, cells in (("c", "12"), ("a", "1"), ("b", "12"), ("d", "9"))
        for cell in cells
    ]
    assert reader_pairs(answers) == [("b", "c"), ("a", "b"), ("a", "c")]


def test_reviews_are_read_from_what_is_kept():
    payload = {"cell": "1", "answer": "x", "reader": "a", "time": "t", "blind": True, "together": 3}
    assert read_reviews([payload]) == [Review("1", "x", "a", "t", True)]
    kept = read_reviews([{**payload, "chance": 0.25}])[0]
    assert kept.chance == 0.25


def answer(cell, name, reader="a"):
    return Review(f"c{cell}", name, reader, "2025-01-01T00:00:00", False)


def test_kappa_of_each_type_is_that_of_this_type_against_the_others():
    pairs = ["xx"] * 20 + ["xy"] * 5 + ["yx"] * 10 + ["yy"] * 15 + ["zz"] * 10
    reviews = [
        answer(cell, name, reader)
        for cell, pair in enumerate(pairs)
        for reader, name in zip("ab", pair, strict=True)
    ]
    found = cohen_kappa(reviews, "a", "b")
    assert list(found.by_type) == ["x", "y", "z"]
    x = found.by_type["x"]
    assert (x.first, x.second, x.both) == (25, 30, 20)
    by_chance = (25 * 30 + 35 * 30) / 60**2
    assert x.kappa == pytest.approx((45 / 60 - by_chance) / (1 - by_chance))
    assert found.by_type["z"].kappa == 1
    alike = cohen_kappa([answer(0, "x", reader) for reader in "ab"], "a", "b")
    assert math.isnan(alike.by_type["x"].kappa)


def test_reclassified_are_the_reviewed_cells_that_a_person_changed():
    reviews = [answer(0, "x"), answer(1, "y"), answer(2, ARTEFACT), answer(3, UNSURE)]
    reviews += [answer(4, "x"), answer(4, "y", "b")]  # disputed
    found = reclassification([f"c{n}" for n in range(6)], ["x", "x", "y", "x", "x", "y"], reviews)
    assert found.overall == wilson(2, 3)
    assert found.by_type == {"x": wilson(1, 2), "y": wilson(1, 1)}
