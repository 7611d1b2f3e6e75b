from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.config import DEFAULT
from celltransfer_core.pipeline import ensemble_vote, ensemble_weights, votes


def test_votes_of_many_cells_are_counted_by_blocks(result, monkeypatch):
    monkeypatch.setattr(votes, "_COUNTED", 7)
    counted = ensemble_vote(result.voters)
    for name, values in vars(result.vote).items():
        np.testing.assert_allclose(getattr(counted, name), values, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("vote_weights", ["confirmed", "equal", "prior"])
def test_weights_of_an_ensemble(vote_weights):
    config = replace(DEFAULT, vote_weights=vote_weights)
    weights = ensemble_weights(
        ["centre", "fgw", "centre", "fgw"], [0.5, 0.5, 1.0, 1.0], [0.2, 0.4, 0.2, 0.4], config, 0.5
    )
    expected = np.array(
        {"confirmed": [2, 1, 2, 1], "equal": [1, 1, 1, 1], "prior": [1, 2, 2, 4]}[vote_weights]
    )
    np.testing.assert_allclose(weights, expected / expected.sum())
