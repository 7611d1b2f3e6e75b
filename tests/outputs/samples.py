"""Runs whose voters say what a test wants."""

from dataclasses import replace

import numpy as np

from celltransfer_core.pipeline import DISCRIMINANT, recount


def of_three_encoders(result, says):
    """Let three encoders and the voter fitted to the query say a type in every cell."""
    fitted = next(one for one in result.voters if one.alignment == DISCRIMINANT)
    plain = result.voters[0]
    kinds = [replace(plain, encoders=(name,)) for name in ("colour", "shape", "texture")]
    voters = []
    for voter, type_number in zip([*kinds, fitted], says, strict=True):
        probabilities = np.full_like(voter.probabilities, 0.02)
        probabilities[:, type_number] = 0.98
        voters.append(replace(voter, probabilities=probabilities))
    return recount(replace(result, voters=tuple(voters)), result.config)
