import shutil
from dataclasses import replace

import pytest

from celltransfer_core.matching import Confirmation
from celltransfer_core.neighbors import geodesic_distances
from celltransfer_core.pipeline import named, recount, run, votes
from celltransfer_core.runtime import Cache
from celltransfer_core.transport import plans
from celltransfer_core.transport.plans import _structures
from tests.pipeline.samples import FAST, written


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

    def rerun(config, confirmations=()):
        computed.update(dict.fromkeys(computed, 0))
        found = run(reference, query, config, confirmations=confirmations, cache=cache, workers=1)
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
    # Another confirmation: other proportions, other draws, another mean. Clusters stay.
    assert rerun(FAST, [Confirmation(0, "neutrophil")])[1] == (0, 4, 2)


def test_another_type_for_a_cluster_leaves_the_querys_geodesics(
    monkeypatch, reference, query, cache
):
    config = replace(FAST, filtering="none")
    computed = []

    def counting(graph):
        computed.append(graph.shape[0])
        return geodesic_distances(graph)

    def rerun(*names):
        computed.clear()
        _structures.clear()  # what another process would not have
        confirmations = [Confirmation(*pair) for pair in enumerate(names)]
        found = run(reference, query, config, confirmations=confirmations, cache=cache, workers=1)
        return found, len(computed)

    monkeypatch.setattr(plans, "geodesic_distances", counting)
    first, in_all = rerun("neutrophil", "lymphocyte")
    solved = len(first.solves)
    targets = len({(solve.voter, solve.part) for solve in first.solves})
    assert in_all == solved + targets
    other, in_all = rerun("neutrophil", "neutrophil")
    assert other.predicted != first.predicted
    assert in_all == len(other.solves) == solved  # of the drawn reference alone


def test_a_confirmation_that_changes_no_input_computes_nothing(computed, reference, query, cache):
    config = replace(FAST, weights="uniform", filtering="none")
    run(reference, query, config, cache=cache, workers=1)
    before = dict(computed)
    confirmations = [Confirmation(0, "neutrophil")]
    found = run(reference, query, config, confirmations=confirmations, cache=cache, workers=1)
    assert computed == before
    assert found.matches[0].confirmed
    assert found.voters[1].weight > 0  # but the confirmed share counts
