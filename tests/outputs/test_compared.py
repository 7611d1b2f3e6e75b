"""Two runs side by side: which cells changed type, and what speaks for each change."""

from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.outputs import ReviewedRun, compare_runs
from celltransfer_core.people.updated import annotations_of
from celltransfer_core.pipeline.updates import update_vote


def side(run, *reviews, name="one"):
    return ReviewedRun(name, run, reviews)


def voted(run, cell, to, voters):
    """The same run, where a cell has another type because some voters chose it."""
    vote = run.vote
    choices, winner = vote.choices.copy(), vote.winner.copy()
    choices[voters, cell] = winner[cell] = to
    return replace(run, vote=replace(vote, choices=choices, winner=winner))


def other_type(run, cell):
    return (int(run.vote.winner[cell]) + 1) % len(run.types)


def test_a_run_beside_itself_differs_in_nothing(result):
    found = compare_runs(side(result), side(result))
    assert (found.changes, found.differences, found.flows) == ((), (), {})
    assert found.shared == result.query.n_cells
    assert len(found.table()) == 0
    assert "because" in found.table()


def test_a_change_names_its_voters(result):
    to = other_type(result, 3)
    changed = voted(result, 3, to, [0])
    found = compare_runs(side(result), side(changed))
    (one,) = found.changes
    assert (one.cell, one.first, one.second) == (result.query.cells[3], 3, 3)
    assert (one.before, one.after) == (result.predicted[3], result.types[to])
    assert one.voters == ("colour, centred",)
    assert one.because == "voters that changed: colour, centred"
    assert found.flows == {(one.before, one.after): 1}
    assert ("colour, centred", one.before, one.after) in found.evidence(one)
    row = found.table().iloc[0]
    assert (row["from"], row["to"], row["sha256"]) == (one.before, one.after, one.cell)
    assert row["file"] == result.query.first_file[3]


def test_where_no_voter_changed_their_weights_did(result):
    changed = voted(result, 3, other_type(result, 3), [])
    (one,) = compare_runs(side(result), side(changed)).changes
    assert one.because == "weights of the voters alone"


def test_an_answer_is_the_first_reason(result, answer):
    to = result.types[other_type(result, 5)]
    found = compare_runs(side(result), side(result, answer(5, to)))
    (one,) = found.changes
    assert one.reasons == (f"answer: no answer → {to}",)
    assert [(d.kind, d.first, d.second) for d in found.differences] == [("answers", "0", "1")]
    back = compare_runs(side(result, answer(5, to)), side(result))
    assert back.changes[0].answer == (to, "")


def test_answers_on_other_cells_are_a_voter(result, answer):
    to = result.types[other_type(result, 5)]
    reviews = [answer(cell, to) for cell in range(10)]
    annotated = update_vote(result, annotations_of(result.matches, result.query.cells, reviews))
    found = compare_runs(side(result), side(annotated, *reviews))
    spread = [one for one in found.changes if not one.answer]
    assert all("cells that people typed" in one.joined for one in spread if one.joined)
    assert not any(d.kind == "voters" for d in found.differences)  # answers are told as such


def test_matches_types_and_settings_are_told(result):
    first = result.matches[0]
    named = replace(first, matched_type="none", confirmed=True, by="Ann")
    config = replace(result.config, seed=5)
    other = replace(result, matches=(named, *result.matches[1:]), config=config)
    found = compare_runs(side(result), side(other))
    told = {one.what: (one.first, one.second) for one in found.differences}
    assert told["Clusters with a confirmed type"] == ("none", "none (1)")
    cells = int((result.clusters.labels == first.cluster).sum())
    assert told["Cells whose cluster has another type"] == ("", f"{cells}")
    assert told["Seed"] == (f"{result.config.seed}", "5")


def test_a_type_that_one_run_lacks_is_told(result):
    to = other_type(result, 3)
    changed = voted(result, 3, to, [0])
    without = replace(
        result, types=tuple(f"{t}?" if n == to else t for n, t in enumerate(result.types))
    )
    keep = np.flatnonzero(result.vote.winner != to)
    assert 3 in keep
    found = compare_runs(side(without), side(changed))
    one = next(change for change in found.changes if change.first == 3)
    assert one.lacking == result.types[to]
    assert f"only one of them uses {result.types[to]}" in one.reasons
    assert any(d.what == "Types included" for d in found.differences)


def test_cells_are_the_same_by_their_images(result):
    fewer = result.query.take(np.arange(5, 20))
    vote = result.vote
    part = replace(
        vote,
        winner=vote.winner[5:20],
        agreement=vote.agreement[5:20],
        confidence=vote.confidence[5:20],
        choices=vote.choices[:, 5:20],
        margin=vote.margin[5:20],
    )
    clusters = replace(result.clusters, labels=result.clusters.labels[5:20])
    other = voted(replace(result, query=fewer, vote=part, clusters=clusters), 0, 1, [0])
    found = compare_runs(side(result), side(other))
    assert found.shared == 15
    assert {(one.first, one.second) for one in found.changes} <= {(5, 0)}
    (cells,) = (one for one in found.differences if one.kind == "query")
    assert (cells.first, cells.second) == ("30, of which 15 only here", "15, of which 0 only here")


def test_runs_of_other_cells_are_not_compared(result):
    nothing = replace(result, query=result.query.take(np.array([], dtype=np.int64)))
    with pytest.raises(DataError, match="no query cell in common"):
        compare_runs(side(result), side(nothing, name="two"))
