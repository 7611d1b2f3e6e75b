"""Embeddings joined into the rows by which sets are compared (between 3.1 and 3.2).

In: raw embeddings by set and encoder. Out: one row per cell of the reference and of the query, with
the blocks of a concatenation scaled (3.4) and each set centred, unless features are raw as in the
paper. Pooled references are levelled first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from celltransfer_core.clustering.components import discriminant
from celltransfer_core.config.config import Config
from celltransfer_core.matching.rows import centre
from celltransfer_core.types import Bools, Float32, Float64, Ints, Labels
from celltransfer_core.vocabulary import QUERY, REFERENCE

Embeddings = Mapping[str, Mapping[str, Float32]]
"""Raw embeddings by set and encoder, each of shape (cells, dim)."""

CELLS_APART = 1000
"""Most reference cells whose differences from the means of their types are kept:
tests/benchmarks/memory_of_a_lab.py."""


def representation(
    embeddings: Embeddings,
    voter: Sequence[str],
    config: Config,
    *,
    usable: Ints | None = None,
    reference_weights: Float64 | None = None,
    query_weights: Float64 | None = None,
    query: str = QUERY,
) -> tuple[Float32, Float32]:
    """Join a voter's embeddings into the rows to compare.

    Parameters
    ----------
    embeddings : mapping
        See :data:`Embeddings`.
    voter : sequence of str
        One encoder, or several to concatenate.
    config : Config
        Its ``features`` and ``scale_blocks`` are used.
    usable : ndarray of int64, shape (n,), optional
        Reference cells to compare with; all by default.
    reference_weights, query_weights : ndarray of float64, optional
        Weight of each of these cells in the mean of its set.
    query : str
        Name of the set to compare with the reference.

    Returns
    -------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        Reference and query; each centred unless features are raw.

    Notes
    -----
    Blocks are scaled by the whole reference, not only by its usable cells, so that distances within
    the query do not change when a match changes.
    """
    rows = slice(None) if usable is None else usable
    blocks = [(embeddings[REFERENCE][member], embeddings[query][member]) for member in voter]
    centred = config.features == "centred"
    if len(blocks) == 1:  # avoids a needless copy of a large set
        Xs, Xt = blocks[0][0][rows], blocks[0][1]
        return (centre(Xs, reference_weights), centre(Xt, query_weights)) if centred else (Xs, Xt)
    columns = np.cumsum([whole.shape[1] for whole, _ in blocks])
    n = len(blocks[0][0][rows, :1])
    source, target = (np.empty((k, columns[-1]), np.float32) for k in (n, len(blocks[0][1])))
    for (whole, Xt), end in zip(blocks, columns, strict=True):
        into = np.s_[:, end - whole.shape[1] : end]
        if centred:
            centre(whole[rows], reference_weights, out=source[into])
            centre(Xt, query_weights, out=target[into])
        else:
            source[into], target[into] = whole[rows], Xt
        if config.scale_blocks:
            norm = _block_norm(whole, config)
            source[into] /= norm
            target[into] /= norm
    return source, target


@dataclass(frozen=True)
class Block:
    """Scaling of one encoder's embeddings in the rows on which clusters are found."""

    encoder: str
    mean: Float64
    """Mean that is subtracted, shape (dim,)."""
    scale: float
    """Factor by which the result is multiplied."""


def query_blocks(
    embeddings: Embeddings, voter: Sequence[str], config: Config, reference: Float32
) -> tuple[Block, ...]:
    """Describe how the first columns of the query's rows are computed from its embeddings.

    Parameters
    ----------
    embeddings, voter, config
        As for :func:`representation`.
    reference : ndarray of float32, shape (n, d)
        The reference's rows from that function.

    Returns
    -------
    tuple of Block
        One per encoder, in the order of the columns of :func:`representation` and
        :func:`add_discriminant`. With them, later cells get the same rows in any batch.
    """
    centred = config.features == "centred"
    whole = _whole_norm(reference, config)
    blocks = []
    for member in voter:
        X = embeddings[QUERY][member]
        mean = X.mean(axis=0, dtype=np.float64) if centred else np.zeros(X.shape[1])
        scaled = len(voter) > 1 and config.scale_blocks
        norm = _block_norm(embeddings[REFERENCE][member], config) if scaled else 1.0
        blocks.append(Block(member, mean, 1 / float(norm) / whole))
    return tuple(blocks)


@dataclass(frozen=True)
class ReferenceTypes:
    """The K types of a reference, in the scale of the query's rows on which clusters are found."""

    names: tuple[str, ...]
    means: Float32
    """Shape (K, d)."""
    apart: Float32
    """Differences between m cells and the means of their types, shape (m, d)."""
    types: Ints
    """Number of the type of each of these cells, shape (m,)."""


def describe_types(reference: Float32, labels: Labels, config: Config) -> ReferenceTypes:
    """Describe the types of a reference by their means and by cells drawn evenly over them.

    Parameters
    ----------
    reference : ndarray of float32, shape (n, d)
        From :func:`representation`.
    labels : ndarray of str, shape (n,)
    config : Config
        Its ``features`` and ``seed`` are used.

    Returns
    -------
    ReferenceTypes
        With at most :data:`CELLS_APART` cells.
    """
    names = np.unique(labels)
    rng = np.random.default_rng([config.seed, 33])
    means = np.empty((len(names), reference.shape[1]), dtype=np.float32)
    apart, types = list[Float32](), list[int]()
    for number, name in enumerate(names):
        own = np.flatnonzero(labels == name)
        means[number] = reference[own].mean(axis=0, dtype=np.float64)
        some = np.sort(rng.permutation(own)[: CELLS_APART // len(names)])
        apart.append(reference[some] - means[number])
        types += [number] * len(some)
    scale = np.float32(1 / _whole_norm(reference, config))
    return ReferenceTypes(
        tuple(names.tolist()),
        means * scale,
        np.concatenate(apart) * scale,
        np.array(types, dtype=np.int64),
    )


def between_laboratories(
    embeddings: Embeddings,
    voter: Sequence[str],
    types: Ints,
    config: Config,
    *,
    usable: Ints | None = None,
) -> tuple[Float32, Float32]:
    r"""Join a voter's embeddings before it is known which types the sets share.

    The offset between the sets' means has two causes: different laboratories and different cells.
    Only the share that different cells cannot explain is removed:

    .. math:: a = \max\left(0, 1 - \frac{\operatorname{mean}_k \|\nu_k - \bar\nu\|^2}
        {\|\bar x^t - \bar x^s\|^2}\right)

    where :math:`\nu_k` is the mean of type k. The offset of a query with only one type is thus not
    attributed to the laboratory. This is James–Stein shrinkage.

    Parameters
    ----------
    embeddings, voter, config, usable
        As for :func:`representation`.
    types : ndarray of int64, shape (n,)
        Type of each usable reference cell.

    Returns
    -------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        The reference, centred, and the query, centred by that share for each encoder of the voter.
        Both are unchanged if features are raw.
    """
    Xs, Xt = representation(embeddings, voter, config, usable=usable)
    if config.features == "raw":
        return Xs, Xt
    rows = slice(None) if usable is None else usable
    left = []
    for member in voter:
        whole = embeddings[REFERENCE][member]
        own = whole[rows]
        offset = embeddings[QUERY][member].mean(axis=0, dtype=np.float64)
        offset -= own.mean(axis=0, dtype=np.float64)
        means = np.stack([own[types == n].mean(axis=0, dtype=np.float64) for n in np.unique(types)])
        spread = ((means - means.mean(axis=0)) ** 2).sum(axis=1).mean()
        doubted = min(1.0, spread / max(float(offset @ offset), np.finfo(np.float64).tiny))
        scaled = len(voter) > 1 and config.scale_blocks
        left.append(doubted * offset / (_block_norm(whole, config) if scaled else 1))
    return Xs, Xt + np.concatenate(left).astype(np.float32)


def _whole_norm(reference: Float32, config: Config) -> float:
    """Compute the mean norm by which :func:`add_discriminant` divides the rows."""
    if config.features != "centred":
        return 1.0
    return float(np.linalg.norm(reference, axis=1).mean() or np.float32(1))


def _block_norm(X: Float32, config: Config) -> np.floating[Any]:
    """Compute the mean norm of an encoder's rows over the reference."""
    apart = centre(X) if config.features == "centred" else X
    return np.linalg.norm(apart, axis=1).mean() or np.float32(1)


def add_discriminant(Xs: Float32, Xt: Float32, types: Ints) -> Float32:
    """Append the directions in which the reference's types differ to the query's rows.

    Parameters
    ----------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        Reference and query, each centred.
    types : ndarray of int64, shape (n,)
        Type number of each reference cell.

    Returns
    -------
    ndarray of float32, shape (m, d + r)
        Both blocks are scaled by their mean norm over the reference, so that differences between
        types count more than those within types (measured by tests/benchmarks/taught.py).
    """
    blocks = []
    for reference, query in ((Xs, Xt), discriminant(Xs, Xt, types)):
        norm = np.linalg.norm(reference, axis=1).mean() or np.float32(1)
        blocks.append(query / norm)
    return np.concatenate(blocks, axis=1, dtype=np.float32)


def level_sources(X: Float32, types: Ints, sources: Ints) -> Float32:
    """Shift the sets pooled into a reference onto each other.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    types : ndarray of int64, shape (n,)
    sources : ndarray of int64, shape (n,)
        Set from which each cell came, numbered from 0.

    Returns
    -------
    ndarray of float32, shape (n, d)
        The sets are shifted one after another, so that the types that a set shares with earlier
        sets have the same mean in both, with equal weight for each type. The largest set comes
        first and is not shifted; neither are sets that share no type.
    """
    levelled = X.astype(np.float32, copy=True)
    before = np.zeros(len(X), dtype=bool)
    for source in np.argsort(-np.bincount(sources), kind="stable"):
        own = sources == source
        common = np.intersect1d(types[own], types[before])
        if len(common):
            shift = _balanced_mean(levelled, types, before, common)
            shift -= _balanced_mean(levelled, types, own, common)
            levelled[own] += shift.astype(np.float32)
        before |= own
    return levelled


def _balanced_mean(X: Float32, types: Ints, rows: Bools, names: Ints) -> Float64:
    means = [X[rows & (types == name)].mean(axis=0, dtype=np.float64) for name in names]
    return np.mean(means, axis=0)
