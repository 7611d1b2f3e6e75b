"""Limits of counts of so many cells, checked by counting."""

import numpy as np
import pytest

from celltransfer_core.people import USUAL_COUNTS, are_compatible, count_limits


# Of Rümke's table: what a second count may find where the first one found so many percent.
@pytest.mark.parametrize(
    ("share", "cells", "limits"), [(0.5, 100, (40, 60)), (0.0, 200, (0, 0)), (0.01, 200, (0, 5))]
)
def test_limits_of_a_known_share(share, cells, limits):
    assert count_limits(share, share, cells) == limits


@pytest.mark.parametrize("cells", USUAL_COUNTS)
@pytest.mark.parametrize("share", [0.005, 0.03, 0.3, 0.7])
def test_counts_by_eye_lie_within_the_limits(share, cells, rng):
    least, most = count_limits(share, share, cells)
    counts = rng.binomial(cells, share, 4000)
    assert np.mean((least <= counts) & (counts <= most)) >= 0.94
    wider = count_limits(share / 2, share * 1.2, cells)
    assert wider[0] <= least
    assert most <= wider[1]


def test_counts_of_one_specimen_are_rarely_incompatible(rng):
    first, second = rng.binomial(100, 0.2, 300), rng.binomial(200, 0.2, 300)
    same = [are_compatible(a, 100, b, 200) for a, b in zip(first, second, strict=True)]
    assert np.mean(same) >= 0.93
    assert not are_compatible(5, 100, 18, 100)
