"""Transport in a study: computed where it counts, after a first vote without it."""

import numpy as np
import pytest

from celltransfer_core.pipeline import shorten_hashes
from celltransfer_core.studies import (
    arrived,
    bring_up_to,
    load_current,
    load_named,
    load_run,
    stage_keys,
    states,
    work,
)
from celltransfer_core.types import silent


def confirm(space, study, cluster=0, name="lymphocyte"):
    named, _ = load_named(space, study)
    cells = space.pooled(study, "query").cells
    inside = [cells[cell] for cell in np.flatnonzero(named.clusters.labels == cluster)]
    decision = {"cells": shorten_hashes(inside), "type": name, "cluster": cluster}
    space.decide(study, "match", decision, "Ann")


def watched(space, study):
    """Type the cells; return what was shown when the first transport began."""
    shown = []

    def progress(phase, done, total):
        if phase.startswith("aligning") and not shown:
            shown.append(load_current(space, study))

    bring_up_to(space, study, "classify", progress)
    return shown[0] if shown else None


def results(space, study):
    return sorted(p.name for p in space.result_path(study, "classify", "").parent.glob("classify*"))


def test_without_a_confirmed_cluster_alignment_decides_nothing(space, finished, monkeypatch):
    current = load_current(space, finished)
    assert (current.fresh, current.first, current.lacks_transport) == (True, False, False)
    assert not current.run.aligned
    monkeypatch.setattr(work, "transfer", None)  # nothing may ask for it
    space.change_options(finished, alpha=0.2, mapping="barycentric")
    bring_up_to(space, finished, "classify", silent)
    assert set(states(space, finished).values()) == {"done"}
    now = load_current(space, finished)
    # What is shown is of the settings of now.
    assert (now.run.config.alpha, now.run.config.mapping) == (0.2, "barycentric")
    assert load_run(space, finished).config == now.run.config
    np.testing.assert_array_equal(now.run.vote.agreement, current.run.vote.agreement)


def test_a_first_vote_comes_before_transport(space, drawn_study):
    bring_up_to(space, drawn_study, "matches", silent)
    confirm(space, drawn_study)
    assert load_current(space, drawn_study) is None
    assert "unaligned" not in arrived(space, drawn_study)
    first = watched(space, drawn_study)
    assert (first.fresh, first.first, first.lacks_transport) == (False, True, True)
    assert not first.run.aligned
    assert first.run.updated  # the answer counts in it
    assert "unaligned" in arrived(space, drawn_study)
    keys = stage_keys(space, drawn_study)
    names = {f"classify-{keys[what]}.joblib" for what in ("unaligned", "classify")}
    assert {*results(space, drawn_study)} == names
    current = load_current(space, drawn_study)
    assert (current.fresh, current.first, current.lacks_transport) == (True, False, False)
    assert current.run.aligned
    assert current.source != first.source
    # By other weights these count as well: nothing is computed.
    space.change_options(drawn_study, vote_weights="prior")
    assert set(states(space, drawn_study).values()) == {"done"}


def test_a_confirmed_cluster_counts_at_once_and_transport_follows(space, finished):
    confirm(space, finished)
    current = load_current(space, finished)
    assert states(space, finished)["classify"] == "stale"
    assert (current.fresh, current.first, current.lacks_transport) == (False, False, True)
    assert current.run.updated
    first = watched(space, finished)
    assert first.first
    aligned = load_current(space, finished)
    assert aligned.fresh
    assert aligned.run.aligned
    # From now on the vote with transport is shown, also while the next one is computed.
    confirm(space, finished, 1, "neutrophil")
    current = load_current(space, finished)
    assert (current.fresh, current.lacks_transport, current.run.aligned) == (False, False, True)
    shown = watched(space, finished)
    assert shown.source == current.source
    assert not shown.first
    assert load_current(space, finished).fresh


def test_a_job_that_is_cancelled_leaves_the_first_vote(space, finished):
    confirm(space, finished)

    def cancelled(phase, done, total):
        if phase.startswith("aligning"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring_up_to(space, finished, "classify", cancelled)
    current = load_current(space, finished)
    assert (current.fresh, current.first) == (False, True)
    assert states(space, finished)["classify"] == "stale"
    kept = results(space, finished)
    watched(space, finished)
    assert len(results(space, finished)) == len(kept) + 1
    assert load_current(space, finished).fresh
    space.undo(finished, "match", "Ann")
    current = load_current(space, finished)  # that of before
    assert (current.fresh, current.run.aligned) == (True, False)


def test_transport_can_be_asked_for_all_the_same(space, finished):
    before, kept = load_current(space, finished), results(space, finished)
    space.change_options(finished, transport="always")
    current = load_current(space, finished)
    assert (current.fresh, current.first, current.lacks_transport) == (False, True, True)
    assert current.source == before.source
    assert watched(space, finished).source == before.source  # it is not written again
    assert len(results(space, finished)) == len(kept) + 1
    found = load_current(space, finished).run
    assert [voter.weight for voter in found.voters] == [0.5, 0, 0.5]  # the last is fitted
    np.testing.assert_array_equal(found.vote.agreement, before.run.vote.agreement)
    space.change_options(finished, transport=None)
    assert load_current(space, finished).source == before.source


def test_other_weights_want_the_voters_that_are_missing(space, finished):
    space.change_options(finished, vote_weights="equal")
    current = load_current(space, finished)
    assert states(space, finished)["classify"] == "stale"
    assert (current.fresh, current.first, current.lacks_transport) == (False, True, True)
    bring_up_to(space, finished, "classify", silent)
    found = load_run(space, finished)
    assert [voter.weight for voter in found.voters] == pytest.approx([1 / 3] * 3)


def test_an_answer_that_was_taken_back_counts_no_longer(space, finished):
    confirm(space, finished)
    confirm(space, finished, name=None)
    assert watched(space, finished) is None
    current = load_current(space, finished)
    assert (current.fresh, current.run.aligned, current.run.updated) == (True, False, None)
