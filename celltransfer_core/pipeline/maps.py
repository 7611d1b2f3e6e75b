"""Maps of cells: reference and query in one plane (t-SNE or UMAP), for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np

from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.runtime.quiet import quiet
from celltransfer_core.types import Float32, Ints
from celltransfer_core.vocabulary import QUERY, REFERENCE

Layout = Literal["t-SNE", "UMAP"]

MAP_CELLS = 5000
"""Most cells of a map."""


@dataclass(frozen=True)
class CellMap:
    """Cells of the reference and the query in one plane."""

    xy: Float32
    """Shape (k, 2)."""
    sets: tuple[str, ...]
    """``reference`` or ``query``, length k."""
    cells: Ints
    """Cell numbers in their set, shape (k,)."""
    layout: Layout = "t-SNE"
    """How they were laid out."""


def layouts() -> tuple[Layout, ...]:
    """List the layouts that are installed: UMAP is optional.

    Returns
    -------
    tuple of str
    """
    return ("t-SNE", "UMAP") if find_spec("umap") else ("t-SNE",)


def draw_map(prepared: Prepared, layout: Layout = "t-SNE") -> CellMap:
    """Lay cells of both sets out in one plane.

    Parameters
    ----------
    prepared : Prepared
    layout : {"t-SNE", "UMAP"}
        One of :func:`layouts`.

    Returns
    -------
    CellMap
        Of a sample where there are more than :data:`MAP_CELLS`, half of it from either set.
    """
    from sklearn.decomposition import PCA

    config = prepared.config
    both = prepared.compared
    rng = np.random.default_rng([config.seed, 6])
    most = MAP_CELLS // 2
    picked = [np.sort(rng.permutation(len(X))[:most]) for X in both]
    X = np.concatenate([rows[cells] for rows, cells in zip(both, picked, strict=True)])
    if len(X) < 5:
        xy = np.zeros((len(X), 2), dtype=np.float32)
        xy[:, 0] = np.arange(len(X))
    else:
        short = PCA(n_components=min(50, *X.shape), random_state=config.seed).fit_transform(X)
        xy = _umap(short, config.seed) if layout == "UMAP" else _tsne(short, config.seed)
    return CellMap(
        xy.astype(np.float32),
        (*[REFERENCE] * len(picked[0]), *[QUERY] * len(picked[1])),
        np.concatenate(picked),
        layout,
    )


def _tsne(X: Float32, seed: int) -> Float32:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(X) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(X)


def _umap(X: Float32, seed: int) -> Float32:
    # UMAP warns of TensorFlow, of one thread where there is a seed, and of small sets.
    with quiet():
        from umap import UMAP

        neighbours = min(15, len(X) - 1)
        # Few cells have no spectral layout to start from.
        begin = "spectral" if len(X) > 50 else "random"
        return UMAP(n_neighbors=neighbours, init=begin, random_state=seed).fit_transform(X)
