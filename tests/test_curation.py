import numpy as np

from celltransfer_core.curation import Word, edit_clusters, short, standing_words
from celltransfer_core.pipeline import Clusters

# Hashes that differ in their first digits, as real ones do.
CELLS = [f"{number}{'0' * 63}"[:64] for number in range(10)]


def clusters(labels, names=None):
    labels = np.array(labels)
    count = labels.max() + 1
    return Clusters(
        method="louvain",
        labels=labels,
        centrality=np.ones(len(labels)),
        density=np.linspace(0.5, 1, count),
        names=np.arange(count) if names is None else np.array(names),
        sigma=0.1,
    )


def some(*numbers):
    return short([CELLS[number] for number in numbers])


def test_splitting_merging_and_moving():
    found = clusters([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert edit_clusters(found, CELLS, []) is found
    split = edit_clusters(found, CELLS, [{"cells": some(2, 3), "to": None}])
    assert split.labels.tolist() == [0, 0, 3, 3, 1, 1, 1, 2, 2, 2]
    assert split.names.tolist() == [0, 1, 2, 3]
    assert np.isnan(split.density).tolist() == [True, False, False, True]
    merged = edit_clusters(found, CELLS, [{"cells": some(4, 5, 6), "to": 0}])
    assert merged.names.tolist() == [0, 2]  # the third keeps its number
    assert merged.labels.tolist() == [0] * 7 + [1] * 3
    assert merged.density[1] == found.density[2]
    edits = [{"cells": some(9), "to": None}, {"cells": some(0), "to": 3}]
    moved = edit_clusters(found, CELLS, edits)
    assert moved.names[moved.labels].tolist() == [3, 0, 0, 0, 1, 1, 1, 2, 2, 3]


def test_cells_that_are_gone_are_passed_over():
    found = clusters([0, 0, 1])
    edited = edit_clusters(found, CELLS[:3], [{"cells": ["f" * 16, *some(0)], "to": 1}])
    assert edited.labels.tolist() == [1, 0, 1]


def words(*said):
    return [
        Word({"cells": some(*cells), "type": name}, who, f"t{number}")
        for number, (cells, name, who) in enumerate(said)
    ]


def test_a_word_stands_for_its_cluster():
    found = clusters([0] * 5 + [1] * 5)
    said = words((range(5), "a", "Ann"), (range(5, 10), "b", "Bob"))
    standing = standing_words(found, CELLS, said, ["a", "b"])
    assert [s.confirmation.type_name for s in standing] == ["a", "b"]
    assert [s.confirmation.by for s in standing] == ["Ann", "Bob"]
    assert [s.share for s in standing] == [1.0, 1.0]


def test_the_last_word_counts_and_can_be_taken_back():
    found = clusters([0] * 5)
    cells = CELLS[:5]
    said = words((range(5), "a", "Ann"), (range(5), "b", "Bob"))
    (only,) = standing_words(found, cells, said, ["a", "b"])
    assert (only.confirmation.type_name, only.confirmation.by, only.at) == ("b", "Bob", "t1")
    back = words((range(5), "a", "Ann"), (range(5), None, "Ann"))
    assert standing_words(found, cells, back, ["a", "b"]) == ()


def test_words_are_carried_over_by_overlap():
    before = words((range(6), "a", "Ann"), (range(6, 10), "none", "Ann"))
    after = clusters([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], names=[4, 5, 9])
    standing = standing_words(after, CELLS, before, ["a", "b"])
    # The middle cluster is half of one and half of the other: nothing is carried over.
    assert [(s.confirmation.cluster, s.confirmation.type_name) for s in standing] == [
        (4, "a"),
        (9, "none"),
    ]
    shared = clusters([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    assert standing_words(shared, CELLS, before, ["a"])[0].share == 0.75


def test_words_for_types_that_are_gone_do_not_count():
    found = clusters([0] * 10)
    assert standing_words(found, CELLS, words((range(10), "a", "Ann")), ["b", "c"]) == ()
