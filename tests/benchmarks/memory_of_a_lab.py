"""Measure how a study helps with later slides: three batches of one domain, one after the other.

    python tests/benchmarks/memory_of_a_lab.py --data DIR [--domains raabin,jtsc,altered]
        [--cells 300] [--per-class 120] [--answers 50] [--few 10] [--least 0,0.6,0.8]

In a study of the first batch, with cells of pbc as the reference, a perfect reader confirms the
clusters and then answers ``--answers`` cells of the review queue. The second and the third batch
are typed without confirmation: by the study's classifier, as `run --continue` does; by one that
learned the true types of all cells of the first batch, which shows how much the batches differ;
with the study and pbc together as the reference; with the study as the only reference; and with pbc
alone. They are also typed with a few answers (``--few`` cells of the queue, no cluster confirmed):
within the study, as on the Review page; and as a separate study with the first as its reference, as
offered on the Data page. Batches of raabin are whole days (its basophils, which were imaged
separately, are divided in the same way); those of jtsc are random thirds; altered batches are cells
of pbc that `encoders train` holds out by default, seen as by another laboratory (taught.py). No
choice is based on jtsc, which is for reports.

Each line has balanced accuracy / accuracy in percent; for the first batch over the final types, and
over cells that were not answered. The last line is the first batch and the mean of the others by
the classifier, by the study with pbc, and with a few answers in both ways, over all domains.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from PIL import Image
from shifted import REFERENCE_CELLS, alter, draw_style
from taught import BLOOD, first_cells, shuffled

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import Dataset, draw_per_class, pool, read_dataset
from celltransfer_core.evaluation import SimulatedReader, score
from celltransfer_core.outputs import StudyTables, find_reference_cells
from celltransfer_core.people import Review, annotations_of, final_types, review_queue
from celltransfer_core.pipeline import (
    CellClassifier,
    RunResult,
    TypedBatch,
    detect,
    identify,
    prepare,
    run,
    transfer,
    update_vote,
    vote_updater,
)
from celltransfer_core.runtime import Cache

BATCHES = 3
DAY = re.compile(r"\d{8}|\d\d-\d+-\d+")
FIRST_CAMERA = "2019"  # begins the days of the cells that were taken apart


def days_of(whole: Dataset, cells: int) -> list[Dataset]:
    """Deal whole days to batches, the largest first, and draw so many cells of each batch."""
    days = np.array([DAY.match(Path(file).name)[0] for file in whole.first_file])
    batch = np.zeros(len(days), dtype=int)
    for apart in (True, False):
        some = [day for day in np.unique(days) if day.startswith(FIRST_CAMERA) == apart]
        some.sort(key=lambda day: (-np.sum(days == day), day))
        for place, day in enumerate(some):
            batch[days == day] = (0, 1, 2, 2, 1, 0)[place % 6]
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(np.flatnonzero(batch == n))[:cells] for n in range(BATCHES)]
    return [whole.take_typed(np.sort(some)) for some in drawn]


def thirds_of(whole: Dataset, cells: int) -> list[Dataset]:
    """Deal cells to batches at random."""
    order = np.random.default_rng(0).permutation(whole.n_cells)[: BATCHES * cells]
    return [whole.take_typed(np.sort(some)) for some in np.array_split(order, BATCHES)]


@contextmanager
def altered(whole: Dataset, cells: int) -> Iterator[tuple[Dataset, list[Dataset]]]:
    """Show cells that are not in the reference as another laboratory would, in three batches."""
    order = shuffled(whole, held_back=True)
    rng = np.random.default_rng([1, 0])
    style = draw_style(rng)
    with tempfile.TemporaryDirectory() as folder:
        for name, share in BLOOD.items():
            into = Path(folder, name)
            into.mkdir()
            size = round(share * BATCHES * cells / sum(BLOOD.values()))
            for image in rng.permutation(order[name][REFERENCE_CELLS:])[:size].tolist():
                seen = np.asarray(Image.open(whole.root / whole.files[image]).convert("RGB"))
                (into / f"{image}.jpg").write_bytes(alter(seen, style, rng))
        yield first_cells(whole, order), thirds_of(read_dataset(folder, labelled=True), cells)


@contextmanager
def batches_of(domain: str, options: argparse.Namespace) -> Iterator[tuple[Dataset, list[Dataset]]]:
    """Give a domain's reference and its batches."""
    pbc = read_dataset(options.data / "pbc", labelled=True)
    if domain == "altered":
        with altered(pbc, options.cells) as found:
            yield found
        return
    whole = read_dataset(options.data / domain, labelled=True)
    dealt = (days_of if domain == "raabin" else thirds_of)(whole, options.cells)
    yield draw_per_class(pbc, options.per_class, 0), dealt


def taught(
    reference: Dataset, batch: Dataset, answers: int, cache: Cache, *, clusters: bool = True
) -> tuple[RunResult, list[Review]]:
    """Teach a study of one batch: its clusters, if they are confirmed, then cells of the queue."""
    query = replace(batch, labels=None)
    truth = batch.cell_labels
    prepared = prepare(reference, query, DEFAULT, cache=cache)
    named = identify(prepared, detect(prepared, cache))
    reader = SimulatedReader(truth, 0.0, np.random.default_rng(0))
    if clusters:
        named = named.confirm(reader.on_clusters(named, prepared.types))
        keep = reader.on_types(named, prepared.types)
        prepared = replace(prepared, config=replace(prepared.config, keep=keep))
    found = transfer(prepared, named, cache=cache)
    updater, cells = vote_updater(found), query.cells
    reviews: list[Review] = []

    def updated() -> RunResult:
        return update_vote(found, annotations_of(found.matches, cells, reviews), updater)

    for step in range(min(answers, len(cells))):
        queue = review_queue(cells, updated().vote, found.clusters.labels, reviews)
        cell, chance = int(queue.cells[0]), float(queue.chances[0])
        drawn = None if np.isnan(chance) else chance
        said = str(truth[cell])
        given = Review(cells[cell], said, "reader", time_of(step), bool(queue.blind[0]), drawn)
        reviews.append(given)
    return updated(), reviews


def time_of(step: int) -> str:
    """Give each answer a time of its own."""
    return f"2000-01-01T00:{step // 60:02}:{step % 60:02}+00:00"


def answered(batch: TypedBatch, truth: np.ndarray, answers: int) -> TypedBatch:
    """Answer so many cells of a batch's queue, one after the other."""
    for step in range(min(answers, len(truth))):
        cell = int(batch.queue[0])
        said = Review(batch.query.cells[cell], str(truth[cell]), "reader", time_of(step), False)
        batch = batch.teach([*batch.reviews, said])
    return batch


def as_reference(found: RunResult, reviews: list[Review], batch: Dataset, least: float) -> Dataset:
    """Take the study's cells with their final types, as export --as-reference does."""
    rows = StudyTables(found, reviews).identified().to_dict("records")
    confirmed = {one.cluster for one in found.matches if one.confirmed}
    chosen = find_reference_cells(rows, confirmed, least_confidence=least)
    cells = np.searchsorted(batch.cells, [one.sha256 for one in chosen.cells])
    return replace(batch.take(cells), labels=tuple(one.label for one in chosen.cells))


def figures(truth: np.ndarray, named: np.ndarray) -> tuple[float, float]:
    """Score names: balanced accuracy and accuracy in percent."""
    found = score(truth, named)
    return found.balanced_accuracy, found.accuracy


def measure(domain: str, options: argparse.Namespace, cache: Cache) -> dict[str, list[float]]:
    """Measure one domain; balanced accuracies by way, of the first batch and of the others."""
    table: dict[str, list[float]] = {}

    def note(way: str, found: list[tuple[float, float]]) -> None:
        table[way] = [balanced for balanced, _ in found]
        told = "  ".join(f"{balanced:5.1f} /{plain:5.1f}" for balanced, plain in found)
        print(f"{domain:<8} {way:<32} {told}", flush=True)

    with batches_of(domain, options) as (reference, batches):
        first, *later = batches
        study, reviews = taught(reference, first, options.answers, cache)
        final = final_types(study.query.cells, study.predicted, reviews).final
        truth, typed = first.cell_labels, study.updated.typed
        note("first batch", [figures(truth, final)])
        note("first batch, cells nobody typed", [figures(truth[~typed], final[~typed])])
        model = CellClassifier().fit(study, reviews)
        agreed = 100 * np.mean(model.predict(replace(first, labels=None)) == final)
        print(f"{domain:<8} the classifier agrees with the study in {agreed:.1f} % of its cells")
        batched = [model.type_batch(replace(one, labels=None), cache=cache) for one in later]

        def scored(typed: Iterable[TypedBatch]) -> list[tuple[float, float]]:
            pairs = zip(later, typed, strict=True)
            return [figures(one.cell_labels, np.array(batch.final)) for one, batch in pairs]

        note("classifier", scored(batched))
        said = [
            Review(cell, str(name), "reader", time_of(0), False)
            for cell, name in zip(first.cells, truth, strict=True)
        ]
        best = CellClassifier().fit(study, said)
        best_typed = (best.type_batch(replace(one, labels=None), cache=cache) for one in later)
        note("classifier, true types", scored(best_typed))
        few = options.few
        pairs = zip(later, batched, strict=True)
        note(
            f"classifier, {few} answers",
            scored(answered(batch, one.cell_labels, few) for one, batch in pairs),
        )
        for batch in batched:
            told = ", ".join(f"{d.figure} {d.distance:.2f} of {d.limit:.2f}" for d in batch.drift)
            unknown = 100 * np.mean(batch.unknown)
            print(f"{domain:<8} unknown cells {unknown:.1f} %; drift: {told}", flush=True)

        def typed_with(known: Dataset) -> list[tuple[float, float]]:
            found = [run(known, replace(one, labels=None), DEFAULT, cache=cache) for one in later]
            return [
                figures(one.cell_labels, np.array(result.predicted))
                for one, result in zip(later, found, strict=True)
            ]

        for least in options.least:
            own = as_reference(study, reviews, first, least)
            wrong = own.cell_labels != truth[np.searchsorted(first.cells, own.cells)]
            told = f"{own.n_cells} of {first.n_cells} cells, {int(wrong.sum())} of them wrong"
            print(f"{domain:<8} from a confidence of {least:g}: {told}")
            pooled = pool([reference, own], names=["pbc", "study"])
            note(f"study beside pbc, {least:g}", typed_with(pooled))
            note(f"study alone, {least:g}", typed_with(own))
            reviewed = [taught(own, one, options.few, cache, clusters=False) for one in later]
            note(
                f"study alone, {least:g}, {options.few} answers",
                [
                    figures(
                        one.cell_labels,
                        final_types(result.query.cells, result.predicted, said).final,
                    )
                    for one, (result, said) in zip(later, reviewed, strict=True)
                ],
            )
        note("pbc alone", typed_with(reference))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the sets")
    parser.add_argument("--domains", type=lambda text: text.split(","), default=["raabin", "jtsc"])
    parser.add_argument("--cells", type=int, default=300, help="of a batch, at most")
    parser.add_argument("--per-class", type=int, default=120, help="reference cells of a type")
    parser.add_argument("--answers", type=int, default=50)
    parser.add_argument("--few", type=int, default=10, help="answers on each later batch")
    parser.add_argument(
        "--least", type=lambda text: [float(one) for one in text.split(",")], default=[0.6]
    )
    options = parser.parse_args()
    cache = Cache()
    tables = [measure(domain, options, cache) for domain in options.domains]
    beside = f"study beside pbc, {options.least[0]:g}"
    taught_few = f"classifier, {options.few} answers"
    own_few = f"study alone, {options.least[0]:g}, {options.few} answers"
    first, model, study, few, own = (
        np.mean([value for table in tables for value in table[way]])
        for way in ("first batch", "classifier", beside, taught_few, own_few)
    )
    print(
        f"first batch after {options.answers} answers {first:.1f}; the next without a word: "
        f"classifier {model:.1f}, study beside pbc {study:.1f}; after {options.few} answers: "
        f"within the study {few:.1f}, as a study of its own {own:.1f}"
    )


if __name__ == "__main__":
    main()
