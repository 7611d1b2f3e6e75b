from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.data import pool
from celltransfer_core.outputs import describe_nearest, manifest
from celltransfer_core.pipeline import detect, identify, plan_transfer, prepare, run
from celltransfer_core.pipeline.sources import LEAST_CELLS, counted_cells, nearest_shares
from tests.pipeline.samples import FAST


@pytest.fixture(scope="module")
def pooled(reference, query):
    """The reference beside cells that come from the query's own domain."""
    half = np.arange(0, query.n_cells, 2)
    labels = tuple("lymphocyte" for _ in half)
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


def test_cells_of_far_sets_take_part_as_far_as_the_nearest_lacks_them():
    types = np.repeat([0, 0, 1, 2, 2], [100, 60, 50, 4, 80])
    sources = np.repeat([0, 1, 0, 1, 0], [100, 60, 50, 4, 80])
    counted = counted_cells(types, sources, [0.1, 0.9])
    counts = {
        (name, source): int(counted[(types == name) & (sources == source)].sum())
        for name in range(3)
        for source in range(2)
    }
    assert counts[0, 1] == 60  # the nearest set, whole
    assert counts[0, 0] == 12  # a ninth of the far one
    assert counts[1, 0] == 50  # the far set alone has them
    assert (counts[2, 1], counts[2, 0]) == (4, LEAST_CELLS - 4)  # too few are near


def test_a_set_that_nothing_is_near_to_still_gives_what_others_lack():
    types, sources = np.repeat([0, 1], 30), np.repeat([0, 1], 30)
    assert counted_cells(types, sources, [1.0, 0.0]).all()


def test_a_pooled_reference_is_weighed_by_nearness(pooled, query, store):
    prepared = prepare(pooled, query, FAST, cache=store, workers=1)
    assert prepared.nearest["here"] > prepared.nearest["elsewhere"]
    named = identify(prepared, detect(prepared, store))
    plan = plan_transfer(prepared, named)
    assert set(plan.draws.usable) <= set(np.flatnonzero(prepared.counted))
    assert np.count_nonzero(~prepared.counted) > 0
    equal = replace(prepared, config=replace(FAST, sources="equal"))
    assert equal.counted.all()


def test_what_was_nearest_is_told(pooled, query, store):
    found = run(pooled, query, FAST, cache=store, workers=1)
    told = describe_nearest(found)
    assert told.startswith(f"{100 * found.nearest['here']:.0f} % of the query's cells")
    assert manifest(found)["nearest"] == {
        name: pytest.approx(share, abs=1e-3) for name, share in found.nearest.items()
    }
    equal = run(pooled, query, replace(FAST, sources="equal"), cache=store, workers=1)
    assert describe_nearest(equal).endswith("All cells of all sets are used.")


def test_a_single_reference_has_no_nearest_set(result):
    assert result.nearest is None
    assert "nearest" not in manifest(result)
