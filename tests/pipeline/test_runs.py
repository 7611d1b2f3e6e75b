import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import celltransfer_core
from celltransfer_core.cli import describe_run
from celltransfer_core.config import DEFAULT, PAPER, Config
from celltransfer_core.data import pool, read_dataset
from celltransfer_core.encoders import BUILTIN, encoder_names, load_encoder
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.evaluation import true_labels
from celltransfer_core.matching import Confirmation
from celltransfer_core.neighbors import geodesic_distances
from celltransfer_core.outputs import clusters_table, manifest, matches_table, predictions_table
from celltransfer_core.pipeline import (
    align,
    aligned,
    ensemble_vote,
    level_sources,
    named,
    plan_draws,
    prepared,
    recount,
    run,
    votes,
)
from celltransfer_core.runtime import Cache
from celltransfer_core.transport import plans
from celltransfer_core.transport.plans import _structures

FAST = replace(DEFAULT, encoders=(("shape", "colour"), ("colour",)), draws=2)
FILES = (
    "predictions.csv",
    "clusters.csv",
    "matches.csv",
    "differential.csv",
    "manifest.json",
    "similarity.npz",
    "neighbours.npz",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One cache for the module: embeddings of the drawn cells are made once, results each time."""

    class Embeddings(Cache):
        def once(self, key, make):
            return make()

    return Embeddings(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def result(reference, query, store):
    return run(reference, query, FAST, cache=store, workers=1)


def test_every_cell_is_typed(result, query):
    assert len(result.predicted) == query.n_cells
    assert set(result.predicted) <= set(result.types)
    assert result.framing.framed
    assert len(result.voters) == 4
    assert sum(voter.weight for voter in result.voters) == pytest.approx(1)
    assert {voter.alignment for voter in result.voters} == {"centre", "fgw"}
    assert len(result.solves) == 4
    assert all(solve.log.remarks == () for solve in result.solves)
    for voter in result.voters:
        np.testing.assert_allclose(voter.probabilities.sum(axis=1), 1)
        assert voter.neighbours.min() >= 0


def test_accuracy_on_drawn_cells(result, drawn, tmp_path):
    # Labels of drawn cells follow from their number, see conftest.
    truth = np.array(
        ["lymphocyte" if int(f[:2]) % 3 else "eosinophil" for f in result.query.first_file]
    )
    assert (np.array(result.predicted) == truth).mean() > 0.8


def written(result, folder):
    celltransfer_core.write_run(result, folder)
    return {name: (folder / name).read_bytes() for name in FILES}


def test_same_inputs_same_bytes_whatever_runs_beside(result, reference, query, store, tmp_path):
    again = run(reference, query, FAST, cache=store, workers=2)
    assert written(result, tmp_path / "a") == written(again, tmp_path / "b")


@pytest.fixture
def computed(monkeypatch):
    """Count what is computed, by the name of the step."""
    counts = dict.fromkeys(("find_clusters", "classify", "align"), 0)

    def counting(name, step):
        def counted(*args, **options):
            counts[name] += 1
            return step(*args, **options)

        return counted

    for name in counts:
        module = named if name == "find_clusters" else votes
        monkeypatch.setattr(module, name, counting(name, getattr(module, name)))
    return counts


def test_a_rerun_computes_what_changed_and_no_more(
    result, computed, reference, query, store, tmp_path
):
    cache = Cache(tmp_path / "cache")
    shutil.copytree(store.folder, cache.folder)

    def rerun(config, words=()):
        computed.update(dict.fromkeys(computed, 0))
        found = run(reference, query, config, confirmations=words, cache=cache, workers=1)
        return found, tuple(computed.values())

    first, counts = rerun(FAST)
    assert counts == (1, 4, 2)
    again, counts = rerun(FAST)
    assert counts == (0, 0, 0)
    assert written(again, tmp_path / "a") == written(result, tmp_path / "b")
    assert written(first, tmp_path / "c") == written(result, tmp_path / "d")

    counted = replace(FAST, vote_weights="prior", flag_threshold=0.9)
    prior, counts = rerun(counted)
    assert counts == (0, 0, 0)
    assert {v.weight for v in prior.voters}.isdisjoint({v.weight for v in result.voters})
    fresh = run(reference, query, counted, cache=store, workers=1)
    assert written(prior, tmp_path / "e") == written(fresh, tmp_path / "f")
    assert written(recount(result, counted), tmp_path / "g") == written(fresh, tmp_path / "h")

    assert rerun(replace(FAST, alpha=0.2))[1] == (0, 2, 2)
    assert rerun(replace(FAST, resolution=1.0))[1][0] == 1
    more = replace(FAST, encoders=(*FAST.encoders, ("shape",)))
    assert rerun(more)[1] == (0, 2, 1)
    # Another word: other proportions, other draws, another mean. Clusters stay.
    assert rerun(FAST, [Confirmation(0, "neutrophil")])[1] == (0, 4, 2)


def test_another_type_for_a_cluster_leaves_the_querys_geodesics(
    monkeypatch, reference, query, cache
):
    config = replace(FAST, filtering="none")
    computed = []

    def counting(graph):
        computed.append(graph.shape[0])
        return geodesic_distances(graph)

    def rerun(*words):
        computed.clear()
        _structures.clear()  # what another process would not have
        words = [Confirmation(cluster, name) for cluster, name in enumerate(words)]
        found = run(reference, query, config, confirmations=words, cache=cache, workers=1)
        return found, len(computed)

    monkeypatch.setattr(plans, "geodesic_distances", counting)
    first, in_all = rerun("neutrophil", "lymphocyte")
    solved = len(first.solves)
    targets = len({(solve.voter, solve.part) for solve in first.solves})
    assert in_all == solved + targets
    other, in_all = rerun("neutrophil", "neutrophil")
    assert other.predicted != first.predicted
    assert in_all == len(other.solves) == solved  # of the drawn reference alone


def test_a_word_that_changes_no_input_computes_nothing(computed, reference, query, cache):
    config = replace(FAST, weights="uniform", filtering="none")
    run(reference, query, config, cache=cache, workers=1)
    before = dict(computed)
    words = [Confirmation(0, "neutrophil")]
    found = run(reference, query, config, confirmations=words, cache=cache, workers=1)
    assert computed == before
    assert found.matches[0].confirmed
    assert found.voters[1].weight > 0  # but the confirmed share counts


def test_parts_are_handed_on_as_they_are_mapped(rng, monkeypatch):
    config = replace(DEFAULT, subset_size=20, draws=2, alignment="centre")
    types = np.arange(60) % 3
    Xs, Xt = (rng.normal(size=(n, 4)).astype(np.float32) for n in (60, 50))
    draws = plan_draws(types, np.full(3, 1 / 3), np.zeros(50, np.int64), config)
    assert len(draws.parts) == 3
    assert len(draws.drawn) == 6
    solved = []

    def backwards_in_pairs(work, tasks, *, workers=None):
        for index in (1, 0, 5, 3, 2, 4):
            solved.append(index)
            yield index, work(tasks[index])

    monkeypatch.setattr(aligned, "run_tasks", backwards_in_pairs)
    when, shapes = [], []
    for (rows, cells), solves in align("v", Xs, Xt, draws, config):
        when.append(len(solved))
        shapes.append((rows.shape, cells.shape, solves))
        # The mean of what is mapped is that of the part it went onto.
        np.testing.assert_allclose(
            rows[:20].mean(axis=0), Xt[draws.parts[len(when) - 1]].mean(axis=0), atol=1e-5
        )
    assert when == [2, 5, 6]
    assert shapes == [((40, 4), (40,), [])] * 3


def test_votes_of_many_cells_are_counted_by_blocks(result, monkeypatch):
    monkeypatch.setattr(votes, "_COUNTED", 7)
    counted = ensemble_vote(result.voters)
    for name, values in vars(result.vote).items():
        np.testing.assert_allclose(getattr(counted, name), values, rtol=1e-12, atol=1e-12)


def test_another_seed_is_another_run(result, reference, query, store, tmp_path):
    other = run(reference, query, replace(FAST, seed=1), cache=store, workers=1)
    assert written(result, tmp_path / "a") != written(other, tmp_path / "b")


def test_names_and_folders_of_the_query_change_nothing(result, reference, query, store, tmp_path):
    for number, file in enumerate(sorted(query.files, reverse=True)):
        place = tmp_path / "query" / ("lymphocyte" if number % 2 else "neutrophil")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(query.root / file, place / f"x{number}.png")
    renamed = read_dataset(tmp_path / "query")
    again = run(reference, renamed, FAST, cache=store, workers=1)
    assert again.query.cells == query.cells
    assert again.predicted == result.predicted
    np.testing.assert_array_equal(again.vote.agreement, result.vote.agreement)
    np.testing.assert_array_equal(again.clusters.labels, result.clusters.labels)


def test_copies_are_typed_like_their_originals(result, reference, query, store, tmp_path):
    shutil.copytree(query.root, tmp_path / "query")
    shutil.copy(query.root / query.files[0], tmp_path / "query" / "copy.png")
    again = run(reference, read_dataset(tmp_path / "query"), FAST, cache=store, workers=1)
    assert again.predicted == result.predicted
    table = predictions_table(again).set_index("file")
    columns = ["predicted_type", "agreement", "cluster"]
    assert table.loc["copy.png", columns].tolist() == table.loc[query.files[0], columns].tolist()


def test_a_persons_word_changes_the_draws(result, reference, query, store):
    words = [
        Confirmation(number, "eosinophil", "me") for number in range(len(result.clusters.names))
    ]
    again = run(reference, query, FAST, confirmations=words, cache=store, workers=1)
    assert all(match.confirmed for match in again.matches)
    assert again.types == tuple(sorted(set(reference.labels)))  # one type alone: all are kept
    expected = dict(zip(again.types, again.proportions, strict=True))
    assert expected["eosinophil"] > 0.9


def test_none_is_an_answer(result, reference, query, store):
    words = [Confirmation(0, "none")]
    again = run(reference, query, FAST, confirmations=words, cache=store, workers=1)
    inside = again.clusters.labels == 0
    assert again.matches[0].matched_type == "none"
    assert again.flagged[inside].all()
    assert all(name != "none" for name in again.predicted)
    assert all(solve.target == (~inside).sum() for solve in again.solves)
    everything = [Confirmation(n, "none") for n in range(len(result.clusters.names))]
    assert run(
        reference, query, FAST, confirmations=everything, cache=store, workers=1
    ).flagged.all()


def test_a_cluster_may_be_a_new_type(result, reference, query, store):
    word = Confirmation(0, "yeti")
    again = run(reference, query, FAST, confirmations=[word], cache=store, workers=1)
    inside = again.clusters.labels == 0
    assert (np.array(again.predicted)[inside] == "yeti").mean() > 0.5
    assert "yeti" not in np.array(again.predicted)[again.clusters.labels == 1]
    # The reference has none of it: nothing is transported there, as for none of these.
    assert all(solve.target == (~inside).sum() for solve in again.solves)
    assert (again.matches[0].matched_type, again.matches[0].score) == ("yeti", 0.0)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (Confirmation(0, "?"), "Cluster 0 .* new one.*at least one letter"),
        (Confirmation(99, "neutrophil"), "cluster 99.*--clusters-from"),
        (Confirmation(0, "neutrophil", cells=1), "other clusters.*--clusters-from"),
    ],
)
def test_words_that_do_not_fit(word, message, reference, query, store):
    with pytest.raises(DataError, match=message):
        run(reference, query, FAST, confirmations=[word], cache=store, workers=1)


def test_filtering_none_keeps_every_type_with_a_floor(reference, query, store):
    kept = run(reference, query, replace(FAST, filtering="none"), cache=store, workers=1)
    assert len(kept.types) == 3
    assert kept.filtered == {}
    assert kept.proportions.min() > 0.028


def test_a_type_is_kept_though_no_cluster_is_called_so(reference, query, store):
    words = [Confirmation(n, ("lymphocyte", "neutrophil")[n % 2]) for n in range(2)]
    without = run(reference, query, FAST, confirmations=words, cache=store, workers=1)
    (out,) = without.filtered
    first = without.query.first_file[
        without.alike[sorted(set(reference.cell_labels)).index(out)][0]
    ]
    assert f"query cells most like {out}: {first}, " in describe_run(without)
    told = replace(FAST, keep=(out,))
    kept = run(reference, query, told, confirmations=words, cache=store, workers=1)
    assert kept.filtered == {}
    assert "--keep" not in describe_run(kept)
    assert kept.proportions[kept.types.index(out)] == pytest.approx(0.03, abs=0.002)
    with pytest.raises(DataError, match=r"--keep cannot be platelet; it takes .*neutrophil"):
        run(reference, query, replace(FAST, keep=("platelet",)), cache=store, workers=1)


@pytest.mark.parametrize(
    "change",
    [
        {"alignment": "none"},
        {"alignment": "centre"},
        {"alignment": "centre", "features": "raw"},
        {"features": "raw"},
        {"weights": "uniform"},
        {"clusters": "node-degree", "sigma": "paper"},
        {"classifier": "linear"},
        {"class_weight": "none"},
        {"vote_weights": "equal"},
        {"vote_weights": "prior"},
        {"framing": "none"},
        {"colour": "none"},
        {"colour": "lab"},
        {"um_per_px": (0.1, 0.2)},
        {"cluster_encoder": ("shape",)},
        {"subset_size": 12},
    ],
)
def test_every_option_runs(change, reference, query, store):
    found = run(reference, query, replace(FAST, **change), cache=store, workers=1)
    assert len(found.predicted) == query.n_cells
    halves = 1 if change.get("alignment") == "none" or change == {"alignment": "centre"} else 2
    assert len(found.voters) == 2 * halves
    if "subset_size" in change:
        assert found.parts == 3


def test_transport_has_a_say_as_far_as_clusters_are_confirmed(result, reference, query, store):
    def say(found):
        halves = {"centre": 0.0, "fgw": 0.0}
        for voter in found.voters:
            halves[voter.alignment] += voter.weight
        return halves["fgw"] / halves["centre"]

    assert say(result) == 0
    words = [Confirmation(int(n), "lymphocyte") for n in result.clusters.names]
    share = result.clusters.sizes[0] / query.n_cells
    some = run(reference, query, FAST, confirmations=words[:1], cache=store, workers=1)
    assert say(some) == pytest.approx(share)
    every = run(reference, query, FAST, confirmations=words, cache=store, workers=1)
    assert say(every) == pytest.approx(1)


def test_the_papers_preset(reference, query, store):
    found = run(reference, query, replace(PAPER, encoders=(("colour",),)), cache=store, workers=1)
    assert not found.framing.framed
    assert {voter.alignment for voter in found.voters} == {"none", "fgw"}


def test_extra_sets_vote_in_the_plane(result, reference, query, store):
    found = run(reference, query, FAST, extras={"more": query}, cache=store, workers=1)
    assert "more" in found.scores
    assert all(match.tsne_type for match in found.matches)
    assert all(not match.tsne_type for match in result.matches)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 1.5}, "--alpha"),
        ({"draws": 0}, "--draws"),
        ({"subset_size": 1}, "--subset-size"),
        ({"flag_threshold": -1}, "--flag-threshold"),
        ({"sigma": 0.0}, "--sigma"),
        ({"sigma": "none"}, "--sigma cannot be none; it takes auto, paper"),
        ({"n_clusters": "many"}, "--n-clusters cannot be many; it takes auto"),
        ({"colour": "Lab"}, "--colour cannot be Lab; it takes balanced, lab, none"),
        ({"vote_weights": None}, "--vote-weights cannot be None; it takes confirmed"),
        ({"um_per_px": (0.1, -1.0)}, "--um-per-px"),
        ({"seed": -1}, "--seed"),
        ({"encoders": ()}, "--encoders"),
    ],
)
def test_options_out_of_range(change, message):
    with pytest.raises(DataError, match=message):
        Config(**change)


class Broken:
    """An encoder that gives what it is told to."""

    in_workers = False
    batch = 1

    def __init__(self, name, value):
        self.spec = replace(BUILTIN[0], id=name, dim=2)
        self.value = value

    def encode(self, images, extents):
        return np.full((len(images), 2), self.value)


@pytest.fixture
def with_broken(monkeypatch):
    """Let encoders ``nan`` and ``constant`` stand beside the built-in ones."""
    real_load = load_encoder
    broken = {"nan": Broken("nan", np.nan), "constant": Broken("constant", 3.0)}
    names = (*encoder_names(), *broken)
    monkeypatch.setattr(prepared, "encoder_names", lambda: names)
    monkeypatch.setattr(prepared, "load_encoder", lambda name: broken.get(name) or real_load(name))


@pytest.mark.usefixtures("with_broken")
def test_one_encoder_of_five_fails_and_the_others_go_on(reference, query, store):
    voters = (
        ("colour",),
        ("texture",),
        ("shape",),
        ("nan",),
        ("colour", "shape"),
        ("nan", "shape"),
    )
    found = run(reference, query, replace(FAST, encoders=voters), cache=store, workers=1)
    assert [failure.encoder for failure in found.failures] == ["nan"]
    assert {voter.encoders for voter in found.voters} == {v for v in voters if "nan" not in v}
    assert "NaN" in manifest(found)["failures"][0]["reason"]


@pytest.mark.usefixtures("with_broken")
@pytest.mark.parametrize("name", ["nan", "constant"])
def test_no_encoder_left(name, reference, query, store):
    with pytest.raises(EncoderError, match="No encoder could be used"):
        run(reference, query, replace(FAST, encoders=((name,),)), cache=store, workers=1)


def test_an_unknown_encoder_is_told_at_once(reference, query, store):
    with pytest.raises(EncoderError, match="no encoder 'dinosaur'; there are cell, colour"):
        run(reference, query, replace(FAST, encoders=(("dinosaur",),)), cache=store)


def test_a_type_named_like_an_answer_is_refused(reference, query, store):
    named = replace(reference, labels=("unsure", *reference.labels[1:]))
    with pytest.raises(DataError, match="a type named 'unsure'"):
        run(named, query, FAST, cache=store)


def test_three_cells(reference, query, store, tmp_path):
    for file in query.files[:3]:
        shutil.copy(query.root / file, tmp_path)
    found = run(reference, read_dataset(tmp_path), FAST, cache=store, workers=1)
    assert len(found.predicted) == 3


def test_all_images_the_same(reference, store, tmp_path):
    for number in range(5):
        Image.new("RGB", (40, 40), (200, 180, 190)).save(tmp_path / f"{number}.png")
    query = read_dataset(tmp_path)
    assert query.n_cells == 1
    found = run(reference, query, FAST, cache=store, workers=1)
    assert len(predictions_table(found)) == 5


def test_a_reference_of_two_cells(query, store, tmp_path):
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        shutil.copy(query.root / query.files[number], tmp_path / str(number))
    tiny = read_dataset(tmp_path, labelled=True)
    assert len(run(tiny, query, FAST, cache=store, workers=1).predicted) == query.n_cells


def test_tables_have_their_columns(result):
    assert predictions_table(result).columns[:7].tolist() == [
        "file",
        "predicted_type",
        "agreement",
        "confidence",
        "flagged",
        "cluster",
        "matched_type",
    ]
    assert clusters_table(result).columns.tolist() == ["file", "cluster", "centrality"]
    assert matches_table(result).columns.tolist() == [
        "cluster",
        "cells",
        "matched_type",
        "score",
        "runner_up",
        "runner_up_score",
        "tsne_type",
        "reason",
        "confirmed",
        "by",
    ]


def test_the_manifest_holds_no_path_and_no_time(result, drawn):
    assert str(drawn) not in json.dumps(manifest(result))
    assert manifest(result)["seed"] == 0
    assert manifest(result)["inputs"]["reference"]["types"] == {
        "eosinophil": 14,
        "lymphocyte": 14,
        "neutrophil": 14,
    }


def test_true_labels_are_read_by_evaluation_alone(tmp_path, query):
    for number, file in enumerate(query.files[:4]):
        place = tmp_path / ("a" if number % 2 else "b")
        place.mkdir(exist_ok=True)
        shutil.copy(query.root / file, place)
    blind = read_dataset(tmp_path)
    assert blind.labels is None
    assert sorted(true_labels(blind).tolist()) == ["a", "a", "b", "b"]


def test_pooled_sources_are_shifted_onto_each_other(rng):
    types = np.repeat([0, 1, 2, 3], 10)
    sources = np.repeat([0, 1, 1, 0], 10)
    sources[:5] = 1  # type 0 is in both
    X = rng.normal(size=(40, 3)).astype(np.float32)
    X[sources == 1] += 50
    levelled = level_sources(X, types, sources)
    means = [levelled[(types == 0) & (sources == source)].mean(axis=0) for source in (0, 1)]
    np.testing.assert_allclose(*means, atol=1e-4)
    moved = levelled - X  # the larger stays, the other moves as a whole
    np.testing.assert_array_equal(moved[sources == 1], 0)
    assert np.ptp(moved[sources == 0], axis=0).max() < 1e-4
    apart = level_sources(X, np.where(sources == 1, types, types + 10), sources)
    np.testing.assert_array_equal(apart, X)


def test_each_source_is_drawn_and_transported_by_itself():
    # Types 0 and 1 in the first source, 1 and 2 in the second; clusters of the query by type.
    types = np.repeat([0, 1, 1, 2], 100)
    sources = np.repeat([0, 0, 1, 1], 100)
    matched = np.repeat([0, 1, 2, -1], [60, 30, 10, 20])
    proportions = np.array([0.6, 0.3, 0.1])
    config = replace(DEFAULT, subset_size=200, draws=2)
    draws = plan_draws(types, proportions, matched, config, sources=sources)
    # 90 cells are matched to the first source and 40 to the second: a draw is about as large, and
    # as often as makes 2 of all that the source has.
    assert [one.number for one in draws.of_part(0)] == [0, 0, 1, 1, 2, 3]
    for one, own, counts in zip(
        draws.drawn,
        [(0, 1), (1, 2)] * 2 + [(0, 1)] * 2,
        # As in the query, of the types that the source has.
        [(67, 33), (60, 20)] * 2 + [(67, 33)] * 2,
        strict=True,
    ):
        names, drawn = np.unique(draws.types[one.cells], return_counts=True)
        assert (tuple(names), tuple(drawn)) == (own, counts)
        assert len(set(sources[one.cells])) == 1
        assert set(matched[one.onto]) == set(own)
        voting = np.bincount(draws.types[one.cells[one.voting]], minlength=3)
        assert voting[1] == -(-counts[own.index(1)] // 2)  # two sources have it
        assert voting[[0, 2]].sum() == counts[1 - own.index(1)]
    together = plan_draws(
        types, proportions, matched, replace(config, weights="uniform"), sources=sources
    )
    assert len(together.drawn) == 2  # the paper's way: at random from all
    assert {len(one.onto) for one in together.drawn} == {100}


def test_draws_are_as_large_as_the_cells_they_are_transported_onto():
    types = np.repeat([0, 1], [600, 300])
    matched = np.repeat([0, 1, -1], [150, 50, 100])
    proportions = np.array([0.75, 0.25])
    draws = plan_draws(types, proportions, matched, DEFAULT)
    for one in draws.drawn:
        assert len(one.cells) == len(one.onto) == 200
        assert np.bincount(draws.types[one.cells]).tolist() == [150, 50]
        assert len(np.unique(one.cells)) == 200
    assert len(draws.drawn) == 14  # three times the 900 cells that there are, nearly
    few = plan_draws(types, proportions, matched[:20], DEFAULT)
    assert {len(one.cells) for one in few.drawn} == {100}
    many = plan_draws(types, proportions, np.repeat(matched, 6), DEFAULT)
    assert {(len(one.cells), len(one.onto)) for one in many.drawn} == {(900, 1200)}
    assert len(many.drawn) == 3


def test_one_source_is_drawn_as_without_sources():
    types = np.repeat([0, 1], 50)
    matched = np.repeat([0, 1], 20)
    proportions = np.array([0.7, 0.3])
    one, none = (
        plan_draws(types, proportions, matched, DEFAULT, sources=sources)
        for sources in (np.zeros(100, dtype=np.int64), None)
    )
    for a, b in zip(one.drawn, none.drawn, strict=True):
        np.testing.assert_array_equal(a.cells, b.cells)
        np.testing.assert_array_equal(a.voting, np.arange(len(a.cells)))


def test_a_reference_of_two_microscopes(reference, query, drawn, store):
    names = {
        f"{number:02}.png": "lymphocyte" if number % 3 else "eosinophil" for number in range(30)
    }
    away = read_dataset(drawn / "query", labelled=True, type_of=names.get, workers=1)
    kept = away.take_typed(np.arange(15))
    rest = query.take(np.arange(15, 30))
    pooled = pool([reference, kept], names=["home", "away"])
    # One cluster of fifteen cells leaves types with a drawn cell or two.
    config = replace(FAST, class_weight="none")
    found = run(pooled, rest, config, cache=store, workers=1)
    truth = away.cell_labels[15:]
    assert np.mean(np.array(found.predicted) == truth) >= 0.8
    near = found.voters[1].neighbours
    # With transport both sources are among the neighbours.
    assert set(pooled.cell_sources[near[near >= 0]]) == {0, 1}
    again = run(pooled, rest, config, cache=store, workers=2)
    assert again.predicted == found.predicted
