"""Maps of cells: reference and query in one plane (t-SNE or UMAP), for visual inspection."""

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
"""Maximum number of cells on a map."""


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
    """Layout method."""


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
        If there are more than :data:`MAP_CELLS` cells, a map of a sample, half of it from each set.
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
    # UMAP warns about TensorFlow, about a single thread if a seed is set, and about small sets.
    with quiet():
        from umap import UMAP

        neighbours = min(15, len(X) - 1)
        # Very few cells have no spectral layout as a start.
        begin = "spectral" if len(X) > 50 else "random"
        return UMAP(n_neighbors=neighbours, init=begin, random_state=seed).fit_transform(X)
