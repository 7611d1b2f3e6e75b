"""Embeddings of a finished study, read from the cache for a page.

The features that a study's clusters were found on are read for its prepared sets. Pages never run
a model: embeddings missing from the cache are computed again in a separate process.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from celltransfer_core.encoders.catalogue import load_encoder
from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.errors import EncoderError
from celltransfer_core.framing.crops import Crops
from celltransfer_core.pipeline.embedded import embed_by_scale
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.runtime.apart import EndedError, run_apart
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Float32, RGBImage
from celltransfer_core.vocabulary import QUERY, REFERENCE

_SECONDS, _MEMORY = 600.0, 8_000_000_000  # limits for computing embeddings while a page waits


def query_embeddings(prepared: Prepared, cache: Cache) -> Float32:
    """Read the features that the query's clusters were found on.

    Parameters
    ----------
    prepared : Prepared
        With or without its embeddings.
    cache : Cache
        Cache of embeddings; missing ones are computed again in a separate process.

    Returns
    -------
    ndarray of float32, shape (m, d)

    Raises
    ------
    CellTransferError
        If an encoder or an image can no longer be read, or the encoder has changed.
    """
    return with_embeddings(prepared, cache, prepared.cluster_on).cluster_features


def with_embeddings(
    prepared: Prepared, cache: Cache, encoders: Sequence[str] | None = None
) -> Prepared:
    """Read the embeddings of prepared sets.

    Parameters
    ----------
    prepared : Prepared
        With or without its embeddings.
    cache : Cache
        See :func:`query_embeddings`.
    encoders : sequence of str, optional
        Encoders to read, of the reference and the query only; by default all encoders of all sets.

    Returns
    -------
    Prepared

    Raises
    ------
    CellTransferError
        See :func:`query_embeddings`.
    """
    specs = {spec.id: spec for spec in prepared.encoders}
    sets = [*prepared.framing.crops] if encoders is None else [REFERENCE, QUERY]
    rows = {
        name: {
            encoder: _kept_rows(prepared.framing.crops[name], specs[encoder], cache)
            for encoder in (specs if encoders is None else encoders)
        }
        for name in sets
    }
    return replace(prepared, embeddings=rows)


@dataclass
class _NotLoaded:
    """An encoder whose rows are read from the cache; pages never run a model."""

    spec: EncoderSpec
    in_workers: bool = False
    batch: int = 1

    def encode(self, images: Sequence[RGBImage], extents: Float32) -> Float32:  # noqa: ARG002
        raise EncoderError(
            f"The embeddings of {self.spec.id} are no longer kept, and the encoder has changed; "
            "compute the study again."
        )


def _kept_rows(crops: Crops, spec: EncoderSpec, cache: Cache) -> Float32:
    with suppress(EncoderError):
        return embed_by_scale(crops, _NotLoaded(spec), cache, 1)
    try:
        work = partial(_embed_again, spec.id, crops, cache)
        run_apart(work, seconds=_SECONDS, memory=_MEMORY)
    except EndedError as error:
        raise EncoderError(
            f"The embeddings of {spec.id} are no longer kept, and computing them again {error}."
        ) from error
    return embed_by_scale(crops, _NotLoaded(spec), cache, 1)


def _embed_again(encoder: str, crops: Crops, cache: Cache) -> None:
    embed_by_scale(crops, load_encoder(encoder), cache, 1)
