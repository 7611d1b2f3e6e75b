"""A cell's votes in words: how many voters are for its type, and what they weigh."""

from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.outputs import describe_votes
from celltransfer_core.pipeline import DISCRIMINANT, recount

FITTED = " The voter fitted to the query counts as all voters without transport together."


def voted(result, says):
    """Let three encoders and the voter fitted to the query say a type in the first cell."""
    fitted = next(one for one in result.voters if one.alignment == DISCRIMINANT)
    plain = result.voters[0]
    kinds = [replace(plain, encoders=(name,)) for name in ("colour", "shape", "texture")]
    voters = []
    for voter, type_number in zip([*kinds, fitted], says, strict=True):
        probabilities = np.full_like(voter.probabilities, 0.02)
        probabilities[:, type_number] = 0.98
        voters.append(replace(voter, probabilities=probabilities))
    return recount(replace(result, voters=tuple(voters)), result.config)


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ((0, 0, 0, 0), "All 4 voters say so (agreement 1.00)."),
        ((1, 0, 0, 0), "3 of 4 voters say so, with 83 % of the weight here (agreement 0.83)."),
        (
            (0, 1, 1, 0),
            "2 of 4 voters say so, with 67 % of the weight here (agreement 0.67).",
        ),
        (
            (1, 1, 1, 0),
            "1 of 4 voters says so, with 50 % of the weight here (agreement 0.50): fitted to the "
            "query." + FITTED,
        ),
    ],
)
def test_a_voter_that_outweighs_the_others_is_named_with_its_weight(result, says, told):
    assert describe_votes(voted(result, says), 0) == told


def test_a_voter_without_weight_is_not_counted(result):
    """Transport weighs nothing here, because nobody has confirmed a cluster."""
    assert result.aligned
    counted = sum(voter.weight > 0 for voter in result.voters)
    told = {describe_votes(result, cell) for cell in range(result.query.n_cells)}
    assert counted < len(result.voters)
    assert f"All {counted} voters say so (agreement 1.00)." in told
