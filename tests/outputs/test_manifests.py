from collections import Counter

import numpy as np

from celltransfer_core.cli import describe_run
from celltransfer_core.outputs import manifest
from celltransfer_core.people import Annotations
from celltransfer_core.pipeline import update_vote


def test_names_of_clusters_that_may_be_slips_are_told(result):
    names = [
        Counter(np.array(result.predicted)[result.clusters.labels == place].tolist())
        for place in range(len(result.clusters.names))
    ]
    right = [count.most_common(1)[0][0] for count in names]
    place = int(result.clusters.sizes.argmax())
    slip = next(name for name in result.types if name != right[place])
    named = tuple(enumerate([*right[:place], slip, *right[place + 1 :]]))
    updated = update_vote(result, Annotations(named))
    assert (
        manifest(update_vote(result, Annotations(tuple(enumerate(right)))))["taught"][
            "doubted_clusters"
        ]
        == []
    )
    cluster = int(result.clusters.names[place])
    assert cluster in manifest(updated)["taught"]["doubted_clusters"]
    assert f"cluster {cluster}: check whether it is {slip}" in describe_run(updated)


def test_a_table_of_very_many_types_is_shortened_on_the_screen(result, monkeypatch):
    counts = Counter(np.array(result.predicted).tolist())
    (most, cells), *rest = counts.most_common()
    monkeypatch.setattr("celltransfer_core.cli.sentences.MOST_TYPES", 1)
    said = describe_run(result)
    others = len(result.types) - 1
    assert f"and {others:,} more types with {sum(n for _, n in rest):,} cells" in said
    assert f"\n{most:<24} {cells:>6}" in said
