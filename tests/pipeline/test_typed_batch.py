from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.classify.taught_types import (
    TypeMeans,
    distance_to_types,
    probabilities_of,
)
from celltransfer_core.people import Review
from celltransfer_core.pipeline import CellClassifier
from celltransfer_core.pipeline.typed_batch import TeachableRows
from celltransfer_core.vocabulary import ARTEFACT, SKIPPED, UNSURE


@pytest.fixture(scope="module")
def batch(result, query):
    return CellClassifier(workers=1).fit(result).type_batch(query)


def said(batch, cell, answer, reader="Ann", second=0):
    time = f"2026-11-29T10:00:{second:02}+00:00"
    return Review(batch.query.cells[cell], answer, reader, time, blind=False)


def test_without_answers_nothing_changes(batch):
    assert batch.final == batch.predicted
    assert not batch.answered.any()
    again = batch.teach([])
    assert (again.probabilities == batch.probabilities).all()
    stranger = Review("0" * 64, batch.types[0], "Ann", "2026-11-29T10:00:00+00:00", blind=False)
    assert batch.teach([stranger]).reviews == ()


def test_no_settled_type_no_teaching(batch):
    """Unsure, artefact, skipped: they set their own cells, and teach nothing."""
    answers = [said(batch, 0, UNSURE), said(batch, 1, ARTEFACT), said(batch, 2, SKIPPED)]
    taught = batch.teach(answers)
    assert (taught.probabilities == batch.probabilities).all()
    assert taught.final[:3] == (batch.predicted[0], ARTEFACT, batch.predicted[2])
    assert taught.flagged[0]
    assert not taught.flagged[1]


def drawn_batch(batch, rng, centres, kinds):
    """A batch whose cells lie around centres, typed by means at -2 and 2 of the first axis."""
    rows = np.zeros((batch.query.n_cells, 5), dtype=np.float32)
    rows[:, : len(centres[0])] = np.array(centres)[kinds]
    rows += 0.1 * rng.normal(size=rows.shape)
    means = np.zeros((2, 5))
    means[:, 0] = -2, 2
    known = TypeMeans(means, counts=np.array([10.0, 10.0]), power=1.0, limit=9.0)
    odds = rows @ known.types.weights + known.types.intercept
    drawn = replace(
        batch,
        types=("a", "b"),
        probabilities=probabilities_of(odds),
        unlike=distance_to_types(odds, known.centres),
    )
    return replace(drawn, teachable=TeachableRows(rows, known, np.zeros((len(rows), 0), dtype=int)))


def test_answers_on_drifted_cells_type_the_others(batch, rng):
    """Cells of type a have drifted to 0.5, past the border at 0; five answers move it."""
    kinds = np.arange(batch.query.n_cells) % 2
    drifted = drawn_batch(batch, rng, [(0.5, 0), (2.0, 0)], kinds)
    assert set(drifted.predicted) == {"b"}
    answered = np.flatnonzero(kinds == 0)[:5]
    taught = drifted.teach([said(batch, cell, "a") for cell in answered.tolist()])
    assert taught.predicted == tuple("ab"[kind] for kind in kinds)
    assert taught.teach(taught.reviews).probabilities.tolist() == taught.probabilities.tolist()
    assert taught.teach([]).predicted == drifted.predicted  # all answers were taken back


def test_a_new_type_is_learned(batch, rng):
    kinds = np.arange(batch.query.n_cells) % 3
    strange = drawn_batch(batch, rng, [(-2.0, 0), (2.0, 0), (0.0, 6.0)], kinds)
    answered = np.flatnonzero(kinds == 2)[:3]
    taught = strange.teach([said(batch, cell, "plasma cell") for cell in answered.tolist()])
    assert taught.types == ("a", "b", "plasma cell")
    names = ("a", "b", "plasma cell")
    assert taught.predicted == tuple(names[kind] for kind in kinds)
    assert not taught.unknown.any()


def test_readers_who_disagree_teach_nothing_and_are_flagged(batch):
    answers = [said(batch, 0, batch.types[0]), said(batch, 0, batch.types[1], reader="Ben")]
    taught = batch.teach(answers)
    assert (taught.probabilities == batch.probabilities).all()
    assert taught.flagged[0]
    assert taught.final[0] == "disputed"


def test_the_least_certain_cell_comes_first_and_skipped_ones_last(batch):
    shares = np.sort(batch.probabilities, axis=1)
    first = int(np.argmin(shares[:, -1] - shares[:, -2]))
    assert batch.queue[0] == first
    assert len(batch.queue) == batch.query.n_cells
    skipped = batch.teach([said(batch, first, SKIPPED)])
    assert skipped.queue[0] != first
    assert skipped.queue[-1] == first
    answered = batch.teach([said(batch, first, batch.types[0])])
    assert first not in answered.queue


def test_a_batch_typed_from_a_file_keeps_the_types_of_other_cells(batch):
    bare = replace(batch, teachable=None)
    other = next(name for name in batch.types if name != batch.predicted[0])
    taught = bare.teach([said(batch, 0, other)])
    assert (taught.probabilities == batch.probabilities).all()
    assert taught.final[0] == other
