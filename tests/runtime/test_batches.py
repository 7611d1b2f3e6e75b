import numpy as np
import pytest

from celltransfer_core.runtime.batches import evenly_spaced, in_batches


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7])
def test_batches_hold_every_item_once_and_in_order(count):
    items = np.arange(count)
    batches = in_batches(items, 3)
    assert [len(batch) for batch in batches] == [3] * (count // 3) + [count % 3] * (count % 3 > 0)
    assert [*np.concatenate([*batches, items[:0]])] == [*items]
    assert in_batches(items.tolist(), 3) == [batch.tolist() for batch in batches]


@pytest.mark.parametrize(("count", "most"), [(0, 5), (1, 5), (5, 5), (7, 5), (1000, 7)])
def test_positions_are_spread_from_the_first_to_the_last(count, most):
    positions = evenly_spaced(count, most)
    assert len(positions) == min(count, most)
    assert positions.dtype == np.int64
    assert [*positions[:1], *positions[-1:]] == [0, count - 1][: 2 * len(positions)]
    if len(positions) > 1:
        assert np.ptp(np.diff(positions)) <= 1
