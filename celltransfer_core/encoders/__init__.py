"""Encoders: from images of single cells to rows of numbers (3.1)."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from celltransfer_core.cache import home
from celltransfer_core.encoders.registry import (
    BUILTIN,
    DEFAULT_ENCODERS,
    Encoder,
    EncoderSpec,
)
from celltransfer_core.errors import EncoderError, OutputError

__all__ = [
    "DEFAULT_ENCODERS",
    "AvailableEncoder",
    "Encoder",
    "EncoderSpec",
    "add_encoder",
    "available_encoders",
    "load_encoder",
    "parse_encoders",
]

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class AvailableEncoder:
    """An encoder that is here, or a file that would be one if it could be read."""

    id: str
    spec: EncoderSpec | None
    problem: str = ""
    """Why it cannot be used; empty if it can."""


def user_folder() -> Path:
    """Return where users' own encoders lie: ``CELLTRANSFER_HOME/encoders``."""
    return home() / "encoders"


def available_encoders(folder: Path | None = None) -> tuple[AvailableEncoder, ...]:
    """List the encoders that are here: the built-in ones and the user's own.

    Parameters
    ----------
    folder : Path, optional
        Of the user's own; :func:`user_folder` by default.

    Returns
    -------
    tuple of AvailableEncoder
    """
    from celltransfer_core.encoders.onnx import read_spec

    found = [AvailableEncoder(spec.id, spec) for spec in BUILTIN]
    folder = folder or user_folder()
    for model in sorted(folder.glob("*.onnx")) if folder.is_dir() else []:
        try:
            found.append(AvailableEncoder(model.stem, read_spec(model.stem, model)))
        except EncoderError as error:
            found.append(AvailableEncoder(model.stem, None, str(error)))
    return tuple(found)


def load_encoder(encoder_id: str, folder: Path | None = None) -> Encoder:
    """Load an encoder.

    Parameters
    ----------
    encoder_id : str
    folder : Path, optional
        Of the user's own; :func:`user_folder` by default.

    Returns
    -------
    Encoder

    Raises
    ------
    EncoderError
        If there is none of that name, or it cannot be read.
    """
    from celltransfer_core.encoders.builtin import load_builtin
    from celltransfer_core.encoders.onnx import OnnxEncoder

    for spec in BUILTIN:
        if spec.id == encoder_id:
            return load_builtin(spec)
    model = (folder or user_folder()) / f"{encoder_id}.onnx"
    if not _NAME.fullmatch(encoder_id) or not model.is_file():
        known = ", ".join(entry.id for entry in available_encoders(folder))
        raise EncoderError(
            f"There is no encoder {encoder_id!r}; there are {known}. Your own go into "
            f"{folder or user_folder()}."
        )
    return OnnxEncoder(encoder_id, model)


def add_encoder(encoder_id: str, model: Path, folder: Path | None = None) -> EncoderSpec:
    """Check a user's ONNX file on a blank image and copy it to where encoders lie.

    Parameters
    ----------
    encoder_id : str
        Name to call it by.
    model : Path
        ``NAME.onnx``, with ``NAME.json`` beside it.
    folder : Path, optional
        :func:`user_folder` by default.

    Returns
    -------
    EncoderSpec

    Raises
    ------
    EncoderError
        If the name is taken or odd, or the model cannot be used.
    OutputError
        If it cannot be copied.
    """
    import numpy as np

    from celltransfer_core.encoders.onnx import OnnxEncoder

    if not _NAME.fullmatch(encoder_id) or encoder_id in {spec.id for spec in BUILTIN}:
        raise EncoderError(
            f"{encoder_id!r} cannot be an encoder's name; use letters, digits, - _ . and not one "
            f"of {', '.join(spec.id for spec in BUILTIN)}."
        )
    encoder = OnnxEncoder(encoder_id, model)
    blank = np.zeros((encoder.spec.input_size, encoder.spec.input_size, 3), dtype=np.uint8)
    encoder.encode([blank], np.full(1, np.nan, dtype=np.float32))
    folder = folder or user_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix in (".json", ".onnx"):  # the model last: without it nothing is listed
            beside = folder / f".{encoder_id}{suffix}.part"
            shutil.copyfile(model.with_suffix(suffix), beside)
            beside.replace(folder / f"{encoder_id}{suffix}")
    except OSError as error:
        raise OutputError(f"Cannot copy {model} to {folder} ({error.strerror}).") from error
    return encoder.spec


def parse_encoders(text: str) -> tuple[tuple[str, ...], ...]:
    """Read a list of voters: ``A,B,C+D``, where ``+`` concatenates.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of tuple of str

    Raises
    ------
    EncoderError
        If a name is missing or odd, or a voter stands there twice.
    """
    voters = tuple(tuple(m.strip() for m in part.split("+")) for part in text.split(","))
    for voter in voters:
        if not all(_NAME.fullmatch(member) for member in voter):
            raise EncoderError(
                f"{text!r} is no list of encoders; write names with commas between them, and + to "
                "concatenate: colour,shape,colour+shape."
            )
        if len(set(voter)) < len(voter):
            raise EncoderError(f"{'+'.join(voter)} names one encoder twice.")
    if len({tuple(sorted(voter)) for voter in voters}) < len(voters):
        raise EncoderError(f"{text!r} names one voter twice.")
    return voters
