"""Sets framed and embedded (3.1): the reference, the query and further ones, all alike.

In: datasets and a configuration. Out: raw embeddings by set and encoder, and the voters whose
encoders all work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from celltransfer_core.config.config import DEFAULT, Config
from celltransfer_core.data.background import over_one_background
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.type_names import answer_named
from celltransfer_core.encoders.catalogue import encoder_names, how_to_get, load_encoder
from celltransfer_core.encoders.embedding import embed
from celltransfer_core.encoders.registry import Encoder, published_encoders
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.framing.crops import Crops
from celltransfer_core.framing.sets import frame_sets
from celltransfer_core.pipeline.features import Embeddings
from celltransfer_core.pipeline.result import Failure, Prepared, type_names
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Float32, Progress, silent
from celltransfer_core.vocabulary import QUERY, REFERENCE, and_more


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
    taken = sorted(filter(answer_named, {*reference.cell_labels.tolist()}))
    if taken:
        raise DataError(
            f"The reference has a type named {taken[0]!r}, which is also an answer to a cluster or "
            "a cell; rename the type or leave it out."
        )
    for option, names in (("--keep", config.keep), ("--must-find", config.must_find)):
        if wrong := sorted({*names} - {*reference.cell_labels.tolist()}):
            raise DataError(
                f"{option} cannot be {', '.join(wrong)}; it takes types of the reference: "
                f"{and_more(type_names(reference))}."
            )
    scales = config.um_per_px or (None, None)
    reference, query = reference.with_um_per_px(scales[0]), query.with_um_per_px(scales[1])
    sets = {REFERENCE: reference, QUERY: query, **(extras or {})}
    sets = over_one_background(sets, REFERENCE)
    encoders, failures = load_encoders(config)
    framing = frame_sets(
        sets,
        mode=config.framing,
        colour=config.colour,
        # In one unit: µm where the pixel size of every cell to compare is known.
        in_um=bool(np.isfinite([*reference.um_per_px, *query.um_per_px]).all()),
        cache=cache,
        workers=workers,
        progress=progress,
    )
    embeddings, broken = embed_sets(framing.crops, encoders, cache, workers, progress)
    failures = (*failures, *broken)
    return Prepared(
        config=config,
        reference=sets[REFERENCE],
        query=sets[QUERY],
        extras={name: sets[name] for name in extras or {}},
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
                name: embed_by_scale(cells, encoder, cache, workers, progress)
                for name, cells in crops.items()
            }
        except EncoderError as error:
            failures.append(Failure(encoder.spec.id, str(error)))
            continue
        for name, rows in found.items():
            embeddings[name][encoder.spec.id] = rows
    return embeddings, tuple(failures)


def embed_by_scale(
    crops: Crops, encoder: Encoder, cache: Cache, workers: int | None, progress: Progress = silent
) -> Float32:
    """Embed one set, each of its sources by itself as it was framed; rows come from the cache.

    Parameters
    ----------
    crops : Crops
    encoder : Encoder
    cache : Cache
    workers : int, optional
    progress : callable

    Returns
    -------
    ndarray of float32, shape (n, dim)

    Raises
    ------
    EncoderError
        If the encoder fails.
    """
    parts = crops.by_scale()
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
