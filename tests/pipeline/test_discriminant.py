from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.classify import mean_probabilities
from celltransfer_core.config import DEFAULT
from celltransfer_core.people import Review
from celltransfer_core.pipeline import DISCRIMINANT, Voter, ensemble_vote, run
from celltransfer_core.pipeline.discriminant import (
    discriminant_voter,
    fitted_probabilities,
)
from celltransfer_core.pipeline.votes import ensemble_weights
from tests.pipeline.samples import FAST


def voter(probabilities, accuracy=0.9, mixing=0.5):
    near = np.zeros((len(probabilities), 1), dtype=np.int64)
    return Voter(("a",), "centre", np.nan, accuracy, mixing, probabilities, near, near * 1.0)


@pytest.fixture
def shifted(rng):
    """Cells of two types, and two voters whose border lies amid the second one."""
    truth = np.repeat([0, 1], [40, 25])
    cells = np.column_stack([rng.normal(4 * truth, 0.4), rng.normal(0, 0.4, 65)])
    voters = []
    for border in (4.0, 4.2):
        second = 1 / (1 + np.exp(-(cells[:, 0] - border) / 0.5))
        voters.append(voter(np.column_stack([1 - second, second])))
    return truth, cells, voters


def test_it_is_right_where_voters_err_that_know_the_reference_alone(shifted):
    truth, cells, voters = shifted
    assert (ensemble_vote([replace(one, weight=0.5) for one in voters]).winner != truth).sum() > 8
    fitted = discriminant_voter(cells, voters, ("a", "b"))
    assert fitted.probabilities.argmax(axis=1).tolist() == truth.tolist()
    assert fitted.name == f"a+b:{DISCRIMINANT}"
    assert (fitted.accuracy, fitted.mixing) == (0.9, 0.5)
    assert (fitted.neighbours == -1).all()
    assert np.isnan(fitted.distances).all()


def test_an_offset_that_all_cells_have_is_forgotten(shifted):
    _, cells, voters = shifted
    here, there = (discriminant_voter(X, voters, ("a",)) for X in (cells, cells + 100))
    np.testing.assert_allclose(here.probabilities, there.probabilities, atol=1e-9)


def test_the_same_cells_give_the_same_bits_in_any_order(shifted, rng):
    _, cells, voters = shifted
    start = mean_probabilities(np.stack([one.probabilities for one in voters]))
    found = fitted_probabilities(cells, start)
    np.testing.assert_array_equal(found, fitted_probabilities(cells.copy(), start.copy()))
    order = rng.permutation(len(cells))
    np.testing.assert_allclose(fitted_probabilities(cells[order], start[order]), found[order])


@pytest.mark.parametrize("cells", [1, 3, 40])
@pytest.mark.parametrize("types", [1, 2, 5])
def test_few_cells_and_types_give_probabilities(rng, cells, types):
    start = rng.dirichlet(np.ones(types), cells)
    start[0] = 0  # nothing is known of a cell
    found = fitted_probabilities(rng.normal(size=(cells, min(cells, 20))), start)
    assert found.shape == (cells, types)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found >= 0).all()


def test_cells_that_are_all_alike_stay_what_they_were_taken_for():
    start = np.array([[0.9, 0.1, 0.0]] * 6 + [[0.2, 0.8, 0.0]] * 4)
    found = fitted_probabilities(np.zeros((10, 4)), start)
    assert np.isfinite(found).all()
    assert found.argmax(axis=1).tolist() == [0] * 6 + [1] * 4


def test_voters_are_averaged_by_how_certain_each_is_of_a_cell():
    sure, unsure = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_allclose(mean_probabilities(np.stack([sure, unsure])), np.eye(2))


@pytest.mark.parametrize("confirmed", [0.0, 0.4, 1.0])
def test_it_counts_as_all_unaligned_voters_together(confirmed):
    names = ["centre", "fgw", "centre", "fgw", DISCRIMINANT]
    weights = ensemble_weights(names, [1.0] * 5, [1.0] * 5, DEFAULT, confirmed)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights / weights[0], [1, confirmed, 1, confirmed, 2])
    raw = replace(DEFAULT, features="raw", vote_weights="equal")
    weights = ensemble_weights(["none", "centre", DISCRIMINANT], [1.0] * 3, [1.0] * 3, raw, 0.0)
    np.testing.assert_allclose(weights, 1 / 3)


def test_no_answer_on_a_cell_is_read(result, reference, query, store):
    reviews = [
        Review(query.cells[cell], "neutrophil", "Ann", "2026-01-01T00:00:00+00:00", blind=False)
        for cell in range(5)
    ]
    taught = run(reference, query, FAST, reviews=reviews, cache=store, workers=1)
    fitted = taught.voters[-1]
    assert fitted.alignment == DISCRIMINANT
    np.testing.assert_array_equal(
        fitted.probabilities[:, : len(result.types)], result.voters[-1].probabilities
    )


def test_without_it_the_others_weigh_as_before(reference, query, store):
    without = run(reference, query, replace(FAST, transduction="none"), cache=store, workers=1)
    assert [one.alignment for one in without.voters] == ["centre", "fgw"] * 2
    assert [one.weight for one in without.voters] == [0.5, 0, 0.5, 0]
