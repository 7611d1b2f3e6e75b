"""Loading of encoders, and embedding of sets with them (3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from celltransfer_core.config.config import Config
from celltransfer_core.encoders.catalogue import encoder_names, how_to_get, load_encoder
from celltransfer_core.encoders.embedding import embed_together, grouped
from celltransfer_core.encoders.registry import Encoder, published_encoders
from celltransfer_core.errors import EncoderError
from celltransfer_core.framing.crops import Crops
from celltransfer_core.pipeline.features import Embeddings
from celltransfer_core.pipeline.result import Failure
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.runtime.progress import counted_together
from celltransfer_core.types import Float32, Progress, silent


def load_encoders(config: Config) -> tuple[tuple[Encoder, ...], tuple[Failure, ...]]:
    """Load every encoder that the configuration names, and report those that cannot be read.

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
        If a name is unknown.
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
    *,
    proven: bool = False,
) -> tuple[Embeddings, tuple[Failure, ...]]:
    """Embed every set with every encoder (3.1); an encoder that fails is left out everywhere.

    Parameters
    ----------
    crops : mapping from set name to Crops
    encoders : sequence of Encoder
    cache : Cache
    workers : int, optional
    progress : callable
    proven : bool
        See :func:`~celltransfer_core.encoders.embedding.embed_together`.

    Returns
    -------
    embeddings : mapping from set name to mapping from encoder to ndarray of float32
    failures : tuple of Failure
    """
    embeddings: dict[str, dict[str, Float32]] = {name: {} for name in crops}
    failures = []
    by_id = {encoder.spec.id: encoder for encoder in encoders}
    waiting = grouped([*by_id])
    while waiting:
        group = waiting.pop(0)
        together = [by_id[name] for name in group]
        parts = counted_together(progress, [len(cells) for cells in crops.values()])
        try:
            found = {
                name: _embed_parts(cells, together, cache, workers, part, proven=proven)
                for (name, cells), part in zip(crops.items(), parts, strict=True)
            }
        except EncoderError as error:
            if len(group) > 1:  # one at a time, so that only the one that fails is left out
                waiting = [*((name,) for name in group), *waiting]
            else:
                failures.append(Failure(group[0], str(error)))
            continue
        for name, rows in found.items():
            embeddings[name] |= dict(zip(group, rows, strict=True))
    # In the order in which they were named.
    named = [name for name in by_id if name in next(iter(embeddings.values()))]
    ordered = {of: {name: rows[name] for name in named} for of, rows in embeddings.items()}
    return ordered, tuple(failures)


def embed_by_scale(
    crops: Crops, encoder: Encoder, cache: Cache, workers: int | None, progress: Progress = silent
) -> Float32:
    """Embed one set, each of its sources separately as it was framed, reading rows from the cache.

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
    return _embed_parts(crops, [encoder], cache, workers, progress)[0]


def _embed_parts(
    crops: Crops,
    encoders: Sequence[Encoder],
    cache: Cache,
    workers: int | None,
    progress: Progress,
    *,
    proven: bool = False,
) -> list[Float32]:
    """Embed the sources of a set one by one with a group of encoders."""
    parts = crops.by_scale()
    counts = counted_together(progress, [len(cells) for cells, _ in parts])
    found = [
        embed_together(part, encoders, cache, workers=workers, progress=count, proven=proven)
        for (_, part), count in zip(parts, counts, strict=True)
    ]
    order = np.argsort(np.concatenate([cells for cells, _ in parts]))
    return [np.concatenate(rows)[order] for rows in zip(*found, strict=True)]
