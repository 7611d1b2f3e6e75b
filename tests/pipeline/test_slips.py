from types import SimpleNamespace

import numpy as np
import pytest

from celltransfer_core.matching import Match
from celltransfer_core.pipeline import cluster_state, possible_slips


def a_match(name, *, confirmed=True):
    return Match(
        cluster=0,
        cells=3,
        matched_type=name,
        score=0.5,
        runner_up="",
        runner_up_score=0.0,
        tsne_type="",
        reason="",
        confirmed=confirmed,
        by="Ann" if confirmed else "",
    )


def a_run(winner, slips):
    updated = SimpleNamespace(
        doubted_clusters=slips,
        types=("a", "b", "c"),
        ensemble=SimpleNamespace(winner=np.array(winner)),
    )
    clusters = SimpleNamespace(labels=np.array([0, 0, 0, 1, 1, 1]))
    return SimpleNamespace(updated=updated, clusters=clusters, matches=(a_match("a"), a_match("b")))


def test_a_slip_comes_with_what_the_encoders_take_its_cells_for():
    assert possible_slips(a_run([0, 2, 2, 1, 1, 1], (0,))) == {0: "c"}
    assert possible_slips(a_run([0, 2, 1, 1, 1, 1], (0,))) == {0: "b"}  # the first by name
    assert possible_slips(a_run([0, 0, 0, 1, 1, 1], (0,))) == {}
    assert possible_slips(a_run([0, 2, 2, 1, 1, 1], ())) == {}
    assert possible_slips(SimpleNamespace(updated=None)) == {}


@pytest.mark.parametrize(
    ("match", "share", "slip", "state"),
    [
        (a_match("a", confirmed=False), 1.0, False, "proposed"),
        (a_match("none"), 1.0, False, "none"),
        (a_match("a"), 1.0, True, "look again"),
        (a_match("a"), 0.7, False, "carried over"),
        (a_match("a"), 1.0, False, "confirmed"),
    ],
)
def test_how_a_cluster_stands(match, share, slip, state):
    assert cluster_state(match, share=share, slip=slip) == state
