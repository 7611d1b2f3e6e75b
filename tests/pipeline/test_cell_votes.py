from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.config import DEFAULT, PAPER
from celltransfer_core.matching import Confirmation, match_clusters
from celltransfer_core.outputs import matches_table
from celltransfer_core.outputs.arrays import similarity_arrays
from celltransfer_core.pipeline import detect, identify, prepare
from celltransfer_core.pipeline.cell_votes import cluster_votes
from celltransfer_core.pipeline.features import between_laboratories
from celltransfer_core.vocabulary import QUERY, REFERENCE
from tests.pipeline.samples import FAST


@pytest.fixture(scope="module")
def prepared(reference, query, store):
    return prepare(reference, query, FAST, cache=store, workers=1)


@pytest.fixture(scope="module")
def clusters(prepared):
    return detect(prepared)


def votes_of(prepared, clusters):
    named = identify(replace(prepared, config=replace(prepared.config, naming="scores")), clusters)
    return cluster_votes(prepared, clusters, named.scores[QUERY])


@pytest.mark.parametrize(
    "change",
    [{}, {"transduction": "none"}, {"features": "raw"}, {"class_weight": "none"}],
)
def test_each_cluster_gives_all_its_votes(prepared, clusters, change):
    prepared = replace(prepared, config=replace(FAST, **change))
    votes = votes_of(prepared, clusters)
    assert votes.shape == (len(clusters.names), len(prepared.types))
    assert (votes >= 0).all()
    np.testing.assert_allclose(votes.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("transduction", ["discriminant", "none"])
def test_a_type_that_was_ruled_out_gets_no_vote(prepared, clusters, transduction):
    config = replace(FAST, absent=("lymphocyte",), transduction=transduction)
    votes = votes_of(replace(prepared, config=config), clusters)
    assert (votes[:, prepared.types.index("lymphocyte")] == 0).all()
    np.testing.assert_allclose(votes.sum(axis=1), 1, rtol=1e-5)


def test_the_mean_has_two_thirds_of_the_votes(prepared, clusters):
    named = identify(prepared, clusters)
    score = named.scores[QUERY]
    clipped = np.clip(score.p, 0, 1)
    silent = replace(score, p=np.full_like(score.p, -1))  # no type stands out for any mean
    of_cells = cluster_votes(prepared, clusters, silent)
    np.testing.assert_allclose(of_cells.sum(axis=1), 1, rtol=1e-5)
    of_mean = clipped / clipped.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(named.votes, (2 * of_mean + of_cells) / 3, rtol=1e-6)


def test_most_votes_name_a_cluster_and_a_person_outvotes_them(prepared, clusters):
    named = identify(prepared, clusters)
    best = [prepared.types[number] for number in named.votes.argmax(axis=1)]
    assert [match.matched_type for match in named.matches] == best
    assert [match.score for match in named.matches] == named.votes.max(axis=1).tolist()
    other = next(name for name in prepared.types if name != best[0])
    number = int(clusters.names[0])
    (first, *_) = named.confirm([Confirmation(number, other)]).matches
    assert (first.matched_type, first.confirmed) == (other, True)
    assert first.score == named.votes[0, prepared.types.index(other)]
    assert (first.runner_up, first.runner_up_score) == (best[0], named.votes[0].max())


def test_the_papers_scores_name_clusters_where_they_are_asked_for(prepared, clusters):
    by_scores = identify(replace(prepared, config=replace(FAST, naming="scores")), clusters)
    assert by_scores.votes is None
    score = by_scores.scores[QUERY]
    assert by_scores.matches == match_clusters(score, clusters.sizes)
    best = [score.types[number] for number in score.p.argmax(axis=1)]
    assert [match.matched_type for match in by_scores.matches] == best
    # The votes change names alone: scores and places in the plane are the same.
    by_votes = identify(prepared, clusters)
    np.testing.assert_array_equal(score.p, by_votes.scores[QUERY].p)
    np.testing.assert_array_equal(by_scores.plane.position, by_votes.plane.position)


def test_the_plane_and_its_proposals_start_from_the_same_names(prepared, clusters, query, store):
    more = prepare(prepared.reference, query, FAST, extras={"more": query}, cache=store, workers=1)
    for naming in ("votes", "scores"):
        named = identify(replace(more, config=replace(FAST, naming=naming)), clusters)
        of_query = np.array(named.plane.set_name) == QUERY
        drawn = np.array(named.plane.type_name)[of_query].tolist()
        assert drawn == [match.matched_type for match in named.matches]
        for match in named.matches:
            assert (match.reason == "") == (match.tsne_type == match.matched_type)


def test_outputs_hold_the_votes(result):
    votes = similarity_arrays(result)["query/votes"]
    table = matches_table(result)
    np.testing.assert_allclose(table["score"], votes.max(axis=1))
    paper = replace(result, cluster_votes=None)
    assert "query/votes" not in similarity_arrays(paper)


def in_one_dimension(query):
    """A reference of two types about −1 and +1, three cells and one, and a query."""
    reference = np.array([[-1.1], [-1.0], [-0.9], [1.0]], dtype=np.float32)
    return {REFERENCE: {"a": reference}, QUERY: {"a": np.array(query, dtype=np.float32)}}


TYPES = np.array([0, 0, 0, 1])


@pytest.mark.parametrize(
    ("middle", "left"),
    [
        (9.5, 0.1),  # an offset of 10 from −0.5, a spread of 1: all but a hundredth is taken away
        (1.5, 0.5),  # an offset of 2: three quarters are
        (0.5, 1.0),  # an offset of 1: other cells explain it
        (0.0, 0.5),  # an offset of 0.5: they explain it all the more
        (-0.5, 0.0),  # none
    ],
)
def test_only_as_much_is_taken_away_as_other_cells_cannot_explain(middle, left):
    embeddings = in_one_dimension([[middle - 1], [middle + 1]])
    Xs, Xt = between_laboratories(embeddings, ("a",), TYPES, DEFAULT)
    assert Xs.mean() == pytest.approx(0, abs=1e-6)
    assert Xt.mean() == pytest.approx(left, abs=1e-5)
    assert Xt[1] - Xt[0] == pytest.approx(2)


def test_types_that_are_not_usable_have_no_part_in_it():
    embeddings = in_one_dimension([[9.5]])
    usable = np.array([0, 1, 2])
    Xs, Xt = between_laboratories(embeddings, ("a",), TYPES[usable], DEFAULT, usable=usable)
    assert len(Xs) == 3
    assert Xt[0] == pytest.approx(0)  # one type has no spread: all of the offset is taken away


def test_raw_features_stay_as_they_are():
    embeddings = in_one_dimension([[9.5], [11.5]])
    Xs, Xt = between_laboratories(embeddings, ("a",), TYPES, PAPER)
    np.testing.assert_array_equal(Xs, embeddings[REFERENCE]["a"])
    np.testing.assert_array_equal(Xt, embeddings[QUERY]["a"])


def test_each_encoder_of_a_voter_is_judged_by_itself_and_scaled():
    embeddings = in_one_dimension([[9.5], [9.5]])
    for of_set, middle in ((REFERENCE, 1.0), (QUERY, 0.1)):
        embeddings[of_set]["b"] = middle * 10 * np.sign(embeddings[of_set]["a"])
    Xs, Xt = between_laboratories(embeddings, ("a", "b"), TYPES, DEFAULT)
    apart = {name: X - X.mean() for name, X in embeddings[REFERENCE].items()}
    norms = {name: np.abs(X).mean() for name, X in apart.items()}
    np.testing.assert_allclose(Xs[:, 0], apart["a"][:, 0] / norms["a"], rtol=1e-5)
    # Of encoder b the offset is 6, from −5 to 1, and the types lie 10 from their middle.
    np.testing.assert_allclose(Xt, [[0.1 / norms["a"], 6 / norms["b"]]] * 2, rtol=1e-4)
