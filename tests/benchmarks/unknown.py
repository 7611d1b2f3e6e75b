"""Measure how well cells of a type that the reference lacks are proposed as unknown.

    python tests/benchmarks/unknown.py --data DIR [--set pbc] [--domains 6] [--encoders A,B+C]
        [--slides 1] [--through 0]

Sets are altered as in taught.py. Each type in such a query in turn is removed from the reference; a
perfect reader confirms the clusters of the other types and answers "none of these" for those of the
removed one. For each: the area under the ROC curve of the distance to the confirmed types, the
number of cells beyond the threshold, the share of the removed type's cells that are beyond it
(recall), the share of the cells beyond it that are of this type (precision), and the precision of
the 20 farthest cells. The last line is the mean over the removed types.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from shifted import options_of
from sklearn.metrics import roc_auc_score
from taught import altered_query, first_cells, shuffled

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import read_dataset
from celltransfer_core.evaluation import majority_types, true_labels
from celltransfer_core.matching import Confirmation
from celltransfer_core.people import annotations_of
from celltransfer_core.pipeline import detect, identify, prepare, transfer, update_vote
from celltransfer_core.runtime import Cache
from celltransfer_core.vocabulary import NONE_TYPE

LEAST_CELLS = 6  # of a type left out, as for accuracy
FARTHEST = 20


def main() -> None:
    options = options_of(__doc__.splitlines()[0], domains=6).parse_args()
    # Distances do not depend on transport.
    config = replace(DEFAULT, encoders=options.encoders, alignment="none")

    whole = read_dataset(options.data / options.set, labelled=True)
    order = shuffled(whole)
    cache = Cache()
    titles = ("cells", "area", "beyond", "of the type", "right", f"right of {FARTHEST}")
    print("domain  left out      " + "".join(f"{title:>14}" for title in titles))
    rows = []
    for domain in range(options.domains):
        with altered_query(
            whole, order, domain, slides=options.slides, through=options.through
        ) as query:
            truth = true_labels(query)
            for name in order:
                there = truth == name
                if there.sum() < LEAST_CELLS:
                    continue
                rest = {one: cells for one, cells in order.items() if one != name}
                prepared = prepare(first_cells(whole, rest), query, config, cache=cache)
                named = identify(prepared, detect(prepared, cache))
                words = [
                    Confirmation(int(cluster), most if most in rest else NONE_TYPE, by="reader")
                    for cluster, most in zip(
                        named.clusters.names,
                        majority_types(named.clusters.labels, truth),
                        strict=True,
                    )
                ]
                run = transfer(prepared, named.confirm(words), cache=cache)
                taught = update_vote(run, annotations_of(run.matches, run.query.cells, [])).updated
                if not np.isfinite(taught.distance).all():
                    continue  # every cluster is of the type left out: nothing was named
                beyond, farthest = taught.unknown, np.argsort(-taught.distance)[:FARTHEST]
                right = there[beyond].mean() if beyond.any() else np.nan
                row = (
                    there.sum(),
                    roc_auc_score(there, taught.distance),
                    beyond.sum(),
                    100 * beyond[there].mean(),
                    100 * right,
                    100 * there[farthest].mean(),
                )
                rows.append(row)
                print(f"{domain:>6}  {name:<14}" + "".join(f"{v:>14.4g}" for v in row), flush=True)
    mean = np.nanmean(rows, axis=0)
    print(f"mean of {len(rows):<15}" + "".join(f"{value:>14.4g}" for value in mean))


if __name__ == "__main__":
    main()
