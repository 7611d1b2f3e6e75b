"""Voters in words (3.4): which votes decided a cell's type, and their weights."""

from __future__ import annotations

from celltransfer_core.config.settings import voter_name
from celltransfer_core.outputs.sentences import percent
from celltransfer_core.people.updated import DECIDERS
from celltransfer_core.pipeline.browse import CellVote, votes_of_cell
from celltransfer_core.pipeline.result import DISCRIMINANT, RunResult, Voter


def voter_label(voter: Voter) -> str:
    """Name a voter in words.

    Parameters
    ----------
    voter : Voter

    Returns
    -------
    str
        Such as ``colour+shape, with transport``.
    """
    if voter.alignment == DISCRIMINANT:
        return "fitted to the query"
    words = {"none": "", "centre": ", centred", "fgw": ", with transport"}
    return voter_name(voter.encoders) + words[voter.alignment]


def describe_votes(run: RunResult, cell: int) -> str:
    """Describe how many voters support a cell's predicted type, and their weight there.

    Parameters
    ----------
    run : RunResult
    cell : int

    Returns
    -------
    str
        Names the voters if fewer than half of them outweigh the others. Voters without weight in
        this cell are not counted.
    """
    votes = [one for one in votes_of_cell(run, cell) if one.share > 0]
    alike = [one for one in votes if one.type_name == run.predicted[cell]]
    if len(alike) == len(votes):
        return (
            f"All {len(votes)} voters predict this type (agreement {run.vote.agreement[cell]:.2f})."
        )
    weight = percent(float(run.vote.agreement[cell]))
    told = (
        f"{len(alike)} of {len(votes)} voters {'predicts' if len(alike) == 1 else 'predict'} this "
        f"type, with {weight} of the weight here (agreement {run.vote.agreement[cell]:.2f})"
    )
    if 2 * len(alike) >= len(votes):
        return f"{told}."
    told += f": {', '.join(map(_name, alike))}."
    if run.config.vote_weights == "prior" or not any(map(_is_fitted, alike)):
        return told
    return (
        f"{told} The voter fitted to the query counts as much as all voters without transport "
        "together."
    )


def _is_fitted(vote: CellVote) -> bool:
    return vote.voter is not None and vote.voter.alignment == DISCRIMINANT


def _name(vote: CellVote) -> str:
    return voter_label(vote.voter) if vote.voter else DECIDERS[vote.kind]
