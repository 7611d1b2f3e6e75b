"""Embeddings joined to the rows that sets are compared by (between 3.1 and 3.2).

In: raw embeddings by set and encoder. Out: one row a cell of the reference and of the query, with
the blocks of a concatenation scaled (3.4) and each set centred, unless features are raw as in the
paper; pooled references are levelled before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from celltransfer_core.clustering.components import discriminant
from celltransfer_core.config.config import Config
from celltransfer_core.matching.rows import centre
from celltransfer_core.types import Bools, Float32, Float64, Ints
from celltransfer_core.vocabulary import QUERY, REFERENCE

Embeddings = Mapping[str, Mapping[str, Float32]]
"""Raw embeddings by set and encoder, each of shape (cells, dim)."""


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
    """Join a voter's embeddings to what is compared.

    Parameters
    ----------
    embeddings : mapping
        See :data:`Embeddings`.
    voter : sequence of str
        One encoder, or several to concatenate.
    config : Config
        Its ``features`` and ``scale_blocks`` count.
    usable : ndarray of int64, shape (n,), optional
        Reference cells to compare with; all by default.
    reference_weights, query_weights : ndarray of float64, optional
        What each of these cells counts in its set's mean.
    query : str
        Name of the set to compare with the reference.

    Returns
    -------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        Reference and query; each centred unless features are raw.

    Notes
    -----
    Blocks are scaled by the whole reference, whichever of it is usable: distances within the query
    stay what they are when a match changes.
    """
    rows = slice(None) if usable is None else usable
    blocks = [(embeddings[REFERENCE][member], embeddings[query][member]) for member in voter]
    centred = config.features == "centred"
    if len(blocks) == 1:  # a large set is not copied for nothing
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
    """How the embeddings of one encoder stand in the rows that clusters are found on."""

    encoder: str
    mean: Float64
    """Subtracted, shape (dim,)."""
    scale: float
    """What the rest is multiplied by."""


def query_blocks(
    embeddings: Embeddings, voter: Sequence[str], config: Config, reference: Float32
) -> tuple[Block, ...]:
    """Tell how :func:`representation` and :func:`add_discriminant` make the query's first columns.

    Parameters
    ----------
    embeddings, voter, config
        As for :func:`representation`.
    reference : ndarray of float32, shape (n, d)
        The reference's rows from there.

    Returns
    -------
    tuple of Block
        One an encoder, in the order of the columns: with them cells that come later get the same
        rows, whatever cells come with them.
    """
    centred = config.features == "centred"
    whole = np.linalg.norm(reference, axis=1).mean() or np.float32(1) if centred else 1.0
    blocks = []
    for member in voter:
        X = embeddings[QUERY][member]
        mean = X.mean(axis=0, dtype=np.float64) if centred else np.zeros(X.shape[1])
        scaled = len(voter) > 1 and config.scale_blocks
        norm = _block_norm(embeddings[REFERENCE][member], config) if scaled else 1.0
        blocks.append(Block(member, mean, 1 / float(norm) / float(whole)))
    return tuple(blocks)


def between_laboratories(
    embeddings: Embeddings,
    voter: Sequence[str],
    types: Ints,
    config: Config,
    *,
    usable: Ints | None = None,
) -> tuple[Float32, Float32]:
    r"""Join a voter's embeddings where nobody knows yet which types the sets share.

    The offset between the sets' means has two causes: another laboratory, and other cells. Only as
    much of it is taken away as other cells cannot explain:

    .. math:: a = \max\left(0, 1 - \frac{\operatorname{mean}_k \|\nu_k - \bar\nu\|^2}
        {\|\bar x^t - \bar x^s\|^2}\right)

    where :math:`\nu_k` is the mean of type k, so that the offset of a query of one type alone is
    not believed: the shrinkage of James and Stein.

    Parameters
    ----------
    embeddings, voter, config, usable
        As for :func:`representation`.
    types : ndarray of int64, shape (n,)
        Type of each usable reference cell.

    Returns
    -------
    Xs, Xt : ndarray of float32, shape (n, d) and (m, d)
        The reference, centred, and the query, centred by that share for each encoder of the voter;
        as they are if features are raw.
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


def _block_norm(X: Float32, config: Config) -> np.floating[Any]:
    """Average the length of an encoder's rows over the reference."""
    apart = centre(X) if config.features == "centred" else X
    return np.linalg.norm(apart, axis=1).mean() or np.float32(1)


def add_discriminant(Xs: Float32, Xt: Float32, types: Ints) -> Float32:
    """Add to the query's rows the directions in which the reference's own types differ.

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
        types count for more than those within (measured by tests/benchmarks/taught.py).
    """
    blocks = []
    for reference, query in ((Xs, Xt), discriminant(Xs, Xt, types)):
        norm = np.linalg.norm(reference, axis=1).mean() or np.float32(1)
        blocks.append(query / norm)
    return np.concatenate(blocks, axis=1, dtype=np.float32)


def level_sources(X: Float32, types: Ints, sources: Ints) -> Float32:
    """Shift sets that were pooled to a reference onto each other.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    types : ndarray of int64, shape (n,)
    sources : ndarray of int64, shape (n,)
        Set that each cell came from; numbers from 0.

    Returns
    -------
    ndarray of float32, shape (n, d)
        One set after the other is shifted so that the types it shares with those before have the
        same mean there, each type counting the same. The largest comes first and stays, as does
        what shares no type.
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
