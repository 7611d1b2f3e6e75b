"""TODO celltransfer_core/pipeline/prepared.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from celltransfer_core.config import DEFAULT, Config
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.encoders.catalogue import encoder_names, how_to_get, load_encoder
from celltransfer_core.encoders.embedding import embed
from celltransfer_core.encoders.registry import Encoder, published_encoders
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.framing.crops import Crops
from celltransfer_core.framing.sets import frame_sets
from celltransfer_core.matching.rows import centre
from celltransfer_core.pipeline.result import Embeddings, Failure, Prepared, type_names
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Float32, Float64, Ints, Progress, silent
from celltransfer_core.vocabulary import ANSWERS, QUERY, REFERENCE


def prepare(
    reference: Dataset,
    query: Dataset,
    config: Config = DEFAULT,
    *,
    extras: Mapping[str, Dataset] | None = None,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Frame and embed every set (3.1); what is kept from earlier is not computed again.

    Parameters
    ----------
    reference, query, config, extras, cache, workers, progress
        As for :func:`run`.

    Returns
    -------
    Prepared

    Raises
    ------
    CellTransferError
        If the sets or all encoders cannot be used, a type is named like another answer, or one
        that is to be kept is not there.
    """
    cache = cache or Cache()
    taken = sorted({*reference.cell_labels.tolist()} & {*ANSWERS})
    if taken:
        raise DataError(
            f"The reference has a type named {taken[0]!r}, which is also an answer to a cluster or "
            "a cell; rename the type or leave it out."
        )
    if wrong := sorted({*config.keep} - {*reference.cell_labels.tolist()}):
        raise DataError(
            f"--keep cannot be {', '.join(wrong)}; it takes types of the reference: "
            f"{', '.join(type_names(reference))}."
        )
    sets = {REFERENCE: reference, QUERY: query, **(extras or {})}
    encoders, failures = load_encoders(config)
    framing = frame_sets(
        sets,
        mode=config.framing,
        colour=config.colour,
        um_per_px=dict(zip((REFERENCE, QUERY), config.um_per_px or (None, None), strict=True)),
        cache=cache,
        workers=workers,
        progress=progress,
    )
    embeddings, broken = embed_sets(framing.crops, encoders, cache, workers, progress)
    failures = (*failures, *broken)
    return Prepared(
        config=config,
        reference=reference,
        query=query,
        extras=dict(extras or {}),
        framing=framing,
        encoders=tuple(e.spec for e in encoders if e.spec.id in embeddings[QUERY]),
        failures=failures,
        embeddings=embeddings,
        voters=usable_voters(config, embeddings[QUERY], failures),
    )


def load_encoders(config: Config) -> tuple[tuple[Encoder, ...], tuple[Failure, ...]]:
    """Load every encoder the configuration names; those that cannot be read are reported.

    Parameters
    ----------
    config : Config

    Returns
    -------
    encoders : tuple of Encoder
    failures : tuple of Failure

    Raises
    ------
    EncoderError
        If a name is not known at all.
    """
    known = encoder_names()
    encoders: list[Encoder] = []
    failures: list[Failure] = []
    for name in config.encoder_ids:
        if name not in (*known, *published_encoders()):
            raise EncoderError(how_to_get(name))
        try:
            encoders.append(load_encoder(name))
        except EncoderError as error:
            failures.append(Failure(name, str(error)))
    return tuple(encoders), tuple(failures)


def embed_sets(
    crops: Mapping[str, Crops],
    encoders: Sequence[Encoder],
    cache: Cache,
    workers: int | None,
    progress: Progress,
) -> tuple[Embeddings, tuple[Failure, ...]]:
    """Embed every set with every encoder (3.1); an encoder that fails is left out everywhere.

    Parameters
    ----------
    crops : mapping from set name to Crops
    encoders : sequence of Encoder
    cache : Cache
    workers : int, optional
    progress : callable

    Returns
    -------
    embeddings : mapping from set name to mapping from encoder to ndarray of float32
    failures : tuple of Failure
    """
    embeddings: dict[str, dict[str, Float32]] = {name: {} for name in crops}
    failures = []
    for encoder in encoders:
        try:
            found = {
                name: _embed_by_source(cells, encoder, cache, workers, progress)
                for name, cells in crops.items()
            }
        except EncoderError as error:
            failures.append(Failure(encoder.spec.id, str(error)))
            continue
        for name, rows in found.items():
            embeddings[name][encoder.spec.id] = rows
    return embeddings, tuple(failures)


def _embed_by_source(
    crops: Crops, encoder: Encoder, cache: Cache, workers: int | None, progress: Progress
) -> Float32:
    parts = crops.by_source()
    rows = [embed(part, encoder, cache, workers=workers, progress=progress) for _, part in parts]
    order = np.argsort(np.concatenate([cells for cells, _ in parts]))
    return np.concatenate(rows)[order]


def usable_voters(
    config: Config, at_hand: Mapping[str, Float32], failures: Sequence[Failure]
) -> tuple[tuple[str, ...], ...]:
    """List the voters whose encoders all work.

    Parameters
    ----------
    config : Config
    at_hand : mapping from encoder to its embeddings
    failures : sequence of Failure

    Returns
    -------
    tuple of tuple of str

    Raises
    ------
    EncoderError
        If none is left, or the clusters' own encoder failed.
    """
    reasons = " ".join(failure.reason for failure in failures)
    voters = tuple(v for v in config.encoders if all(member in at_hand for member in v))
    if not voters:
        raise EncoderError(f"No encoder could be used. {reasons}")
    if config.cluster_encoder and not all(member in at_hand for member in config.cluster_encoder):
        raise EncoderError(f"The encoder for clusters could not be used. {reasons}")
    return voters


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
            apart = centre(whole) if centred else whole
            norm = np.linalg.norm(apart, axis=1).mean() or np.float32(1)
            source[into] /= norm
            target[into] /= norm
    return source, target
