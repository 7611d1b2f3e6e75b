"""Measure the value of a person's answers on altered sets; its constants are chosen only here.

    python tests/benchmarks/taught.py --data DIR [--set pbc] [--domains 6] [--encoders A,B+C]
        [--errors 0.05] [--clusters mixture|louvain|node-degree] [--n-clusters 12]
        [--mapping affine|barycentric] [--proportions uneven|blood] [--slides 1] [--through 0]
        [--no-keep] [--colour balanced|lab|none] [--class-weight balanced|none] [--held-back]

As in shifted.py, some cells of one labelled set are the reference, and others are drawn in unequal
proportions, or in those of blood where some types are rare, and altered as by another stain, camera
and scanner; each of several slides has a different light. With --through, they are also seen
through this number of simulated microscopes that `encoders train` holds out (much harder), and with
--held-back, they are cells that `encoders train` does not train on with its default seed. A reader
confirms the clusters, keeps types that match no cluster (unless --no-keep is given), then answers
the queue, by the margin, or at random. The last line is the balanced accuracy of unanswered cells
after 0, 20 and 50 answers of the queue, the pooled calibration error, and the number of clusters
that the reader confirmed.
"""

from __future__ import annotations

import argparse
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
from shifted import (
    QUERY_TYPES,
    REFERENCE_CELLS,
    alter,
    draw_slides,
    draw_style,
    of_any,
    options_of,
)

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import Dataset, read_dataset
from celltransfer_core.encoders.training import split_cells
from celltransfer_core.evaluation import ASKING_ORDERS, simulate_reader, true_labels
from celltransfer_core.pipeline import detect, identify, prepare
from celltransfer_core.runtime import Cache

QUERY_CELLS = (300, 100, 350)  # of one domain after the other
BLOOD = {  # cells; half to one and a half times as many are drawn, and of some types none
    "neutrophil": 480,
    "lymphocyte": 180,
    "monocyte": 60,
    "eosinophil": 25,
    "ig": 15,
    "erythroblast": 10,
    "basophil": 8,
}
STEPS = (0, 20, 50)


def shuffled(whole: Dataset, *, held_back: bool = False) -> dict[str, np.ndarray]:
    """Put the images of each type in a random order, those for the reference first."""
    labels, rng = np.array(whole.labels), np.random.default_rng(0)
    order = {
        str(name): rng.permutation(np.flatnonzero(labels == name)) for name in np.unique(labels)
    }
    if not held_back:
        return order
    first = {file: cell for cell, file in enumerate(whole.files)}
    training, rest = (
        np.array([first[whole.first_file[cell]] for cell in cells])
        for cells in split_cells(whole.cell_labels, 0)
    )
    return {
        name: np.concatenate(
            [images[np.isin(images, training)][:REFERENCE_CELLS], images[np.isin(images, rest)]]
        )
        for name, images in order.items()
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
def altered_query(
    whole: Dataset,
    order: dict[str, np.ndarray],
    domain: int,
    proportions: str = "uneven",
    slides: int = 1,
    through: int = 0,
) -> Iterator[Dataset]:
    """Show images that are not in the reference as another laboratory would."""
    rng = np.random.default_rng([1, domain])
    styles = draw_slides(draw_style(rng, through), slides, rng)
    if proportions == "blood":
        there = {name: rng.random() < 0.8 or name == "neutrophil" for name in BLOOD}
        sizes = {name: round(n * rng.uniform(0.5, 1.5) * there[name]) for name, n in BLOOD.items()}
    else:
        shares = np.zeros(len(order))
        shares[rng.permutation(len(order))[:QUERY_TYPES]] = rng.dirichlet(np.full(QUERY_TYPES, 1.5))
        cells = QUERY_CELLS[domain % len(QUERY_CELLS)]
        sizes = {name: round(cells * share) for name, share in zip(order, shares, strict=True)}
    with tempfile.TemporaryDirectory() as folder:
        for name in order:
            into = Path(folder, name)
            into.mkdir()
            size = sizes.get(name, 0)
            for cell in rng.permutation(order[name][REFERENCE_CELLS:])[:size].tolist():
                image = np.asarray(Image.open(whole.root / whole.files[cell]).convert("RGB"))
                (into / f"{cell}.jpg").write_bytes(alter(image, of_any(styles, rng), rng))
        yield read_dataset(Path(folder))


def main() -> None:
    parser = options_of(__doc__.splitlines()[0], domains=6)
    parser.add_argument("--errors", type=float, default=0.0)
    parser.add_argument("--clusters", default=DEFAULT.clusters)
    parser.add_argument("--n-clusters", type=int, default=None)
    parser.add_argument("--mapping", default=DEFAULT.mapping)
    parser.add_argument("--proportions", choices=("uneven", "blood"), default="uneven")
    parser.add_argument("--colour", choices=("balanced", "lab", "none"), default=DEFAULT.colour)
    parser.add_argument(
        "--class-weight", choices=("balanced", "none"), default=DEFAULT.class_weight
    )
    parser.add_argument("--held-back", action="store_true")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    config = replace(
        DEFAULT,
        encoders=options.encoders,
        clusters=options.clusters,
        n_clusters=options.n_clusters or DEFAULT.n_clusters,
        mapping=options.mapping,
        colour=options.colour,
        class_weight=options.class_weight,
    )

    whole = read_dataset(options.data / options.set, labelled=True)
    order = shuffled(whole, held_back=options.held_back)
    reference = first_cells(whole, order)
    table: dict[tuple[str, int], list[float]] = {}
    gaps, cells = np.zeros(10), np.zeros(10)
    clusters: list[int] = []
    for domain in range(options.domains):
        with altered_query(
            whole, order, domain, options.proportions, options.slides, options.through
        ) as query:
            truth = true_labels(query)
            prepared = prepare(reference, query, config, cache=Cache())
            named = identify(prepared, detect(prepared))
            clusters.append(len(named.matches))
            if not options.keep:  # a reader who is shown no cell keeps no type
                named = replace(named, alike=named.alike[:, :0])
            reading = simulate_reader(prepared, named, truth, errors=options.errors, cache=Cache())
        for point in reading.points:
            key = point.order, point.answers
            table.setdefault(key, []).append(point.balanced_accuracy_untyped)
        found = reading.calibration
        gaps += np.nan_to_num(found.confidence - found.accuracy) * found.cells
        cells += found.cells
        print(f"domain {domain}: done", file=sys.stderr, flush=True)
    print(f"balanced accuracy of untyped cells in percent, mean of {options.domains} domains")
    for name in ASKING_ORDERS:
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
