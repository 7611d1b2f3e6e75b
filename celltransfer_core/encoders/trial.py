"""Test whether an untrusted ONNX file can be used as an encoder (3.1).

The file is read and run on blank images in a separate process, with limits on time and memory,
before anything else opens it.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from celltransfer_core.encoders.embedding import encode
from celltransfer_core.encoders.onnx import OnnxEncoder, read_spec
from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.errors import CellTransferError, EncoderError
from celltransfer_core.runtime.apart import EndedError, run_apart

SECONDS = 60.0
"""Maximum number of seconds to read a model and embed its first batch."""

MEMORY = 4_000_000_000
"""Maximum number of bytes of memory for this, besides :data:`COPIES` of the file."""

COPIES = 3
"""Maximum number of copies of a model's weights in memory while it is read."""


def try_encoder(encoder_id: str, model: Path) -> EncoderSpec:
    """Test a user's encoder on a batch of blank images.

    Parameters
    ----------
    encoder_id : str
    model : Path
        See :func:`~celltransfer_core.encoders.onnx.read_spec`.

    Returns
    -------
    EncoderSpec

    Raises
    ------
    EncoderError
        If it cannot be read or run, takes too long or too much memory, or crashes its process.
    """
    spec = read_spec(encoder_id, model)
    memory = MEMORY + COPIES * model.stat().st_size
    try:
        work = partial(_embed_blank, encoder_id, model.absolute())
        run_apart(work, seconds=SECONDS, memory=memory)
    except EndedError as error:
        raise EncoderError(
            f"{model.name} cannot be used: it {error} when it was tried on a batch of blank "
            "images. Export it again, smaller or without loops."
        ) from error
    except CellTransferError as error:
        raise EncoderError(str(error)) from error
    return spec


@lru_cache(maxsize=256)
def encoder_problem(encoder_id: str, model: Path, version: str) -> str:  # noqa: ARG001
    """Return why a user's encoder cannot be used; each version of its files is tested once.

    Parameters
    ----------
    encoder_id : str
    model : Path
    version : str
        See :func:`~celltransfer_core.encoders.onnx.read_spec`.

    Returns
    -------
    str
        Empty if it can.
    """
    try:
        try_encoder(encoder_id, model)
    except EncoderError as error:
        return str(error)
    return ""


def _embed_blank(encoder_id: str, model: Path) -> None:
    encoder = OnnxEncoder(encoder_id, model)
    blank = np.zeros((encoder.spec.input_size, encoder.spec.input_size, 3), dtype=np.uint8)
    encode(encoder, [blank], np.full(1, np.nan, dtype=np.float32))
