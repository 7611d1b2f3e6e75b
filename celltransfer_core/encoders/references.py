"""Identify encoders (3.1) so that the same one can be found on another machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from celltransfer_core.encoders.catalogue import encoder_names, how_to_get, load_encoder
from celltransfer_core.encoders.registry import Encoder, EncoderSpec
from celltransfer_core.errors import EncoderError


@dataclass(frozen=True)
class EncoderReference:
    """An encoder that a classifier needs, looked up by name on each machine."""

    id: str
    version: str
    dim: int
    fingerprint: str
    """Hash of everything that determines its embeddings."""


def encoder_reference(spec: EncoderSpec) -> EncoderReference:
    """Describe an encoder so that another machine can check whether it has the same one.

    Parameters
    ----------
    spec : EncoderSpec

    Returns
    -------
    EncoderReference
    """
    told = ("id", "name", "licence", "source", "trained_on", "overlap", "files", "size_mb")
    deciding = {name: value for name, value in asdict(spec).items() if name not in told}
    text = json.dumps(deciding, sort_keys=True, default=str)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return EncoderReference(spec.id, spec.version, spec.dim, fingerprint)


def usable_encoder(wanted: EncoderReference) -> Encoder:
    """Load an encoder that a classifier needs.

    Parameters
    ----------
    wanted : EncoderReference

    Returns
    -------
    Encoder

    Raises
    ------
    EncoderError
        If there is no encoder of that name, or it is a different one.
    """
    if wanted.id not in encoder_names():
        raise EncoderError(f"The classifier needs the encoder {wanted.id}. {how_to_get(wanted.id)}")
    encoder = load_encoder(wanted.id)
    if encoder_reference(encoder.spec).fingerprint != wanted.fingerprint:
        raise EncoderError(
            f"The installed encoder {wanted.id} (version {encoder.spec.version}) is not the one "
            f"the classifier was trained with (version {wanted.version}). Install that one, or "
            "train the classifier again: run with the installed encoder, then export --model."
        )
    return encoder
