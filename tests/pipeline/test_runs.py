import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.config import PAPER
from celltransfer_core.data import pool, read_dataset
from celltransfer_core.evaluation import true_labels
from celltransfer_core.outputs import clusters_table, manifest, matches_table, predictions_table
from celltransfer_core.pipeline import DISCRIMINANT, run
from tests.pipeline.samples import FAST, written


def test_every_cell_is_typed(result, query):
    assert len(result.predicted) == query.n_cells
    assert set(result.predicted) <= set(result.types)
    assert result.framing.framed
    assert sum(voter.weight for voter in result.voters) == pytest.approx(1)
    assert [voter.alignment for voter in result.voters] == 2 * ["centre", "fgw"] + [DISCRIMINANT]
    assert result.aligned
    assert len(result.solves) == 4
    assert all(solve.log.remarks == () for solve in result.solves)
    for voter in result.voters:
        np.testing.assert_allclose(voter.probabilities.sum(axis=1), 1)
    *at_cells, fitted = result.voters
    assert (fitted.neighbours == -1).all()
    for voter in at_cells:
        assert voter.neighbours.min() >= 0
        # No cell stands twice in a gallery, though transport draws cells several times.
        assert all(len(set(near)) == len(near) for near in voter.neighbours.tolist())


def test_accuracy_on_drawn_cells(result, drawn, tmp_path):
    # Labels of drawn cells follow from their number, see conftest.
    truth = np.array(
        ["lymphocyte" if int(f[:2]) % 3 else "eosinophil" for f in result.query.first_file]
    )
    assert (np.array(result.predicted) == truth).mean() > 0.8


def test_same_inputs_same_bytes_whatever_runs_beside(result, reference, query, store, tmp_path):
    again = run(reference, query, FAST, cache=store, workers=2)
    assert written(result, tmp_path / "a") == written(again, tmp_path / "b")


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
        {"naming": "scores"},
        {"transduction": "none"},
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
    fitted = change != {"transduction": "none"}
    assert len(found.voters) == 2 * halves + fitted
    if "subset_size" in change:
        assert found.parts == 3


def test_the_papers_preset(reference, query, store):
    found = run(reference, query, replace(PAPER, encoders=(("colour",),)), cache=store, workers=1)
    assert not found.framing.framed
    assert {voter.alignment for voter in found.voters} == {"none", "fgw"}


def test_extra_sets_vote_in_the_plane(result, reference, query, store):
    found = run(reference, query, FAST, extras={"more": query}, cache=store, workers=1)
    assert "more" in found.scores
    assert all(match.tsne_type for match in found.matches)
    assert all(not match.tsne_type for match in result.matches)


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


def test_a_reference_of_two_microscopes(reference, query, drawn, store):
    names = {
        f"{number:02}.png": "lymphocyte" if number % 3 else "eosinophil" for number in range(30)
    }
    away = read_dataset(drawn / "query", labelled=True, type_of=names.get, workers=1)
    kept = away.take_typed(np.arange(15))
    rest = query.take(np.arange(15, 30))
    pooled = pool([reference, kept], names=["home", "away"])
    # One cluster of fifteen cells leaves types with a drawn cell or two.
    config = replace(FAST, class_weight="none", naming="scores")
    found = run(pooled, rest, config, cache=store, workers=1)
    truth = away.cell_labels[15:]
    assert np.mean(np.array(found.predicted) == truth) >= 0.8
    near = found.voters[1].neighbours
    # With transport both sources are among the neighbours.
    assert set(pooled.cell_sources[near[near >= 0]]) == {0, 1}
    again = run(pooled, rest, config, cache=store, workers=2)
    assert again.predicted == found.predicted


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
    assert clusters_table(result).columns.tolist() == [
        "file",
        "cluster",
        "centrality",
        "sha256",
    ]
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
        "sha256",
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
