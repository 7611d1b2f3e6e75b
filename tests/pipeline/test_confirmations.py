from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.cli import describe_run
from celltransfer_core.errors import DataError
from celltransfer_core.matching import Confirmation
from celltransfer_core.pipeline import DISCRIMINANT, run
from tests.pipeline.samples import FAST


def test_confirmations_change_the_draws(result, reference, query, store):
    confirmations = [
        Confirmation(number, "eosinophil", "me") for number in range(len(result.clusters.names))
    ]
    again = run(reference, query, FAST, confirmations=confirmations, cache=store, workers=1)
    assert all(match.confirmed for match in again.matches)
    assert again.types == tuple(sorted(set(reference.labels)))  # one type alone: all are kept
    expected = dict(zip(again.types, again.proportions, strict=True))
    assert expected["eosinophil"] > 0.9


def test_none_is_an_answer(result, reference, query, store):
    confirmations = [Confirmation(0, "none")]
    again = run(reference, query, FAST, confirmations=confirmations, cache=store, workers=1)
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
    confirmations = [Confirmation(0, "yeti")]
    again = run(reference, query, FAST, confirmations=confirmations, cache=store, workers=1)
    inside = again.clusters.labels == 0
    assert (np.array(again.predicted)[inside] == "yeti").mean() > 0.5
    assert "yeti" not in np.array(again.predicted)[again.clusters.labels == 1]
    # The reference has none of it: nothing is transported there, as for none of these.
    assert all(solve.target == (~inside).sum() for solve in again.solves)
    assert (again.matches[0].matched_type, again.matches[0].score) == ("yeti", 0.0)


@pytest.mark.parametrize(
    ("confirmation", "message"),
    [
        (Confirmation(0, "?"), "Cluster 0 .* new type cannot .*at least one letter"),
        (Confirmation(99, "neutrophil"), "cluster 99.*--clusters-from"),
        (Confirmation(0, "neutrophil", cells=1), "other clusters.*--clusters-from"),
    ],
)
def test_confirmations_that_do_not_fit(confirmation, message, reference, query, store):
    with pytest.raises(DataError, match=message):
        run(reference, query, FAST, confirmations=[confirmation], cache=store, workers=1)


def test_filtering_none_keeps_every_type_with_a_floor(reference, query, store):
    kept = run(reference, query, replace(FAST, filtering="none"), cache=store, workers=1)
    assert len(kept.types) == 3
    assert kept.filtered == {}
    assert kept.proportions.min() > 0.028


def test_a_type_is_kept_though_no_cluster_is_matched_to_it(reference, query, store):
    confirmations = [Confirmation(n, ("lymphocyte", "neutrophil")[n % 2]) for n in range(2)]
    without = run(reference, query, FAST, confirmations=confirmations, cache=store, workers=1)
    (out,) = without.filtered
    first = without.query.first_file[
        without.alike[sorted(set(reference.cell_labels)).index(out)][0]
    ]
    assert f"query cells most similar to {out}: {first}, " in describe_run(without)
    keeping = replace(FAST, keep=(out,))
    kept = run(reference, query, keeping, confirmations=confirmations, cache=store, workers=1)
    assert kept.filtered == {}
    assert "--keep" not in describe_run(kept)
    assert kept.proportions[kept.types.index(out)] == pytest.approx(0.03, abs=0.002)
    with pytest.raises(DataError, match=r"--keep cannot be platelet; it takes .*neutrophil"):
        run(reference, query, replace(FAST, keep=("platelet",)), cache=store, workers=1)


def test_transport_weighs_as_far_as_clusters_are_confirmed(result, reference, query, store):
    def aligned_weight(found):
        halves = {"centre": 0.0, "fgw": 0.0, DISCRIMINANT: 0.0}
        for voter in found.voters:
            halves[voter.alignment] += voter.weight
        assert halves[DISCRIMINANT] == pytest.approx(halves["centre"])  # as all of them together
        return halves["fgw"] / halves["centre"]

    assert aligned_weight(result) == 0
    confirmations = [Confirmation(int(n), "lymphocyte") for n in result.clusters.names]
    share = result.clusters.sizes[0] / query.n_cells
    some = run(reference, query, FAST, confirmations=confirmations[:1], cache=store, workers=1)
    assert aligned_weight(some) == pytest.approx(share)
    every = run(reference, query, FAST, confirmations=confirmations, cache=store, workers=1)
    assert aligned_weight(every) == pytest.approx(1)
