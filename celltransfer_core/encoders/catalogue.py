"""List, load, add and fetch encoders (3.1) by name, and parse lists of voters."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from celltransfer_core.about import ASSETS
from celltransfer_core.encoders.registry import BUILTIN, Encoder, EncoderSpec, published_encoders
from celltransfer_core.encoders.weights import (
    add_weights,
    at_hand,
    fetch,
    how_to_fetch,
    weights_folder,
    with_version,
)
from celltransfer_core.errors import EncoderError
from celltransfer_core.runtime.extras import how_to_install, missing
from celltransfer_core.runtime.files import write_whole
from celltransfer_core.runtime.home_folder import home

SHIPPED = ASSETS / "encoders"
"""Trained encoders that are shipped with CellTransfer, each with its model card."""

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class AvailableEncoder:
    """An encoder that is installed or can be fetched, or a file that cannot be used as one."""

    id: str
    spec: EncoderSpec | None
    problem: str = ""
    """Why it cannot be used; empty if it can."""
    here: bool = True
    """Whether its weights are on this machine."""


def user_folder() -> Path:
    """Return the folder of the user's encoders, ``CELLTRANSFER_HOME/encoders``.

    Returns
    -------
    Path
    """
    return home() / "encoders"


def available_encoders(folder: Path | None = None) -> tuple[AvailableEncoder, ...]:
    """List all encoders: shipped, built-in, published, and the user's own.

    Parameters
    ----------
    folder : Path, optional
        Folder of the user's encoders; :func:`user_folder` by default.

    Returns
    -------
    tuple of AvailableEncoder
        Each version of a user's encoder is tested once in a separate process, and can be used if
        it has no problem. Published encoders are listed whether or not their weights are on this
        machine.
    """
    from celltransfer_core.encoders.onnx import read_spec
    from celltransfer_core.encoders.trial import encoder_problem

    found = [
        AvailableEncoder(model.stem, read_spec(model.stem, model)) for model in _models(SHIPPED)
    ]
    found += [AvailableEncoder(spec.id, spec) for spec in BUILTIN]
    for spec in published_encoders().values():
        here = at_hand(spec, folder or user_folder())
        problem = _without_packages() if here else ""
        found.append(AvailableEncoder(spec.id, None if problem else spec, problem, here=here))
    for model in _models(folder or user_folder()):
        try:
            _check_name(model.stem)
            spec = read_spec(model.stem, model)
            problem = encoder_problem(model.stem, model, spec.version)
            found.append(AvailableEncoder(model.stem, None if problem else spec, problem))
        except EncoderError as error:
            found.append(AvailableEncoder(model.stem, None, str(error)))
    return tuple(found)


def encoder_names(folder: Path | None = None) -> tuple[str, ...]:
    """List the names of the encoders on this machine without opening any.

    Parameters
    ----------
    folder : Path, optional
        Folder of the user's encoders; :func:`user_folder` by default.

    Returns
    -------
    tuple of str
    """
    published = [
        spec.id
        for spec in published_encoders().values()
        if at_hand(spec, folder or user_folder()) and not _without_packages()
    ]
    own = [model.stem for model in _models(folder or user_folder())]
    free = (n for n in own if _NAME.fullmatch(n) and n not in _taken())
    return (*_always_here(), *published, *free)


def _without_packages() -> str:
    """Explain what published encoders lack on this machine besides weights, if anything."""
    if not (gone := missing("encoders")):
        return ""
    return f"packages are not installed ({', '.join(gone)}). Install them with: " + how_to_install(
        "encoders"
    )


def shipped_networks() -> tuple[str, ...]:
    """List the networks shipped with CellTransfer, each for one kind of cell.

    Returns
    -------
    tuple of str
        Encoder ids.
    """
    return tuple(model.stem for model in _models(SHIPPED))


def _always_here() -> tuple[str, ...]:
    return (*shipped_networks(), *(spec.id for spec in BUILTIN))


def _taken() -> tuple[str, ...]:
    return (*_always_here(), *published_encoders())


def _models(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.onnx"))


def load_encoder(encoder_id: str, folder: Path | None = None) -> Encoder:
    """Load an encoder to run in this process.

    Parameters
    ----------
    encoder_id : str
    folder : Path, optional
        Folder of the user's encoders; :func:`user_folder` by default. A model is a program, so a
        multi-user server never loads it directly, see :mod:`celltransfer_core.runtime.apart`.

    Returns
    -------
    Encoder

    Raises
    ------
    EncoderError
        If there is no encoder of that name, or it cannot be read, or its weights are missing.
    """
    from celltransfer_core.encoders.builtin import load_builtin
    from celltransfer_core.encoders.foundation import FoundationEncoder
    from celltransfer_core.encoders.onnx import OnnxEncoder

    for spec in BUILTIN:
        if spec.id == encoder_id:
            return load_builtin(spec)
    shipped = SHIPPED / f"{encoder_id}.onnx"
    if _NAME.fullmatch(encoder_id) and shipped.is_file():
        return OnnxEncoder(encoder_id, shipped)
    folder = folder or user_folder()
    if published := published_encoders().get(encoder_id):
        if not at_hand(published, folder):
            raise EncoderError(how_to_get(encoder_id))
        spec = with_version(published, folder)
        return FoundationEncoder(spec, weights_folder(spec, folder))
    model = folder / f"{encoder_id}.onnx"
    if not _NAME.fullmatch(encoder_id) or not model.is_file():
        raise EncoderError(how_to_get(encoder_id))
    return OnnxEncoder(encoder_id, model)


def _check_name(encoder_id: str) -> None:
    taken = _taken()
    if not _NAME.fullmatch(encoder_id) or encoder_id in taken:
        raise EncoderError(
            f"{encoder_id!r} cannot be an encoder's name; use letters, digits and - _ . but none "
            f"of {', '.join(taken)}."
        )


def add_encoder(encoder_id: str, model: Path, folder: Path | None = None) -> EncoderSpec:
    """Test a user's encoder on blank images and copy it to the folder of encoders.

    Parameters
    ----------
    encoder_id : str
        New name; the name of a published encoder to add weights for it.
    model : Path
        ``NAME.onnx``, with ``NAME.json`` in the same folder; or weights of the published encoder,
        as safetensors or a torch checkpoint.
    folder : Path, optional
        :func:`user_folder` by default.

    Returns
    -------
    EncoderSpec

    Raises
    ------
    EncoderError
        If the name is taken or invalid, or the model cannot be used; see
        :func:`~celltransfer_core.encoders.trial.try_encoder`.
    OutputError
        If it cannot be copied.
    """
    from celltransfer_core.encoders.trial import try_encoder

    if encoder_id in published_encoders():
        if not model.is_file():
            raise EncoderError(f"There is no file {model}.")
        return add_weights(published_encoders()[encoder_id], model, folder or user_folder())
    _check_name(encoder_id)
    if model.suffix != ".onnx":
        raise EncoderError(f"{model} does not have the name of an ONNX file; it must end in .onnx.")
    spec = try_encoder(encoder_id, model)
    folder = folder or user_folder()
    for suffix in (".json", ".onnx"):  # the model last: without it, the encoder is not listed
        write_whole(
            folder / f"{encoder_id}{suffix}",
            partial(shutil.copyfile, model.with_suffix(suffix)),
            problem=lambda reason: (
                f"Cannot copy {model} to {folder} ({reason}); free some space there, or set "
                "CELLTRANSFER_HOME to another folder, and add it again."
            ),
        )
    return spec


def fetch_encoder(encoder_id: str, folder: Path | None = None) -> EncoderSpec:
    """Download a published encoder's weights.

    Parameters
    ----------
    encoder_id : str
    folder : Path, optional
        :func:`user_folder` by default.

    Returns
    -------
    EncoderSpec

    Raises
    ------
    EncoderError
        If no encoder of that name can be fetched, or the hub cannot be reached.
    OutputError
        If the weights cannot be saved.
    """
    return fetch(published_encoder(encoder_id), folder or user_folder())


def how_to_get(encoder_id: str) -> str:
    """Explain why an encoder is not available, and what to do.

    Parameters
    ----------
    encoder_id : str

    Returns
    -------
    str
    """
    if encoder_id in published_encoders():
        ways = how_to_fetch(published_encoders()[encoder_id])
        without = _without_packages()
        return f"The encoder {encoder_id} cannot run here: {without} {ways}" if without else ways
    return (
        f"There is no encoder {encoder_id!r}; installed are {', '.join(encoder_names())}, "
        f"available for download {', '.join(published_encoders())}. Your own encoders go into "
        f"{user_folder()}."
    )


def published_encoder(encoder_id: str) -> EncoderSpec:
    """Look up an encoder that can be fetched.

    Parameters
    ----------
    encoder_id : str

    Returns
    -------
    EncoderSpec

    Raises
    ------
    EncoderError
        If there is no such encoder.
    """
    if encoder_id not in published_encoders():
        raise EncoderError(
            f"{encoder_id!r} cannot be downloaded; available are {', '.join(published_encoders())}."
        )
    return published_encoders()[encoder_id]


def parse_encoders(text: str) -> tuple[tuple[str, ...], ...]:
    """Parse a list of voters such as ``A,B,C+D``, where ``+`` concatenates.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of tuple of str

    Raises
    ------
    EncoderError
        If a name is missing or invalid, or a voter is named twice.
    """
    voters = tuple(tuple(m.strip() for m in part.split("+")) for part in text.split(","))
    for voter in voters:
        if not all(_NAME.fullmatch(member) for member in voter):
            raise EncoderError(
                f"{text!r} is not a list of encoders; write names separated by commas, and + to "
                "concatenate: colour,shape,colour+shape."
            )
        if len(set(voter)) < len(voter):
            raise EncoderError(f"{'+'.join(voter)} names one encoder twice.")
    if len({tuple(sorted(voter)) for voter in voters}) < len(voters):
        raise EncoderError(f"{text!r} names one voter twice.")
    return voters
