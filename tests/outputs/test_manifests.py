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
    assert f"cluster {cluster}: look again whether it is {slip}" in describe_run(updated)
