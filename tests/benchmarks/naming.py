"""Measure how well clusters are matched without any confirmation, where types are absent.

    python tests/benchmarks/naming.py --data DIR [--cases 36] [--first 0] [--set NAME ...]
        [--told expected] [--encoders A,B+C]

Cases are drawn from ``pbc`` and ``raabin``: either laboratory is the reference of the other, or of
its own cells altered by another stain, camera and microscope. The reference lacks up to two of its
types and the query up to four, in proportions from even to those of blood. With ``--set``, the
query is that unaltered set of DIR, and the reference all of ``pbc``: for reports, not for choices.

For each case: the share of the cells in clusters that are matched to their majority type ("none"
where the reference lacks that type), the types that are kept although the query has none of them,
those dropped although it has, and accuracy and balanced accuracy over the shared types. With
``--told expected``, the absent types are ruled out, as by a person.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from PIL import Image

from celltransfer_core.config import DEFAULT, Config
from celltransfer_core.data import Dataset, read_dataset
from celltransfer_core.encoders import parse_encoders
from celltransfer_core.evaluation import majority_types, score, shared_labels, true_labels
from celltransfer_core.pipeline import RunResult, run
from celltransfer_core.runtime import Cache
from celltransfer_core.vocabulary import NONE_TYPE

if __package__:
    from .shifted import alter, draw_style
else:
    from shifted import alter, draw_style

REFERENCE_CELLS = 120  # a type
QUERY_CELLS = 400
KINDS = (
    ("pbc", "raabin", 0),
    ("raabin", "pbc", 0),
    ("pbc", "pbc", 1),
    ("raabin", "raabin", 1),
)
"""Reference, query, and through how many microscopes it is altered besides the stain."""

BLOOD = {
    "neutrophil": 60.0,
    "lymphocyte": 28.0,
    "monocyte": 6.0,
    "eosinophil": 3.0,
    "basophil": 1.0,
    "ig": 1.0,
    "erythroblast": 0.5,
    "platelet": 20.0,
}
"""Rough proportions of these types in a smear."""

FEWEST = 6
"""Cells of a type below which it does not count as being there."""


@dataclass(frozen=True)
class Case:
    """A reference and a query of which it is known what they share."""

    name: str
    reference: Dataset
    query: Dataset
    truth: np.ndarray

    @property
    def absent(self) -> tuple[str, ...]:
        """Types of the reference that the query has (nearly) none of."""
        names, counts = np.unique(self.truth, return_counts=True)
        there = set(names[counts >= FEWEST])
        return tuple(sorted({*self.reference.labels} - there))


def some(whole: Dataset, cells: np.ndarray) -> Dataset:
    """Take some images of a set."""
    kept = np.sort(cells).tolist()
    return replace(
        whole,
        files=tuple(whole.files[i] for i in kept),
        sha256=tuple(whole.sha256[i] for i in kept),
        labels=tuple(whole.labels[i] for i in kept),
    )


def draw_shares(types: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw proportions somewhere between even and those of blood, some of them scattered."""
    blood = np.array([BLOOD[name] for name in types])
    blood /= blood.sum()
    even = np.full(len(types), 1 / len(types))
    shares = np.exp(np.log(even) + rng.uniform() * (np.log(blood) - np.log(even)))
    shares *= np.exp(rng.normal(0, 0.5, len(types)))
    return shares / shares.sum()


def altered(
    whole: Dataset, cells: np.ndarray, folder: Path, rng: np.random.Generator, style: dict
) -> Dataset:
    """Photograph cells as another laboratory would."""
    for cell in np.sort(cells).tolist():
        image = np.asarray(Image.open(whole.root / whole.files[cell]).convert("RGB"))
        into = folder / whole.labels[cell]
        into.mkdir(exist_ok=True)
        (into / f"{cell}.jpg").write_bytes(alter(image, style, rng))
    return read_dataset(folder)


def draw_case(sets: dict[str, Dataset], number: int, folder: Path, kinds: tuple = KINDS) -> Case:
    """Draw a case; the same for the same number."""
    reference, query, through = kinds[number % len(kinds)]
    rng = np.random.default_rng([30, number])
    labels = np.array(sets[reference].labels)
    names = rng.permutation(np.unique(labels))[rng.integers(3 if reference == "pbc" else 2) :]
    kept = []
    rest = np.ones(len(labels), dtype=bool)
    for name in names:
        cells = rng.permutation(np.flatnonzero(labels == name))[:REFERENCE_CELLS]
        rest[cells] = False
        kept.append(cells)
    known = some(sets[reference], np.concatenate(kept))
    labels = np.array(sets[query].labels)
    if query != reference:
        rest = np.ones(len(labels), dtype=bool)
    types = np.unique(labels)
    lacks = rng.integers(1, 5 if len(types) > 5 else 3)
    while True:
        there = np.sort(rng.permutation(types)[lacks:])
        if len({*there} & {*names}) > 1:
            break
    chosen = []
    for name, share in zip(there, draw_shares(there, rng), strict=True):
        cells = rng.permutation(np.flatnonzero(rest & (labels == name)))
        chosen.append(cells[: max(FEWEST, round(QUERY_CELLS * share))])
    cells = np.concatenate(chosen)
    name = f"{reference} to {query} {number}"
    if through:
        found = altered(sets[query], cells, folder, rng, draw_style(rng, through))
    else:
        found = some(sets[query], cells)
    return Case(name, known, found, true_labels(found))


def whole_case(data: Path, name: str, sets: dict[str, Dataset]) -> Case:
    """Take a set as it is, beside as many cells of each type of ``pbc``."""
    rng = np.random.default_rng(0)
    labels = np.array(sets["pbc"].labels)
    kept = [
        rng.permutation(np.flatnonzero(labels == one))[:REFERENCE_CELLS]
        for one in np.unique(labels)
    ]
    query = read_dataset(data / name)
    return Case(name, some(sets["pbc"], np.concatenate(kept)), query, true_labels(query))


def draw_cases(options: argparse.Namespace) -> Iterator[Case]:
    """Draw all cases that are asked for."""
    sets = {
        name: read_dataset(options.data / name, labelled=True)
        for name in (("pbc",) if options.set else ("pbc", "raabin"))
    }
    if options.set:
        for name in options.set:
            yield whole_case(options.data, name, sets)
        return
    for number in range(options.first, options.first + options.cases):
        with tempfile.TemporaryDirectory() as folder:
            yield draw_case(sets, number, Path(folder))


def measure(case: Case, found: RunResult) -> dict[str, float]:
    """Measure how a run named the clusters and the cells."""
    types = sorted({*case.reference.labels})
    most = majority_types(found.clusters.labels, case.truth)
    right = [name if name in types else NONE_TYPE for name in most]
    cells = np.bincount(found.clusters.labels)
    named = [match.matched_type for match in found.matches]
    absent = {*case.absent}
    outcome = score(shared_labels(case.truth, types), np.array(found.predicted))
    return {
        "rightly named": 100
        * cells[[a == b for a, b in zip(named, right, strict=True)]].sum()
        / cells.sum(),
        "absent kept": len(absent & {*found.types}),
        "wrongly dropped": len({*types} - absent - {*found.types}),
        "accuracy": outcome.accuracy,
        "balanced": outcome.balanced_accuracy,
    }


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=36)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--told", choices=["nothing", "expected"], default="nothing")
    parser.add_argument("--encoders", type=parse_encoders, default=DEFAULT.encoders)
    return parser.parse_args(arguments)


def configured(options: argparse.Namespace, case: Case) -> Config:
    """Configure the run of a case."""
    config = replace(DEFAULT, encoders=options.encoders)
    if options.told == "nothing":
        return config
    expected = sorted({*case.reference.labels} - {*case.absent})
    return replace(config, expect=tuple(expected), absent=case.absent)


def main() -> None:
    options = parse()
    cache = Cache()
    table = []
    for case in draw_cases(options):
        found = run(case.reference, case.query, configured(options, case), cache=cache)
        table.append(measure(case, found))
        figures = ", ".join(f"{name} {value:.1f}" for name, value in table[-1].items())
        print(f"{case.name}: {figures}", flush=True)
    means = ", ".join(f"{name} {np.mean([row[name] for row in table]):.1f}" for name in table[0])
    print(f"mean of {len(table)}: {means}")


if __name__ == "__main__":
    main()
