"""TODO celltransfer_core/transport/base.py."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array

from celltransfer_core.types import Float32, Float64, Labels


class Aligner(BaseEstimator):
    """Maps source rows into the target's space: ``fit(Xs, ys, Xt)`` as in POT."""

    def fit(
        self,
        Xs: Float32,
        ys: Labels | None = None,  # noqa: ARG002
        Xt: Float32 | None = None,
        *,
        sample_weight: Float64 | None = None,
    ) -> Aligner:
        """Learn the map from source to target.

        Parameters
        ----------
        Xs : array-like of float, shape (n, d)
            Source: the reference.
        ys : None
            Not used; the labels of the source, where POT has them.
        Xt : array-like of float, shape (m, d)
            Target: the query.
        sample_weight : array-like of float, shape (n,), optional
            Mass of each source row, above zero; even by default. It is scaled to sum to one.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the arrays do not fit together, hold NaN, or a weight is not above zero.
        """
        if Xt is None:
            raise ValueError("An aligner needs the target: fit(Xs, ys, Xt).")
        Xs = check_array(Xs, dtype=np.float32)
        Xt = check_array(Xt, dtype=np.float32)
        if Xs.shape[1] != Xt.shape[1]:
            raise ValueError(f"Xs has {Xs.shape[1]} columns and Xt has {Xt.shape[1]}.")
        p = np.ones(len(Xs)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        if p.shape != (len(Xs),) or not (p > 0).all() or not np.isfinite(p).all():
            raise ValueError("sample_weight needs one number above zero a row of Xs.")
        self.n_features_in_ = Xs.shape[1]
        self._fit(Xs, Xt, p / p.sum())
        return self

    def _fit(self, Xs: Float32, Xt: Float32, p: Float64) -> None:
        raise NotImplementedError
