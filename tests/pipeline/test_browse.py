from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.config import DEFAULT, PAPER
from celltransfer_core.people import KINDS, Annotations
from celltransfer_core.pipeline import (
    DISCRIMINANT,
    Voter,
    estimate_run,
    nearest_reference,
    run,
    split_by_alignment,
    update_vote,
    votes_of_cell,
)

QUICK = replace(DEFAULT, encoders=(("shape", "colour"), ("shape",)), draws=1, transport="always")


@pytest.fixture(scope="module")
def typed(reference, query, tmp_path_factory):
    from celltransfer_core.runtime import Cache

    return run(reference, query, QUICK, cache=Cache(tmp_path_factory.mktemp("cache")), workers=1)


def voter(encoders, neighbours, alignment="none", weight=1.0):
    near = np.array(neighbours)
    shares = np.tile([0.75, 0.25], (len(near), 1))
    return Voter(encoders, alignment, weight, 1.0, 1.0, shares, near, near.astype(np.float32))


def test_the_plan_is_what_then_runs(typed):
    usable = int(np.isin(typed.reference.cell_labels, typed.types).sum())
    plan = estimate_run(QUICK, 2, usable, typed.query.n_cells)
    assert plan.voters == len(typed.voters)
    assert plan.transports == len(typed.solves)
    assert plan.parts == typed.parts
    assert {(s.source, s.target) for s in typed.solves} == {(plan.source, plan.target)}


@pytest.mark.parametrize(
    ("config", "reference", "query", "expected"),
    [
        (DEFAULT, 500, 700, (5, 1, 6, 500, 700)),  # matches decide: three draws each
        (replace(DEFAULT, transduction="none"), 500, 700, (4, 1, 6, 500, 700)),
        (PAPER, 500, 700, (4, 1, 2, 500, 700)),  # all of the reference, uniform: one
        (PAPER, 5000, 5000, (4, 3, 18, 2000, 1667)),
        (replace(DEFAULT, alignment="none"), 500, 700, (3, 1, 0, 500, 700)),
        (replace(DEFAULT, alignment="centre"), 500, 700, (3, 1, 0, 500, 700)),
        (replace(PAPER, alignment="centre"), 500, 700, (4, 1, 0, 500, 700)),
    ],
)
def test_plans(config, reference, query, expected):
    plan = estimate_run(config, 2, reference, query)
    assert (plan.voters, plan.parts, plan.transports, plan.source, plan.target) == expected


def test_larger_work_takes_longer_and_more_workers_less():
    small, large = (estimate_run(DEFAULT, 2, n, n).seconds for n in (500, 2000))
    assert small < large
    assert estimate_run(DEFAULT, 2, 2000, 2000, workers=3).seconds < large


def test_sides_are_told_apart_by_order():
    voters = [
        voter(("a",), [[0]]),
        voter(("a",), [[0]], "fgw"),
        voter(("b",), [[0]], "centre"),
        voter(("a",), [[-1]], DISCRIMINANT),  # looks at no reference cell
    ]
    assert split_by_alignment(voters) == ((0, 2), (1,))


def test_neighbours_of_one_voter_come_in_its_order():
    near = nearest_reference([voter(("a",), [[7, 3, 9, -1]])], 0)
    assert near.tolist() == [7, 3, 9]


def test_neighbours_of_several_voters_are_joined_by_rank():
    voters = [voter(("a",), [[1, 2, 3]]), voter(("b",), [[2, 4, 1]])]
    assert nearest_reference(voters, 0).tolist() == [2, 1, 4, 3]


def test_what_is_said_gives_the_vote(typed):
    for cell in range(typed.query.n_cells):
        said = votes_of_cell(typed, cell)
        assert sum(one.share for one in said) == pytest.approx(1)
        winning = sum(one.share for one in said if one.type_name == typed.predicted[cell])
        assert winning == pytest.approx(typed.vote.agreement[cell], abs=1e-6)
        choices = [typed.types[number] for number in typed.vote.choices[:, cell]]
        assert [one.type_name for one in said] == choices


@pytest.mark.parametrize(
    ("clusters", "cells"),
    [
        ((), ((0, "promyelocyte"),)),
        (((0, "lymphocyte"),), ()),
        (((0, "promyelocyte"), (1, "eosinophil")), ((0, "lymphocyte"), (3, "blast"))),
    ],
)
def test_what_is_said_gives_the_vote_after_answers_too(typed, clusters, cells):
    taught = update_vote(typed, Annotations(clusters, cells))
    voters = len(typed.voters)
    joined = set()
    for cell in range(typed.query.n_cells):
        said = votes_of_cell(taught, cell)
        assert sum(one.share for one in said) == pytest.approx(1)
        winning = sum(one.share for one in said if one.type_name == taught.predicted[cell])
        assert winning == pytest.approx(taught.vote.agreement[cell], abs=1e-6)
        assert [one.voter for one in said[:voters]] == list(taught.voters)
        assert {one.kind for one in said[:voters]} == {"ensemble"}
        shares = {one.kind: one.share for one in said[voters:]}
        assert all(share > 0 for share in shares.values())
        expected = dict(zip(KINDS, taught.updated.cell_weights[cell].tolist(), strict=True))
        assert expected == pytest.approx(
            {**dict.fromkeys(KINDS, 0), **shares, "ensemble": 1 - sum(shares.values())}
        )
        joined |= {*shares}
    assert ("typed" in joined) == bool(cells)
    assert ("cluster" in joined) == bool(clusters)


def test_voters_without_weight_are_heard_but_do_not_count(typed):
    weights = [0.0, *(1.0 for _ in typed.voters[1:])]
    voters = tuple(replace(one, weight=w) for one, w in zip(typed.voters, weights, strict=True))
    assert votes_of_cell(replace(typed, voters=voters), 0)[0].share == 0
