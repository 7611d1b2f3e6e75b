"""What is seen of a run without labels, and the accuracy that it lets expect."""

from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.people import Share
from celltransfer_core.people.updated import Annotations
from celltransfer_core.pipeline import (
    DISCRIMINANT,
    expected_accuracy,
    mean_agreement,
    recount,
    update_vote,
)
from celltransfer_core.pipeline.expected import SHIPPED, answers_of, expected_of


@pytest.fixture
def voted(result):
    """The run, with three voters that do not always agree besides the one that is fitted."""
    plain, other = (one for one in result.voters if one.alignment == "centre")
    fitted = next(one for one in result.voters if one.alignment == DISCRIMINANT)
    third = replace(plain, probabilities=plain.probabilities[::-1])
    return recount(replace(result, voters=(plain, other, third, fitted)), result.config)


UNKNOWN = Share(float("nan"), 0.0, 1.0, 0)


def of(agreement, cells=400, answers=0):
    return expected_of(agreement, cells, answers, UNKNOWN)


def test_more_is_expected_the_more_the_voters_agree():
    found = [of(agreement) for agreement in (0.5, 0.8, 0.85, 0.9, 0.95, 1.0)]
    for figure in ("low", "value", "high"):
        values = [getattr(one, figure) for one in found]
        assert values == sorted(values)
    assert of(SHIPPED.even).value == pytest.approx(0.5, abs=0.01)


def test_chance_widens_the_range_of_few_cells():
    few, many = of(0.9, cells=20), of(0.9, cells=2000)
    assert few.high - few.low > many.high - many.low


def test_answers_lift_what_is_expected_of_a_poor_vote_and_warn_less():
    before, after = of(0.84), of(0.84, answers=50)
    assert after.value > before.value + 0.1
    assert after.poor < before.poor
    assert before.warns


def test_no_label_of_the_query_counts(voted):
    wrong = replace(voted.query, labels=tuple("wrong" for _ in voted.query.files))
    assert expected_accuracy(replace(voted, query=wrong)) == expected_accuracy(voted)


def test_confirmed_clusters_and_typed_cells_count_as_answers(voted):
    assert answers_of(voted) == 0
    said = tuple(replace(match, confirmed=True, by="Ann") for match in voted.matches)
    assert answers_of(replace(voted, matches=said)) == len(said)
    taught = update_vote(voted, Annotations(cells=((0, voted.types[0]), (3, voted.types[1]))))
    assert answers_of(taught) == 2
    assert expected_accuracy(taught) != expected_accuracy(voted)


def test_the_vote_before_any_answer_is_what_is_looked_at(voted):
    taught = update_vote(voted, Annotations(cells=((0, voted.types[0]), (3, voted.types[1]))))
    assert taught.vote.agreement.mean() != voted.vote.agreement.mean()
    assert mean_agreement(taught) == mean_agreement(voted) == voted.vote.agreement.mean()


def test_nothing_is_told_of_one_type_of_few_cells_or_of_another_vote(voted):
    few = replace(voted.query, files=voted.query.files[:3], sha256=voted.query.sha256[:3])
    for other in (
        {"types": voted.types[:1]},
        {"query": few},
        {"voters": voted.voters[:-1]},  # none is fitted
        {"voters": voted.voters[1:]},  # two others are left
        {"cluster_votes": None},
        {"config": replace(voted.config, vote_weights="prior")},
    ):
        assert expected_accuracy(replace(voted, **other)) is None


@pytest.mark.parametrize("agreement", [0.0, 1.0])
def test_voters_that_all_agree_or_none_leave_a_range_all_the_same(voted, agreement):
    vote = replace(voted.vote, agreement=np.full_like(voted.vote.agreement, agreement))
    found = expected_accuracy(replace(voted, vote=vote))
    assert 0 <= found.low < found.value < found.high <= 1
