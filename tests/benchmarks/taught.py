"""What a person's words are worth on altered sets: constants of the teaching are chosen here alone.

    python tests/benchmarks/taught.py --data DIR [--set pbc] [--domains 6] [--encoders A,B+C]
        [--errors 0.05] [--clusters mixture|louvain|node-degree] [--n-clusters 12]
        [--mapping affine|barycentric]

As in shifted.py, some cells of one labelled set are the reference, and others are drawn in unequal
proportions and altered as another stain, camera and scanner would. A reader confirms the clusters,
then answers the queue, by the margin, or at random. The last line is the balanced accuracy of cells
that nobody typed after 0, 20 and 50 answers of the queue, and the calibration error pooled; and how
many clusters the reader confirmed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from PIL import Image
from shifted import QUERY_TYPES, REFERENCE_CELLS, alter, draw_style, options_of

from celltransfer_core.cache import Cache
from celltransfer_core.datasets import Dataset, read_dataset
from celltransfer_core.evaluation import true_labels
from celltransfer_core.pipeline import DEFAULT, detect, identify, prepare
from celltransfer_core.reader import ORDERS, play_reader

QUERY_CELLS = (300, 100, 350)  # of one domain after the other
STEPS = (0, 20, 50)


def shuffled(whole: Dataset) -> dict[str, np.ndarray]:
    """Put the images of each type in a random order."""
    labels, rng = np.array(whole.labels), np.random.default_rng(0)
    return {
        str(name): rng.permutation(np.flatnonzero(labels == name)) for name in np.unique(labels)
    }


def first_cells(whole: Dataset, order: dict[str, np.ndarray]) -> Dataset:
    """Take the first images of each type named in ``order`` as the reference."""
    kept = sorted(cell for of in order.values() for cell in of[:REFERENCE_CELLS].tolist())
    return replace(
        whole,
        files=tuple(whole.files[i] for i in kept),
        sha256=tuple(whole.sha256[i] for i in kept),
        labels=tuple(whole.labels[i] for i in kept),
    )


@contextmanager
def altered_query(whole: Dataset, order: dict[str, np.ndarray], domain: int) -> Iterator[Dataset]:
    """Show images that are not in the reference as another laboratory would."""
    rng = np.random.default_rng([1, domain])
    style = draw_style(rng)
    shares = np.zeros(len(order))
    shares[rng.permutation(len(order))[:QUERY_TYPES]] = rng.dirichlet(np.full(QUERY_TYPES, 1.5))
    with tempfile.TemporaryDirectory() as folder:
        for name, share in zip(order, shares, strict=True):
            into = Path(folder, name)
            into.mkdir()
            size = round(QUERY_CELLS[domain % len(QUERY_CELLS)] * share)
            for cell in rng.permutation(order[name][REFERENCE_CELLS:])[:size].tolist():
                image = np.asarray(Image.open(whole.root / whole.files[cell]).convert("RGB"))
                (into / f"{cell}.jpg").write_bytes(alter(image, style, rng))
        yield read_dataset(Path(folder))


def main() -> None:
    parser = options_of(__doc__.splitlines()[0], domains=6)
    parser.add_argument("--errors", type=float, default=0.0)
    parser.add_argument("--clusters", default=DEFAULT.clusters)
    parser.add_argument("--n-clusters", type=int, default=None)
    parser.add_argument("--mapping", default=DEFAULT.mapping)
    options = parser.parse_args()
    config = replace(
        DEFAULT,
        encoders=options.encoders,
        clusters=options.clusters,
        n_clusters=options.n_clusters or DEFAULT.n_clusters,
        mapping=options.mapping,
    )

    whole = read_dataset(options.data / options.set, labelled=True)
    order = shuffled(whole)
    reference = first_cells(whole, order)
    table: dict[tuple[str, int], list[float]] = {}
    gaps, cells = np.zeros(10), np.zeros(10)
    clusters: list[int] = []
    for domain in range(options.domains):
        with altered_query(whole, order, domain) as query:
            truth = true_labels(query)
            prepared = prepare(reference, query, config, cache=Cache())
            named = identify(prepared, detect(prepared))
            clusters.append(len(named.matches))
            reading = play_reader(prepared, named, truth, errors=options.errors, cache=Cache())
        for point in reading.points:
            key = point.order, point.answers
            table.setdefault(key, []).append(point.balanced_accuracy_untyped)
        found = reading.calibration
        gaps += np.nan_to_num(found.confidence - found.accuracy) * found.cells
        cells += found.cells
        print(f"domain {domain}: done", file=sys.stderr, flush=True)
    print(f"balanced accuracy of untyped cells in percent, mean of {options.domains} domains")
    for name in ORDERS:
        means = {step: np.nanmean(table[name, step]) for step in STEPS}
        print(f"{name:<8}" + "".join(f"  {step:>3} typed: {v:5.1f}" for step, v in means.items()))
    error = np.abs(gaps).sum() / cells.sum()
    headline = " / ".join(f"{np.nanmean(table['queue', step]):.1f}" for step in STEPS)
    print(
        f"{np.mean(clusters):.1f} clusters, queue after 0 / 20 / 50: {headline}; "
        f"calibration error {error:.1f} %"
    )


if __name__ == "__main__":
    main()
