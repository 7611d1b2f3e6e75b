from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.data import pool, unpool
from celltransfer_core.outputs import describe_nearest, manifest
from celltransfer_core.pipeline import run, sources
from celltransfer_core.pipeline.sources import ALONE, choose_sets, nearest_shares
from tests.pipeline.samples import FAST


def of_sources(rng, offsets, counts):
    """Rows of two types in sets that lie apart, and the sets as a reference would name them."""

    class Reference:
        sources = tuple(f"set {number}" for number in range(len(offsets)))
        cell_sources = np.repeat(np.arange(len(offsets)), counts)

    types = np.arange(sum(counts)) % 2
    rows = rng.normal(size=(sum(counts), 6)) + 20 * types[:, None]
    rows[:, 0] += np.array(offsets)[Reference.cell_sources]
    return Reference, types, rows.astype(np.float32)


def test_the_set_that_the_query_resembles_is_the_nearest(rng):
    # The first set has far more cells, the query lies by the second one.
    reference, types, rows = of_sources(rng, (0, 30), (400, 40))
    asked = rows[types == 1][-20:] + rng.normal(size=(20, 6)).astype(np.float32)
    shares = nearest_shares(reference, types, {"a": rows}, {"a": asked})
    assert list(shares) == ["set 0", "set 1"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["set 1"] > 0.95


def test_sets_that_look_alike_are_equally_near_whatever_their_sizes(rng):
    reference, types, rows = of_sources(rng, (0, 0), (400, 60))
    asked = rng.normal(size=(200, 6)).astype(np.float32)
    shares = nearest_shares(reference, types, {"a": rows}, {"a": asked})
    assert shares["set 1"] == pytest.approx(0.5, abs=0.1)


def test_a_set_that_is_clearly_the_nearest_is_used_alone(rng, reference):
    a, b = (replace(reference, source=(name,) * len(reference.files)) for name in "ab")
    half = len(a.files) // 2
    both = replace(a, source=a.source[:half] + b.source[half:])
    names = {one: {*unpool(both, one).labels} for one in "ab"}
    X = rng.normal(size=(both.n_cells, 4)).astype(np.float32) + 50 * both.cell_sources[:, None]
    asked = X[both.cell_sources == 1]
    found = choose_sets(both, FAST, {"e": X}, {"e": asked})
    assert found.shares["b"] > ALONE
    assert found.alone == "b"
    assert {*found.lacking} == names["a"] - names["b"]
    assert choose_sets(both, replace(FAST, sources="equal"), {"e": X}, {"e": asked}).alone == ""
    mixed = np.concatenate([asked, X[both.cell_sources == 0]])
    assert choose_sets(both, FAST, {"e": X}, {"e": mixed}).alone == ""


def test_a_type_to_be_kept_that_other_sets_alone_have_keeps_all_sets(rng, reference):
    types = reference.cell_labels
    rare = sorted({*types.tolist()})[0]
    of = {s: "a" if t == rare else "b" for s, t in zip(reference.cells, types, strict=True)}
    both = replace(reference, source=tuple(of[sha] for sha in reference.sha256))
    X = rng.normal(size=(both.n_cells, 4)).astype(np.float32) + 50 * both.cell_sources[:, None]
    asked = {"e": X[both.cell_sources == 1]}
    assert choose_sets(both, FAST, {"e": X}, asked).lacking == (rare,)
    kept = choose_sets(both, replace(FAST, must_find=(rare,)), {"e": X}, asked)
    assert kept.alone == ""


def test_a_set_that_is_used_alone_gives_what_it_gives_alone(reference, query, store, monkeypatch):
    half = np.arange(0, query.n_cells, 2)
    labels = tuple(("lymphocyte", "monocyte")[number % 2] for number in range(len(half)))
    here = replace(query.take(half), labels=labels)
    pooled = pool([reference, here], names=["elsewhere", "here"])
    monkeypatch.setattr(sources, "ALONE", 0.5)
    found = run(pooled, query, FAST, cache=store, workers=1)
    alone = run(here, query, FAST, cache=store, workers=1)
    assert found.nearest.alone == "here"
    assert found.reference.cells == alone.reference.cells
    assert found.predicted == alone.predicted
    for one, other in zip(found.voters, alone.voters, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
    told = describe_nearest(found.nearest)
    assert "here is clearly the nearest set and is used alone" in told
    assert all(name in told for name in found.nearest.lacking)
    assert "It has no cell" not in describe_nearest(found.nearest, found.nearest.lacking)
    described = manifest(found)["nearest"]
    assert described["alone"] == "here"
    assert described["lacking_types"] == list(found.nearest.lacking)
    equal = run(pooled, query, replace(FAST, sources="equal"), cache=store, workers=1)
    assert describe_nearest(equal.nearest).endswith("All sets are used.")
    assert equal.reference.n_cells > alone.reference.n_cells


def test_a_single_reference_has_no_nearest_set(result):
    assert result.nearest is None
    assert "nearest" not in manifest(result)
