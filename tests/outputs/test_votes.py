"""A cell's votes in words: how many voters are for its type, and what they weigh."""

import pytest

from celltransfer_core.outputs import describe_votes
from tests.outputs.samples import of_three_encoders

FITTED = " The voter fitted to the query counts as much as all voters without transport together."


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ((0, 0, 0, 0), "All 4 voters predict this type (agreement 1.00)."),
        (
            (1, 0, 0, 0),
            "3 of 4 voters predict this type, with 83 % of the weight here (agreement 0.83).",
        ),
        (
            (0, 1, 1, 0),
            "2 of 4 voters predict this type, with 67 % of the weight here (agreement 0.67).",
        ),
        (
            (1, 1, 1, 0),
            (
                "1 of 4 voters predicts this type, with 50 % of the weight here (agreement 0.50): "
                "fitted to the query."
            )
            + FITTED,
        ),
    ],
)
def test_a_voter_that_outweighs_the_others_is_named_with_its_weight(result, says, told):
    assert describe_votes(of_three_encoders(result, says), 0) == told


def test_a_voter_without_weight_is_not_counted(result):
    """Transport weighs nothing here, because nobody has confirmed a cluster."""
    assert result.aligned
    counted = sum(voter.weight > 0 for voter in result.voters)
    told = {describe_votes(result, cell) for cell in range(result.query.n_cells)}
    assert counted < len(result.voters)
    assert f"All {counted} voters predict this type (agreement 1.00)." in told
