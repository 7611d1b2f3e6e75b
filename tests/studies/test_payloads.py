import numpy as np

from celltransfer_core.pipeline import Clusters, shorten_hashes
from celltransfer_core.studies import (
    edit_payload,
    match_payloads,
    name_payload,
    review_payloads,
    split_payloads,
)
from celltransfer_core.vocabulary import NONE_TYPE

CELLS = [f"{number}{'0' * 63}" for number in range(4)]

CLUSTERS = Clusters(
    method="louvain",
    labels=np.array([0, 1, 1, 0]),
    centrality=np.ones(4),
    density=np.ones(2),
    names=np.array([0, 5]),
    sigma=0.1,
)


def test_answers_to_clusters_hold_their_cells():
    answers = [(0, "a"), (1, "new"), (1, NONE_TYPE), (1, None)]
    first, second, *others = match_payloads(CLUSTERS, CELLS, answers, ["a"])
    assert first == {
        "cells": shorten_hashes([CELLS[0], CELLS[3]]),
        "type": "a",
        "cluster": 0,
        "together": 4,
    }
    assert (second["cluster"], second["cells"]) == (5, shorten_hashes(CELLS[1:3]))
    assert second["new"] is True
    assert not any("new" in one for one in others)


def test_names_and_edits_of_clusters():
    assert name_payload(CELLS, np.array([1, 2]), 5, " big ") == {
        "cluster": 5,
        "cells": shorten_hashes(CELLS[1:3]),
        "name": "big",
    }
    assert edit_payload("k", CELLS, np.array([3]), None, "split", 0) == {
        "key": "k",
        "cells": shorten_hashes([CELLS[3]]),
        "to": None,
        "what": "split",
        "cluster": 0,
    }


def test_a_split_is_one_stroke_of_which_the_first_part_stays():
    inside, parts = np.array([0, 1, 2, 3]), np.array([0, 2, 0, 1])
    first, second = split_payloads("k", CELLS, inside, parts, 5)
    assert [first["cells"], second["cells"]] == [
        shorten_hashes([CELLS[3]]),
        shorten_hashes([CELLS[1]]),
    ]
    for one in (first, second):
        assert (one["what"], one["to"], one["cluster"], one["together"]) == ("split", None, 5, 2)


def test_answers_to_cells_say_how_many_were_given_at_a_stroke():
    kept = review_payloads([("c0", "a", True), ("c1", "b", False)], "Ann", "now")
    assert [(one["cell"], one["answer"], one["blind"]) for one in kept] == [
        ("c0", "a", True),
        ("c1", "b", False),
    ]
    assert {(one["reader"], one["time"], one["together"]) for one in kept} == {("Ann", "now", 2)}
