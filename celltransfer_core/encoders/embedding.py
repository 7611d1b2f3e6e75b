"""Embed crops with an encoder (3.1), one row per cell, caching each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from celltransfer_core.encoders.builtin import DescriptorEncoder, describe
from celltransfer_core.encoders.registry import BUILTIN, Encoder, EncoderSpec
from celltransfer_core.errors import CellTransferError, EncoderError
from celltransfer_core.framing.crops import Crops
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.runtime.system import cpu_count
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import Float32, Ints, Progress, RGBImage, silent

BATCH_SIZE = 32
"""Number of cells encoded and cached at once; more if the encoder's own batch is larger."""

_DECODED = 16  # images decoded per thread


def embed(
    crops: Crops,
    encoder: Encoder,
    cache: Cache,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Float32:
    """Embed every cell of a set, reusing cached rows.

    Parameters
    ----------
    crops : Crops
        Crops of n cells.
    encoder : Encoder
    cache : Cache
        Every batch is stored as soon as it is done, so that an interrupted run continues there.
    batch_size : int, optional
        Number of cells encoded and cached at once; by default :data:`BATCH_SIZE`, or the encoder's
        own batch if larger.
    workers : int, optional
        Number of processes; one per processor by default.
    progress : callable

    Returns
    -------
    ndarray of float32, shape (n, dim)

    Raises
    ------
    EncoderError
        If the encoder fails, or its rows have a wrong shape, are not finite, or are all equal.
    ImageError
        If an image can no longer be read.
    OutputError
        If the cache cannot be written to.
    """
    return embed_together(
        crops, [encoder], cache, batch_size=batch_size, workers=workers, progress=progress
    )[0]


def embed_together(
    crops: Crops,
    encoders: Sequence[Encoder],
    cache: Cache,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    proven: bool = False,
) -> list[Float32]:
    """Embed every cell of a set with encoders that share intermediate results; see :func:`embed`.

    Parameters
    ----------
    crops : Crops
        Crops of n cells; each is read, cropped and prepared once for all encoders.
    encoders : sequence of Encoder
        One encoder, or a group from :func:`grouped`.
    cache, batch_size, workers, progress
        As for :func:`embed`.
    proven : bool
        Whether the encoders are known to tell cells apart; then equal rows are those of cells that
        look alike, and no error.

    Returns
    -------
    list of ndarray of float32, each (n, dim)
        One per encoder.

    Raises
    ------
    EncoderError, ImageError, OutputError
        As for :func:`embed`; an error of one encoder stops all of them.
    """
    stage = embedding_stage([encoder.spec.id for encoder in encoders])
    specs = [encoder.spec for encoder in encoders]
    tables = [_table(crops, spec) for spec in specs]
    keys = crops.dataset.cells
    kept = [cache.get(table, keys, spec.dim) for table, spec in zip(tables, specs, strict=True)]
    known = np.all([found for found, _ in kept], axis=0)
    missing = np.flatnonzero(~known)
    done = int(known.sum())
    size = batch_size or max(BATCH_SIZE, *(encoder.batch for encoder in encoders))
    progress(stage, done, len(keys))
    batches = in_batches(missing, size)
    encoded = _in_workers if encoders[0].in_workers else _decoded_ahead
    for batch, found in encoded(crops, encoders, batches, workers):
        names = [keys[cell] for cell in batch]
        for table, (_, rows), new in zip(tables, kept, found, strict=True):
            rows[batch] = new
            cache.put(table, names, new)
        done += len(batch)
        progress(stage, done, len(keys))
    for spec, (_, rows) in zip(specs, kept, strict=True):
        if not proven and len(rows) > 1 and (rows == rows[0]).all():
            raise EncoderError(
                f"The encoder {spec.id} gives every cell the same embedding; "
                "check its input, or leave it out of --encoders."
            )
    return [rows for _, rows in kept]


def kept_rows(crops: Crops, spec: EncoderSpec, cache: Cache) -> Float32 | None:
    """Read the cached rows of a set, without loading the encoder.

    Parameters
    ----------
    crops : Crops
        Crops of one source and one scale.
    spec : EncoderSpec
    cache : Cache

    Returns
    -------
    ndarray of float32, shape (n, dim), or None
        None if any row is missing.
    """
    known, rows = cache.get(_table(crops, spec), crops.dataset.cells, spec.dim)
    return rows if known.all() else None


def _table(crops: Crops, spec: EncoderSpec) -> str:
    return f"embedding/{spec.id}@{spec.version}/{crops.variant}"


def embedding_stage(encoders: Sequence[str]) -> str:
    """Return the name of the stage in which some encoders embed, as used in progress reports.

    Parameters
    ----------
    encoders : sequence of str
        Encoder ids.

    Returns
    -------
    str

    Examples
    --------
    >>> embedding_stage(["colour", "shape"])
    'embedding colour+shape'
    """
    return f"embedding {'+'.join(encoders)}"


def grouped(encoders: Sequence[str]) -> list[tuple[str, ...]]:
    """Group encoders that share intermediate results, which are the built-in ones.

    Parameters
    ----------
    encoders : sequence of str
        Encoder ids.

    Returns
    -------
    list of tuple of str
        Groups in the order of their first members.

    Examples
    --------
    >>> grouped(["cell", "colour", "dinov2", "shape"])
    [('cell',), ('colour', 'shape'), ('dinov2',)]
    """
    built_in = {spec.id for spec in BUILTIN}
    groups: dict[str, tuple[str, ...]] = {}
    for name in encoders:
        key = BUILTIN[0].loader if name in built_in else f"{name} alone"
        groups[key] = (*groups.get(key, ()), name)
    return list(groups.values())


def _in_workers(
    crops: Crops, encoders: Sequence[Encoder], batches: Sequence[Ints], workers: int | None
) -> Iterator[tuple[Ints, list[Float32]]]:
    tasks = [crops.take(batch) for batch in batches]
    for index, found in run_tasks(partial(_encode_crops, encoders), tasks, workers=workers):
        yield batches[index], found


def _encode_crops(encoders: Sequence[Encoder], crops: Crops) -> list[Float32]:
    images = _decode(crops, encoders[0], range(len(crops)))
    alike = [one for one in encoders if isinstance(one, DescriptorEncoder)]
    if len(alike) < len(encoders):
        return [encode(one, images, crops.extents) for one in encoders]
    return _checked(
        [one.spec for one in alike], partial(describe, alike, images, crops.extents), len(images)
    )


def _decoded_ahead(
    crops: Crops, encoders: Sequence[Encoder], batches: Sequence[Ints], workers: int | None
) -> Iterator[tuple[Ints, list[Float32]]]:
    (encoder,) = encoders
    threads = workers or cpu_count()
    with ThreadPoolExecutor(threads) as pool:
        # Two batches at a time: one is encoded while the next is decoded.
        ahead: list[list[Future[list[RGBImage]]]] = []
        for number, batch in enumerate(batches):
            while len(ahead) < 2 and number + len(ahead) < len(batches):
                following = batches[number + len(ahead)].tolist()
                parts = in_batches(following, _DECODED)
                ahead.append([pool.submit(_decode, crops, encoder, part) for part in parts])
            images = [image for future in ahead.pop(0) for image in future.result()]
            yield batch, [encode(encoder, images, crops.extents[batch])]


def _decode(crops: Crops, encoder: Encoder, cells: Sequence[int]) -> list[RGBImage]:
    # Resized here too, so that the model's thread does nothing else.
    return list(crops.resized(cells, encoder.spec.input_size))


def encode(encoder: Encoder, images: Sequence[RGBImage], extents: Float32) -> Float32:
    """Embed a batch and check the rows.

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

    def work() -> list[Float32]:
        return [encoder.encode(images, extents)]

    return _checked([encoder.spec], work, len(images))[0]


def _checked(
    specs: Sequence[EncoderSpec], work: Callable[[], Sequence[Float32]], count: int
) -> list[Float32]:
    """Encode a batch of ``count`` images, and check the rows of each encoder."""
    try:
        found = [np.asarray(rows, dtype=np.float32) for rows in work()]
    except CellTransferError:
        raise
    except Exception as error:
        names = " + ".join(spec.id for spec in specs)
        raise EncoderError(
            f"The encoder {names} failed ({type(error).__name__}: {error}); leave it out of "
            "--encoders, or fix it."
        ) from error
    for spec, rows in zip(specs, found, strict=True):
        if rows.shape != (count, spec.dim):
            raise EncoderError(
                f"The encoder {spec.id} gave an array of shape {rows.shape} for {count} images of "
                f"{spec.dim} numbers each; check its description."
            )
        if not np.isfinite(rows).all():
            raise EncoderError(
                f"The encoder {spec.id} gave values that are not numbers (NaN or infinite); leave "
                "it out of --encoders, or fix it."
            )
    return found
