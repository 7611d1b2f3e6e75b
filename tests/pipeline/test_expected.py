"""What is seen of a run without labels, and the accuracy that it lets expect."""

from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.people import Share
from celltransfer_core.people.updated import Annotations
from celltransfer_core.pipeline import expected_accuracy, label_free, update_vote
from celltransfer_core.pipeline.expected import expected_of, fitted_constants


def of(seen, **changes):
    unknown = Share(float("nan"), 0.0, 1.0, 0)
    return expected_of({**seen, **changes}, 400, unknown, fitted_constants())


def test_the_constants_are_of_the_figures_that_are_seen(result):
    seen, constants = label_free(result), fitted_constants()
    assert all(np.isfinite(value) for value in seen.values())
    for state in ("before", "after"):
        assert {*constants[state]["figures"]} == {*seen}
        assert constants[state]["spread"] > 0.1


def test_more_is_expected_where_voters_clusters_and_matches_agree(result):
    figures = fitted_constants()["before"]["figures"]
    worse = {name: usual for name, (_, usual, _, _) in figures.items()}
    for name in ("purity", "fitted"):
        values = [of(worse, **{name: odds}).value for odds in (-2, 0, 2, 4)]
        assert values == sorted(values)
        assert values[0] < values[-1]
    agreeing = ("purity", "fitted", "margin")
    best = {name: figures[name][3] for name in agreeing}
    worst = {name: figures[name][2] for name in agreeing}
    assert of(worse, **best).low > of(worse, **worst).high


def test_a_figure_beyond_the_fitted_pairs_counts_as_the_last_and_widens_the_range(result):
    figures = fitted_constants()["before"]["figures"]
    middle = {name: usual for name, (_, usual, _, _) in figures.items()}
    _, _, least, most = figures["fitted"]
    last, far = (of(middle, fitted=least - beyond * (most - least)) for beyond in (0, 1))
    assert far.value == pytest.approx(last.value, abs=0.01)
    assert far.high - far.low > 1.3 * (last.high - last.low)


def test_chance_widens_the_range_of_few_cells(result):
    seen, unknown = label_free(result), Share(float("nan"), 0.0, 1.0, 0)
    few, many = (expected_of(seen, n, unknown, fitted_constants()) for n in (20, 2000))
    assert few.high - few.low > many.high - many.low


def test_no_label_of_the_query_counts(result):
    query = result.query
    wrong = replace(query, labels=tuple("wrong" for _ in query.files))
    assert label_free(replace(result, query=wrong)) == label_free(result)


def test_confirmed_clusters_and_typed_cells_count(result):
    told = replace(
        result, matches=tuple(replace(match, confirmed=True, by="Ann") for match in result.matches)
    )
    assert label_free(told)["confirmed"] == 1
    taught = update_vote(result, Annotations(cells=((0, result.types[0]), (3, result.types[1]))))
    assert label_free(taught)["typed"] == pytest.approx(np.log(1.2))
    assert expected_accuracy(taught) != expected_accuracy(result)


def test_nothing_is_told_of_one_type_of_few_cells_or_without_a_fitted_voter(result):
    assert expected_accuracy(replace(result, types=result.types[:1])) is None
    few = replace(result.vote, winner=result.vote.winner[:3])
    assert expected_accuracy(replace(result, vote=few)) is None
    plain = tuple(one for one in result.voters if one.alignment != "discriminant")
    assert expected_accuracy(replace(result, voters=plain)) is None


def test_cells_that_are_all_alike_leave_a_range_all_the_same(result):
    even = np.full_like(result.voters[0].probabilities, 1 / len(result.types))
    none = np.zeros_like(result.voters[0].distances)
    alike = replace(
        result,
        voters=tuple(replace(one, probabilities=even, distances=none) for one in result.voters),
        vote=replace(result.vote, winner=np.zeros_like(result.vote.winner)),
    )
    found = expected_accuracy(alike)
    assert 0 <= found.low < found.value < found.high <= 1
