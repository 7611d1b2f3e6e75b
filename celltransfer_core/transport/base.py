"""Base of all aligners (3.3), which map source rows into the target's space."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from celltransfer_core.types import Float32, Float64, Labels


class Aligner(BaseEstimator):
    """Base of aligners: ``fit(Xs, ys, Xt)`` as in POT, then ``transform(Xs)``.

    A subclass defines ``_fit(Xs, Xt, p)`` and ``_transform(Xs)``.

    Attributes
    ----------
    n_features_in_ : int
    """

    def fit(
        self,
        Xs: Float32,
        ys: Labels | None = None,  # noqa: ARG002
        Xt: Float32 | None = None,
        *,
        sample_weight: Float64 | None = None,
    ) -> Self:
        """Learn the map from source to target.

        Parameters
        ----------
        Xs : array-like of float, shape (n, d)
            Source: embeddings of the reference.
        ys : None
            Not used; present for compatibility with POT, which has the labels of the source here.
        Xt : array-like of float, shape (m, d)
            Target: embeddings of the query.
        sample_weight : array-like of float, shape (n,), optional
            Mass of each source row, above zero; uniform by default. It is scaled to sum to one:
            p of eq. 1.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the arrays do not fit together or hold NaN, a weight is not above zero, or a
            parameter is out of range.
        """
        if Xt is None:
            raise ValueError("An aligner needs the target: fit(Xs, ys, Xt).")
        Xs = check_array(Xs, dtype=np.float32)
        Xt = check_array(Xt, dtype=np.float32)
        if Xs.shape[1] != Xt.shape[1]:
            raise ValueError(f"Xs has {Xs.shape[1]} columns and Xt has {Xt.shape[1]}.")
        p = np.ones(len(Xs)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        if p.shape != (len(Xs),) or not (p > 0).all() or not np.isfinite(p).all():
            raise ValueError("sample_weight needs one number above zero per row of Xs.")
        self.n_features_in_ = Xs.shape[1]
        self._fit(Xs, Xt, p / p.sum())
        return self

    def transform(self, Xs: Float32) -> Float32:
        """Map source rows into the target's space.

        Parameters
        ----------
        Xs : array-like of float, shape (k, d)

        Returns
        -------
        ndarray of float32, shape (k, d)

        Raises
        ------
        NotFittedError
            If ``fit`` was not called before.
        ValueError
            If the array has another number of columns than in ``fit``, or holds NaN.
        """
        check_is_fitted(self)
        return self._transform(validate_data(self, Xs, dtype=np.float32, reset=False))

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        raise NotImplementedError

    def _transform(self, Xs: Float32) -> Float32:
        raise NotImplementedError
