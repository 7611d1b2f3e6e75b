import pickle
from collections import Counter
from dataclasses import replace

import numpy as np

from celltransfer_core.pipeline import (
    add_discriminant,
    aligned,
    detect,
    draw_map,
    features,
    level_sources,
    named,
    prepare,
    result as pipeline_result,
    run,
)
from tests.pipeline.samples import FAST


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


def test_sets_are_joined_and_the_discriminant_fitted_once_a_run(
    monkeypatch, reference, query, store
):
    calls = Counter()

    def counting(name, step):
        def counted(*args, **options):
            calls[name] += 1
            return step(*args, **options)

        return counted

    # The voters' own rows, centred on the types that are kept, are joined in ``aligned``.
    monkeypatch.setattr(
        pipeline_result, "representation", counting("joined", pipeline_result.representation)
    )
    monkeypatch.setattr(named, "representation", counting("joined", named.representation))
    monkeypatch.setattr(features, "discriminant", counting("fitted", features.discriminant))
    monkeypatch.setattr(aligned, "representation", counting("voters", aligned.representation))
    run(reference, query, replace(FAST, transport="needed"), cache=store, workers=1)
    assert calls == {"joined": 1, "fitted": 1, "voters": len(FAST.encoders)}
    run(reference, query, FAST, cache=store, workers=1)
    # Once more for the aligned voters, which come after all others.
    assert calls == {"joined": 2, "fitted": 2, "voters": 3 * len(FAST.encoders)}


def test_joined_rows_are_not_kept_with_a_prepared_set(reference, query, store):
    prepared = prepare(reference, query, FAST, cache=store, workers=1)
    before = len(pickle.dumps(replace(prepared, embeddings={})))
    detect(prepared)
    draw_map(prepared)
    assert prepared.cluster_features is prepared.cluster_features
    assert len(pickle.dumps(replace(prepared, embeddings={}))) == before


def test_the_discriminants_block_weighs_as_much_as_the_other(rng):
    types = np.repeat([0, 1], 20)
    Xs = rng.normal(size=(40, 3)).astype(np.float32)
    Xs[types == 1, 0] += 5
    Xs -= Xs.mean(axis=0)
    rows = add_discriminant(Xs, Xs, types)
    assert rows.shape == (40, 4)
    norms = [np.linalg.norm(block, axis=1).mean() for block in (rows[:, :3], rows[:, 3:])]
    np.testing.assert_allclose(norms, 1, rtol=1e-5)
    between = np.abs(rows[types == 0].mean(axis=0) - rows[types == 1].mean(axis=0))
    assert between[3] > between[:3].max()
