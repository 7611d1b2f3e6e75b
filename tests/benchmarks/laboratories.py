"""Measure how encoders transfer types between laboratories; encoders are chosen by this.

    python tests/benchmarks/laboratories.py --data DIR [cell] [NAME.onnx ...]
        [--pairs pbc:raabin,raabin:pbc] [--held-back] [--draws 3] [--per-class 120] [--cells 150]
        [--surroundings raabin]

Each encoder, a name or a file of `encoders train`, is the only voter. The reference has
``--per-class`` cells of each type of one laboratory, the query at most ``--cells`` of each type of
the other. Printed is the balanced accuracy of the k-NN unaligned, centred, and after transport with
every cluster confirmed by a perfect reader. An encoder trained on the query's laboratory is judged
by cells that were held out of its training: with --held-back, queries contain only such cells
(whole days, where the day is known) and references the others.

With --surroundings, a k-NN types held-out cells of that set from its other cells: as they are,
placed into the surroundings of a cell of another type, and from their surroundings alone, in which
an encoder that looks at the cell finds no information. For each type, it is also measured how often
cells of other types placed into its surroundings are typed as this type.

Pairs from pbc to jtsc, cellavision or bccd are for reports; no choice is based on them. The last
line is the mean over the pairs of the first encoder unaligned, centred and after clusters.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import Dataset, read_dataset
from celltransfer_core.encoders import add_encoder, encoder_names, file_hash, load_encoder
from celltransfer_core.encoders.training import groups_of, split_cells
from celltransfer_core.evaluation import Protocol, evaluate, score, true_labels
from celltransfer_core.framing import frame_sets
from celltransfer_core.pipeline import detect, identify, prepare
from celltransfer_core.runtime import Cache

WAYS = ("none", "centre", "fgw")
SPLIT_SEED = 0  # of `encoders train`
MIDDLE = 0.75  # of half an image's side: what counts as the cell


def named(encoder: str) -> str:
    """Add an encoder that is a file, under a name that says which; return its name."""
    file = Path(encoder)
    if file.suffix != ".onnx":
        return encoder
    name = f"{file.stem}-{file_hash(file)[:8]}"
    if name not in encoder_names():
        add_encoder(name, file)
    return name


def part_of(whole: Dataset, held_back: bool | None) -> np.ndarray:
    """Find the cells that training held back, or those that it saw; all for None."""
    if held_back is None:
        return np.arange(len(whole))
    return split_cells(whole.cell_labels, SPLIT_SEED, groups=groups_of(whole))[int(held_back)]


def drawn(whole: Dataset, among: np.ndarray, cells: int, seed: int) -> Dataset:
    """Draw at most so many cells of each type."""
    rng = np.random.default_rng(seed)
    labels = whole.cell_labels
    kept = [rng.permutation(among[labels[among] == name])[:cells] for name in np.unique(labels)]
    return whole.take_typed(np.sort(np.concatenate(kept)))


def measured(
    reference: Dataset, query: Dataset, encoder: str, seed: int, cache: Cache
) -> tuple[float, ...]:
    """Measure one encoder on one pair: balanced accuracy in each way."""
    config = replace(DEFAULT, encoders=((encoder,),), seed=seed)
    prepared = prepare(reference, query, config, cache=cache)
    clusters = detect(prepared, cache=cache)
    found = evaluate(
        prepared,
        identify(prepared, clusters),
        true_labels(query),
        Protocol(
            ot=WAYS,
            filtering=("reader",),
            methods=("knn",),
            identification_subsets=0,
            low_label=(),
        ),
    )
    by_way = {row.ot: row.balanced_accuracy for row in found.rows}
    return tuple(by_way[way] for way in WAYS)


def compare_pairs(options: argparse.Namespace, encoders: list[str], cache: Cache) -> None:
    """Print a row for each encoder and pair."""
    print(f"{'pair':<24}{'encoder':<22}{'as it is':>9}{'centred':>9}{'clusters':>9}")
    table: dict[str, list[np.ndarray]] = {name: [] for name in encoders}
    for pair in options.pairs.split(","):
        first, second = (read_dataset(options.data / s, labelled=True) for s in pair.split(":"))
        parts = (part_of(first, False), part_of(second, True)) if options.held_back else None
        figures: dict[str, list[tuple[float, ...]]] = {name: [] for name in encoders}
        for seed in range(options.draws):
            known, asked = parts or (part_of(first, None), part_of(second, None))
            reference = drawn(first, known, options.per_class, seed)
            query = drawn(second, asked, options.cells, seed)
            for name in encoders:
                figures[name].append(measured(reference, query, name, seed, cache))
        for name, rows in figures.items():
            table[name].append(np.mean(rows, axis=0))
            each = "".join(f"{value:9.1f}" for value in table[name][-1])
            print(f"{pair:<24}{name:<22}{each}", flush=True)
    for name, rows in table.items():
        each = "".join(f"{value:9.1f}" for value in np.mean(rows, axis=0))
        print(f"{'mean':<24}{name:<22}{each}")


def compare_surroundings(options: argparse.Namespace, encoders: list[str], cache: Cache) -> None:
    """Print what each encoder sees of cells in other surroundings, and of surroundings alone."""
    whole = read_dataset(options.data / options.surroundings, labelled=True)
    known = drawn(whole, part_of(whole, False), options.per_class, 0)
    asked = drawn(whole, part_of(whole, True), options.cells, 0)
    for name in encoders:
        encoder = load_encoder(name)
        size = encoder.spec.input_size
        views = {}
        for role, dataset in (("known", known), ("asked", asked)):
            framing = frame_sets({role: dataset}, mode="auto", colour="none", cache=cache)
            views[role] = framing.crops[role].resized(range(len(dataset)), size)
        types, labels = known.cell_labels, asked.cell_labels
        down, along = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        middle = (down**2 + along**2 < MIDDLE**2)[None, :, :, None]
        rng = np.random.default_rng(0)
        other = np.array([rng.choice(np.flatnonzero(labels != label)) for label in labels])
        images = views["asked"]
        light = np.quantile(images, 0.92, axis=(1, 2), keepdims=True).astype(np.uint8)
        shown = {
            "as they are": images,
            "elsewhere": np.where(middle, images, images[other]),
            "surroundings alone": np.where(middle, light, images),
        }
        knn = KNeighborsClassifier(7).fit(rows_of(encoder, views["known"]), types)
        guesses = {what: knn.predict(rows_of(encoder, view)) for what, view in shown.items()}
        told = ", ".join(
            f"{what} {score(labels, guess).balanced_accuracy:.1f}"
            for what, guess in guesses.items()
        )
        print(f"{options.surroundings}, {name}: {told}; chance {100 / len(set(types)):.0f}")
        for kind in np.unique(types):
            there, before = labels[other] == kind, guesses["as they are"] == kind
            took = 100 * np.mean((guesses["elsewhere"] == kind)[there])
            once = 100 * before[there].mean()
            print(f"  set beside {kind}: {took:.1f} % taken for it, {once:.1f} before")


def rows_of(encoder, images: np.ndarray) -> np.ndarray:
    """Embed images."""
    from celltransfer_core.encoders import encode

    return encode(encoder, [*images], np.full(len(images), np.nan, dtype=np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("encoders", nargs="*", default=["cell"], metavar="ENCODER")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the sets")
    parser.add_argument("--pairs", default="pbc:raabin,raabin:pbc", help="REFERENCE:QUERY")
    parser.add_argument("--held-back", action="store_true", help="cells that training never saw")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--per-class", type=int, default=120)
    parser.add_argument("--cells", type=int, default=150, help="of each type of a query, at most")
    parser.add_argument("--surroundings", metavar="SET", help="see what backgrounds tell of it")
    options = parser.parse_args()
    encoders, cache = [named(one) for one in options.encoders], Cache()
    if options.pairs:
        compare_pairs(options, encoders, cache)
    if options.surroundings:
        compare_surroundings(options, encoders, cache)


if __name__ == "__main__":
    main()
