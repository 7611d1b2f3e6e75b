"""A portable classifier, trained on a finished run, that types further cells of its domain.

It contains no image, no file or reader name, and no embedding of a cell. It consists of one matrix
per encoder, computed from one mean per type and one covariance
(:mod:`celltransfer_core.classify.taught_types`), and of the settings for framing and colours. Each
cell is typed independently of the other cells in its batch.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from celltransfer_core.classify.taught_types import (
    TypeCentres,
    TypesElsewhere,
    distance_to_types,
    probabilities_of,
    teach_types,
)
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.folders import read_dataset
from celltransfer_core.encoders.references import (
    encoder_reference,
    usable_encoder,
)
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.framing.nuclei import Nuclei
from celltransfer_core.neighbors.search import nearest
from celltransfer_core.people.reviews import Review, final_types, settled_answers
from celltransfer_core.pipeline.embedded import embed_sets
from celltransfer_core.pipeline.inferred import infer_run
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.pipeline.slide_drift import cell_figures, find_drift, usual_figures
from celltransfer_core.pipeline.typed_batch import SIMILAR, TeachableRows, TypedBatch
from celltransfer_core.pipeline.view import view_of
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import (
    Bools,
    Float32,
    Float64,
    Ints,
    Labels,
    Progress,
    RGBImage,
    silent,
)
from celltransfer_core.vocabulary import ANSWERS, NONE_TYPE, QUERY, UNSURE

Cells = Dataset | Path | str | Sequence[RGBImage]
"""Cells to type: a data set, a folder of images, or images of shape (h, w, 3)."""

_DIGITS = 9  # digits kept in the data on distances of cells from types


class CellClassifier(ClassifierMixin, BaseEstimator):
    """Classifier for cells of one domain, trained on a finished run.

    Parameters
    ----------
    workers : int, optional
        Processes; all processors by default.

    Attributes
    ----------
    classes_ : ndarray of str, shape (T,)
        Types, sorted.
    encoders_ : tuple of EncoderReference
    weights_ : tuple of ndarray of float32, each (dim, T)
        One per encoder.
    intercept_ : ndarray of float64, shape (T,)
    centres_ : TypeCentres
        Centres of the types.
    usual_ : dict from figure to Usual
        Usual values against which drift of later slides is measured.
    unknown_ : ndarray of bool, shape (m,)
        Query cells of the run that are unlike all types when left out, or that a person gave no
        type; not part of a file.
    view_ : View
    taught_ : dict
        Source and training cells of the classifier, and its measured accuracy, as JSON values.

    Notes
    -----
    Colours and framing are those of the run, and embeddings are centred on its query, so that a
    cell of the same domain has the same embedding in every batch. The types are learned from the
    run's final types: from the answer for cells typed by a person, and from the vote for all
    others.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers

    def fit(self, run: RunResult, reviews: Sequence[Review] = ()) -> Self:
        """Learn the final types of a run.

        Parameters
        ----------
        run : RunResult
            Run updated with the answers, if there are any.
        reviews : sequence of Review
            In the order they were made.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If the run is of an earlier version, or fewer than two types are left.
        """
        if run.blocks is None:
            raise DataError("The cells were typed by an earlier version; type them again.")
        usable, shares = _final_shares(run, reviews)
        kept = np.flatnonzero(shares[usable].sum(axis=0) >= 1)
        if len(kept) < 2:
            raise DataError(
                "Fewer than two types have enough confirmed or answered cells to train on; "
                "confirm clusters or answer cells."
            )
        order = kept[np.argsort([run.types[number] for number in kept])]
        shares = shares[:, order]
        sum_of = shares.sum(axis=1, keepdims=True)
        usable &= sum_of[:, 0] > 0
        width = sum(len(block.mean) for block in run.blocks)
        rows = run.features[usable, :width]
        self.classes_ = np.array([run.types[number] for number in order])
        learned = teach_types(
            rows,
            shares[usable] / sum_of[usable],
            elsewhere=_in_reference(run, self.classes_.tolist()),
            seed=run.config.seed,
        )
        specs = {spec.id: spec for spec in run.encoders}
        self.encoders_ = tuple(encoder_reference(specs[block.encoder]) for block in run.blocks)
        ends = np.cumsum([len(block.mean) for block in run.blocks])
        parts = np.split(learned.found.weights, ends[:-1])
        # Centring and scaling are linear and therefore part of the matrices.
        folded = [part * block.scale for part, block in zip(parts, run.blocks, strict=True)]
        self.weights_ = tuple(part.astype(np.float32) for part in folded)
        self.intercept_ = learned.found.intercept - sum(
            block.mean @ part for block, part in zip(run.blocks, folded, strict=True)
        )
        self._learned, self._blocks = learned, run.blocks
        self._known = run.features[:, :width]
        self.centres_ = TypeCentres(*(np.round(one, _DIGITS) for one in learned.centres))
        figures = cell_figures(
            _nuclei_of(run, usable), learned.left_out, len(order), learned.unlike > 1
        )
        self.usual_ = usual_figures(figures, run.query.cell_slides[usable])
        self.unknown_ = np.ones(run.query.n_cells, dtype=bool)
        self.unknown_[usable] = learned.unlike > 1
        self.view_ = view_of(run)
        self.taught_ = _taught_by(run, reviews, usable, learned.agreement)
        return self

    def predict_proba(self, X: Cells) -> Float64:
        """Compute the probability of each type.

        Parameters
        ----------
        X : Dataset, path or sequence of ndarray of uint8, each (h, w, 3)
            n cells; those of a data set or folder are in the order of their content hashes.

        Returns
        -------
        ndarray of float64, shape (n, T)
            Rows sum to one; columns are in the order of ``classes_``.

        Raises
        ------
        NotFittedError
            If the classifier was neither fitted nor read from a file.
        CellTransferError
            If an encoder is missing or differs on this machine, or images cannot be used.
        """
        return self.type_cells(X)

    def type_cells(
        self, X: Cells, *, cache: Cache | None = None, progress: Progress = silent
    ) -> Float64:
        """Compute the probability of each type, with a cache and progress reports.

        Parameters
        ----------
        X : Dataset, path or sequence of ndarray
            See :meth:`predict_proba`.
        cache : Cache, optional
            Cache of nuclei and embeddings; by default, that of the workspace.
        progress : callable

        Returns
        -------
        ndarray of float64, shape (n, T)

        Raises
        ------
        CellTransferError
            See :meth:`predict_proba`.
        """
        check_is_fitted(self, "classes_")
        if isinstance(X, Sequence) and not isinstance(X, str):
            return self._of_images(X, cache, progress)
        if not isinstance(X, Dataset):
            shown = self.view_.scales[0].channels if self.view_.scales else None
            X = read_dataset(X, channels=shown, workers=self.workers, progress=progress)
        return self.type_batch(X, cache=cache, progress=progress).probabilities

    def type_batch(
        self, query: Dataset, *, cache: Cache | None = None, progress: Progress = silent
    ) -> TypedBatch:
        """Type cells, and report cells unlike all types and the drift of their slides.

        Parameters
        ----------
        query : Dataset
        cache, progress
            See :meth:`type_cells`.

        Returns
        -------
        TypedBatch

        Raises
        ------
        CellTransferError
            See :meth:`predict_proba`.
        """
        encoders = [usable_encoder(one) for one in self.encoders_]
        store = cache or Cache()
        crops, nuclei = self.view_.crops(query, store, self.workers, progress)
        found, failures = embed_sets(
            {QUERY: crops}, encoders, store, self.workers, progress, proven=True
        )
        if failures:
            raise EncoderError(failures[0].reason)
        odds = self.intercept_ + sum(
            found[QUERY][one.id].astype(np.float64) @ weights
            for one, weights in zip(self.encoders_, self.weights_, strict=True)
        )
        unlike = distance_to_types(odds, self.centres_)
        figures = cell_figures(nuclei, odds.argmax(axis=1), len(self.classes_), unlike > 1)
        return TypedBatch(
            query,
            tuple(self.classes_.tolist()),
            probabilities_of(odds),
            unlike,
            find_drift(figures, query.cell_slides, self.usual_),
            self.taught_,
            self._teachable(found[QUERY]),
        )

    def _teachable(self, embeddings: Mapping[str, Float32]) -> TeachableRows | None:
        """Return the rows that answers move types by; they are not known to a classifier's file."""
        if not hasattr(self, "_learned"):
            return None
        blocks = [(embeddings[one.encoder] - one.mean) * one.scale for one in self._blocks]
        X = np.concatenate(blocks, axis=1)
        return TeachableRows(
            (X @ self._learned.root).astype(np.float32),
            self._learned.means,
            _directions_nearest(X.astype(np.float32), self._known),
        )

    def predict(self, X: Cells) -> Labels:
        """Name the likeliest type of each cell.

        Parameters
        ----------
        X : Dataset, path or sequence of ndarray
            See :meth:`predict_proba`.

        Returns
        -------
        ndarray of str, shape (n,)
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _of_images(
        self, images: Sequence[RGBImage], cache: Cache | None, progress: Progress
    ) -> Float64:
        """Type images in memory by writing them to temporary files."""
        from PIL import Image

        with tempfile.TemporaryDirectory() as folder:
            for number, image in enumerate(images):
                Image.fromarray(np.asarray(image, dtype=np.uint8)).save(
                    Path(folder, f"{number}.png"), compress_level=1
                )
            dataset = read_dataset(folder, workers=self.workers)
            if len(dataset.files) < len(images):
                first = dataset.left_out[0]
                raise DataError(f"Image {Path(first.file).stem} cannot be used: {first.reason}.")
            found = self.type_cells(dataset, cache=cache, progress=progress)
        of_file = dict(zip(dataset.files, dataset.cell_index.tolist(), strict=True))
        return found[[of_file[f"{number}.png"] for number in range(len(images))]]


def _final_shares(run: RunResult, reviews: Sequence[Review]) -> tuple[Bools, Float64]:
    """Find the query cells to train on and their shares of each type, shape (m,) and (m, T)."""
    inferred = infer_run(run, reviews)
    shares = inferred.probabilities[:, : len(run.types)].copy()
    settled = settled_answers(reviews)
    place = {name: number for number, name in enumerate(run.types)}
    usable = np.ones(run.query.n_cells, dtype=bool)
    for match in run.matches:
        if match.confirmed and match.matched_type == NONE_TYPE:
            usable[run.clusters.labels == match.cluster] = False
    for number, cell in enumerate(run.query.cells):
        answer = settled.get(cell, UNSURE)
        if answer in place:
            usable[number] = True
            shares[number] = 0
            shares[number, place[answer]] = 1
        elif answer != UNSURE and answer in ANSWERS:
            usable[number] = False
    return usable, shares


def _directions_nearest(X: Float32, known: Float32) -> Ints:
    """Find the most similar rows by cosine similarity."""

    def unit(rows: Float32) -> Float32:
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.maximum(lengths, np.finfo(np.float32).tiny)

    return nearest(unit(X), unit(known), min(SIMILAR, len(known)))[1]


def _in_reference(run: RunResult, types: Sequence[str]) -> TypesElsewhere | None:
    """Return these types as they are in the reference."""
    known = run.reference_types
    if known is None:
        return None
    numbers = {name: number for number, name in enumerate(known.names)}
    means = np.full((len(types), known.means.shape[1]), np.nan, dtype=np.float32)
    for row, name in enumerate(types):
        if name in numbers:
            means[row] = known.means[numbers[name]]
    shared = [numbers[name] for name in types if name in numbers]
    return TypesElsewhere(means, known.apart[np.isin(known.types, shared)])


def _nuclei_of(run: RunResult, usable: Bools) -> Nuclei | None:
    nuclei = run.framing.nuclei.get(QUERY)
    return nuclei.take(np.flatnonzero(usable)) if nuclei else None


def _taught_by(
    run: RunResult, reviews: Sequence[Review], usable: Bools, agreement: float
) -> dict[str, Any]:
    """Describe the source, the training cells and the measured accuracy of a classifier."""
    inferred = infer_run(run, reviews)
    right = inferred.right()
    known = not inferred.missing_draws and np.isfinite(right.value)
    final = final_types(run.query.cells, run.predicted, reviews).final[usable]
    annotations = run.updated.annotations if run.updated else None
    return {
        "answers": len(annotations.cells) if annotations else 0,
        "clusters": len(annotations.clusters) if annotations else 0,
        "reference": {
            "cells": run.reference.n_cells,
            "types": _counted(run.reference.cell_labels),
        },
        "query": {"cells": run.query.n_cells, "types": _counted(final)},
        "accuracy": {
            "value": round(right.value, 4),
            "low": round(right.low, 4),
            "high": round(right.high, 4),
            "drawn_cells": right.draws,
        }
        if known
        else None,
        "agreement": round(agreement, 4),
    }


def _counted(names: Labels) -> Mapping[str, int]:
    return dict(sorted(Counter(names.tolist()).items()))
