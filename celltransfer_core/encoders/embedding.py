"""Embeddings (3.1): crops and an encoder in, one row a cell out, kept batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from celltransfer_core.encoders.registry import Encoder
from celltransfer_core.errors import CellTransferError, EncoderError
from celltransfer_core.framing.crops import Crops
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.runtime.environment import cpu_count
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Float32, Ints, Progress, RGBImage, silent

BATCH_SIZE = 32
"""Cells that are encoded, and kept, at once; more where the encoder's own batch is larger."""

_DECODED = 16  # images that a thread decodes at once


def embed(
    crops: Crops,
    encoder: Encoder,
    cache: Cache,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Float32:
    """Embed every cell of a set; cells that the cache holds are not embedded again.

    Parameters
    ----------
    crops : Crops
        Of n cells.
    encoder : Encoder
    cache : Cache
        Every batch is kept as soon as it is done: an interrupted run continues after it.
    batch_size : int, optional
        Cells that are encoded, and kept, at once; :data:`BATCH_SIZE`, or the encoder's own batch
        where that is larger, by default.
    workers : int, optional
        Processes; all processors by default.
    progress : callable

    Returns
    -------
    ndarray of float32, shape (n, dim)

    Raises
    ------
    EncoderError
        If the encoder fails, or its rows have a wrong shape, are not finite, or are all the same.
    ImageError
        If an image cannot be read any more.
    OutputError
        If the cache cannot be written to.
    """
    spec = encoder.spec
    stage = f"embedding {spec.id}"
    table = f"embedding/{spec.id}@{spec.version}/{crops.variant}"
    keys = crops.dataset.cells
    known, rows = cache.get(table, keys, spec.dim)
    missing = np.flatnonzero(~known)
    done = int(known.sum())
    size = batch_size or max(BATCH_SIZE, encoder.batch)
    progress(stage, done, len(keys))
    batches = in_batches(missing, size)
    encoded = _in_workers if encoder.in_workers else _decoded_ahead
    for batch, found in encoded(crops, encoder, batches, workers):
        rows[batch] = found
        cache.put(table, [keys[cell] for cell in batch], found)
        done += len(batch)
        progress(stage, done, len(keys))
    if len(rows) > 1 and (rows == rows[0]).all():
        raise EncoderError(
            f"The encoder {spec.id} gives every cell the same embedding; "
            "check its input, or leave it out of --encoders."
        )
    return rows


def _in_workers(
    crops: Crops, encoder: Encoder, batches: Sequence[Ints], workers: int | None
) -> Iterator[tuple[Ints, Float32]]:
    tasks = [crops.take(batch) for batch in batches]
    for index, found in run_tasks(partial(_encode_crops, encoder), tasks, workers=workers):
        yield batches[index], found


def _encode_crops(encoder: Encoder, crops: Crops) -> Float32:
    return encode(encoder, _decode(crops, encoder, range(len(crops))), crops.extents)


def _decoded_ahead(
    crops: Crops, encoder: Encoder, batches: Sequence[Ints], workers: int | None
) -> Iterator[tuple[Ints, Float32]]:
    threads = workers or cpu_count()
    with ThreadPoolExecutor(threads) as pool:
        # Two batches in hand: one being encoded, one being decoded.
        ahead: list[list[Future[list[RGBImage]]]] = []
        for number, batch in enumerate(batches):
            while len(ahead) < 2 and number + len(ahead) < len(batches):
                following = batches[number + len(ahead)].tolist()
                parts = in_batches(following, _DECODED)
                ahead.append([pool.submit(_decode, crops, encoder, part) for part in parts])
            images = [image for future in ahead.pop(0) for image in future.result()]
            yield batch, encode(encoder, images, crops.extents[batch])


def _decode(crops: Crops, encoder: Encoder, cells: Sequence[int]) -> list[RGBImage]:
    # Resized here too: where the model runs, nothing else should take time.
    return list(crops.resized(cells, encoder.spec.input_size))


def encode(encoder: Encoder, images: Sequence[RGBImage], extents: Float32) -> Float32:
    """Embed a batch, and check the rows.

    Parameters
    ----------
    encoder : Encoder
    images : sequence of ndarray of uint8, each (h, w, 3)
    extents : ndarray of float32, shape (n,)
        Extent of each nucleus, NaN where unknown.

    Returns
    -------
    ndarray of float32, shape (n, dim)

    Raises
    ------
    EncoderError
        If the encoder fails, or its rows have a wrong shape or are not finite.
    """
    name, dim = encoder.spec.id, encoder.spec.dim
    try:
        rows = np.asarray(encoder.encode(images, extents), dtype=np.float32)
    except CellTransferError:
        raise
    except Exception as error:
        raise EncoderError(
            f"The encoder {name} failed ({type(error).__name__}: {error}); "
            "leave it out of --encoders, or mend it."
        ) from error
    if rows.shape != (len(images), dim):
        raise EncoderError(
            f"The encoder {name} gave an array of shape {rows.shape} for {len(images)} images of "
            f"{dim} numbers each; check what its description says."
        )
    if not np.isfinite(rows).all():
        raise EncoderError(
            f"The encoder {name} gave values that are no numbers (NaN or infinite); "
            "leave it out of --encoders, or mend it."
        )
    return rows
