from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.data import pool
from celltransfer_core.outputs import describe_nearest, manifest
from celltransfer_core.pipeline import detect, identify, plan_transfer, prepare, run
from celltransfer_core.pipeline.sources import ALONE, counted_cells, nearest_shares, set_alone
from tests.pipeline.samples import FAST


@pytest.fixture(scope="module")
def pooled(reference, query):
    """The reference beside cells that come from the query's own domain."""
    half = np.arange(0, query.n_cells, 2)
    labels = tuple(("lymphocyte", "monocyte")[number % 2] for number in range(len(half)))
    same = replace(query.take(half), labels=labels)
    return pool([reference, same], names=["elsewhere", "here"])


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


def test_the_set_that_is_decisively_nearest_is_used_alone():
    equal = replace(FAST, sources="equal")
    assert set_alone({"a": 1 - ALONE, "b": ALONE}, FAST) == "b"
    assert set_alone({"a": 0.2, "b": 0.8}, FAST) is None
    assert set_alone({"a": 0.0, "b": 1.0}, equal) is None
    assert set_alone(None, FAST) is None


def test_other_sets_add_only_what_the_nearest_has_few_cells_of(rng):
    reference, _, _ = of_sources(rng, (0, 30), (60, 40))
    types = np.repeat([0, 1, 2, 0, 1], [20, 20, 20, 37, 3])
    counted = counted_cells(reference, types, "set 1")
    assert counted[60:].all()
    assert not counted[:20].any()  # the nearest set has 37 of these
    assert counted[20:60].all()  # of these 3 and none
    assert counted_cells(reference, types, None).all()


def test_types_that_the_nearest_set_lacks_name_no_cluster(pooled, query, store):
    prepared = prepare(pooled, query, FAST, cache=store, workers=1)
    assert prepared.alone is None
    assert prepared.possible.all()
    near = replace(prepared, nearest={"elsewhere": 0.05, "here": 0.95})
    assert near.alone == "here"
    lacking = {*near.types} - {"lymphocyte", "monocyte"}
    assert {n for n, p in zip(near.types, near.possible, strict=True) if not p} == lacking
    named = identify(near, detect(near, store))
    assert {match.matched_type for match in named.matches} <= {"lymphocyte", "monocyte", "none"}
    plan = plan_transfer(near, named)
    assert set(plan.draws.usable) <= set(np.flatnonzero(near.counted))
    told = describe_nearest(near)
    assert "here is decisively the nearest and is used alone" in told
    assert all(name in told for name in lacking)
    # What a person wants kept lacks nowhere.
    kept = replace(near, config=replace(FAST, keep=tuple(sorted(lacking))))
    assert kept.possible.all()


def test_what_was_nearest_is_told(pooled, query, store):
    found = run(pooled, query, FAST, cache=store, workers=1)
    told = describe_nearest(found)
    assert told.startswith(f"{100 * found.nearest['here']:.0f} % of the query's cells")
    assert manifest(found)["nearest"] == {
        name: pytest.approx(share, abs=1e-3) for name, share in found.nearest.items()
    }
    assert "all cells of all sets are used" in told
    equal = run(pooled, query, replace(FAST, sources="equal"), cache=store, workers=1)
    assert describe_nearest(equal).endswith("All cells of all sets are used.")


def test_a_single_reference_has_no_nearest_set(result):
    assert result.nearest is None
    assert "nearest" not in manifest(result)
