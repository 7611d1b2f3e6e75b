"""Fetch weights of published encoders (3.1) from the hub, or add them from a file.

They are first saved to a hidden folder next to their destination, tested on a blank image, and only
then moved to the destination in one step.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.errors import EncoderError, OutputError, one_line
from celltransfer_core.runtime.environment import send_no_reports
from celltransfer_core.runtime.extras import need

send_no_reports()  # before the hub's library is imported

SOURCE_FILE = "source.json"
"""File next to the weights that holds their origin and their hash, which is part of cache keys."""


def weights_folder(spec: EncoderSpec, folder: Path) -> Path:
    """Return the folder of an encoder's weights, whether or not it exists.

    Parameters
    ----------
    spec : EncoderSpec
    folder : Path
        Folder of all encoders.

    Returns
    -------
    Path
    """
    return folder / spec.id


def at_hand(spec: EncoderSpec, folder: Path) -> bool:
    """Return whether all files that an encoder needs are on this machine.

    Parameters
    ----------
    spec : EncoderSpec
    folder : Path
        Folder of all encoders.

    Returns
    -------
    bool
    """
    here = weights_folder(spec, folder)
    return all((here / name).is_file() for name in (*spec.files, SOURCE_FILE))


def how_to_fetch(spec: EncoderSpec) -> str:
    """Explain how to get missing weights.

    Parameters
    ----------
    spec : EncoderSpec

    Returns
    -------
    str
    """
    return (
        f"The weights of {spec.id} are not installed ({spec.size_mb:,} MB, {spec.licence}). "
        f"Download them with: python -m celltransfer_core encoders fetch {spec.id}. Without "
        f"internet, copy {' and '.join(spec.files)} of {spec.hub} to this machine and add them "
        f"with: python -m celltransfer_core encoders add {spec.id} FILE."
    )


def with_version(spec: EncoderSpec, folder: Path) -> EncoderSpec:
    """Add the hash of the weights to the version of an encoder.

    Parameters
    ----------
    spec : EncoderSpec
    folder : Path
        Folder of all encoders.

    Returns
    -------
    EncoderSpec

    Raises
    ------
    EncoderError
        If :data:`SOURCE_FILE` cannot be read.
    """
    path = weights_folder(spec, folder) / SOURCE_FILE
    try:
        digest = json.loads(path.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(f"{path} cannot be read ({error}). {how_to_fetch(spec)}") from error
    return replace(spec, version=f"{spec.version}-{digest[:16]}")


def fetch(spec: EncoderSpec, folder: Path) -> EncoderSpec:
    """Download an encoder's weights from the hub, or from the mirror given by HF_ENDPOINT.

    An interrupted download is resumed; files are verified against the hub's SHA-256.

    Parameters
    ----------
    spec : EncoderSpec
    folder : Path
        Folder of all encoders.

    Returns
    -------
    EncoderSpec
        Specification with its version.

    Raises
    ------
    EncoderError
        If the hub cannot be reached or does not have the files, or if a file is damaged or cannot
        be used.
    OutputError
        If they cannot be saved.
    """
    need("encoders", f"The encoder {spec.id}", EncoderError)
    beside = folder / f".{spec.id}.part"
    try:
        beside.mkdir(parents=True, exist_ok=True)
        commits = [_download(spec, name, beside) for name in spec.files]
        for path in beside.iterdir():
            if path.name not in spec.files:  # left over from a version that the hub no longer has
                path.unlink()
    except OSError as error:
        raise OutputError(
            f"The weights of {spec.id} cannot be saved in {folder} ({error.strerror}); free "
            f"{spec.size_mb:,} MB and run again: the download continues where it stopped."
        ) from error
    return _install(spec, beside, folder, f"{spec.hub}@{commits[0]}")


def _download(spec: EncoderSpec, name: str, into: Path) -> str:
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
    from huggingface_hub.file_download import http_get

    path, token = into / name, get_token()
    try:
        remote = get_hf_file_metadata(hf_hub_url(spec.hub, name))
        # The hub's own downloader restarts if a process was stopped, because its partial files are
        # named by process. Here they are named by the content of the complete file.
        part = into / f"{name}.{remote.etag}"
        with part.open("ab") as file:
            http_get(
                hf_hub_url(spec.hub, name, revision=remote.commit_hash),
                file,
                resume_size=part.stat().st_size,
                headers={"authorization": f"Bearer {token}"} if token else {},
                expected_size=remote.size,
                displayed_filename=f"{spec.id}: {name}",
            )
    # Its errors are those of its HTTP library, which differs between releases.
    except Exception as error:
        if isinstance(error, OSError) and _is_of_the_disk(error):
            raise
        raise _unreachable(spec, error) from error
    # The hub identifies weight files by SHA-256, and small files by their git hash.
    if remote.etag is not None and len(remote.etag) == 64 and file_hash(part) != remote.etag:
        part.unlink()
        raise EncoderError(
            f"{name} of {spec.hub} was damaged during the download; run again to download it again."
        )
    part.replace(path)
    return remote.commit_hash or "unknown"


def _is_of_the_disk(error: OSError) -> bool:
    import errno

    return error.errno in {errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EPERM}


def _unreachable(spec: EncoderSpec, error: Exception) -> EncoderError:
    import os

    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    reason = one_line(error, 200)
    return EncoderError(
        f"{spec.hub} cannot be downloaded from {hub} ({type(error).__name__}: {reason}). What has "
        f"arrived is kept. Set HF_ENDPOINT to use a mirror. {how_to_fetch(spec)}"
    )


def add_weights(spec: EncoderSpec, file: Path, folder: Path) -> EncoderSpec:
    """Add weights from a safetensors file or a torch checkpoint.

    Parameters
    ----------
    spec : EncoderSpec
    file : Path
        Other files that the encoder needs must be in the same folder.
    folder : Path
        Folder of all encoders.

    Returns
    -------
    EncoderSpec
        Specification with its version.

    Raises
    ------
    EncoderError
        If they cannot be read as plain tensors, or do not fit the encoder.
    OutputError
        If they cannot be saved.
    """
    need("encoders", f"The encoder {spec.id}", EncoderError)
    beside = folder / f".{spec.id}.part"
    try:
        beside.mkdir(parents=True, exist_ok=True)
        for name in spec.files[1:]:
            if not (file.parent / name).is_file():
                raise EncoderError(f"{spec.id} needs {name} of {spec.hub} beside {file.name}.")
            shutil.copyfile(file.parent / name, beside / name)
        _convert(spec, file, beside / spec.files[0])
    except OSError as error:
        raise OutputError(
            f"The weights in {file} cannot be copied to {folder} ({error.strerror or error}); free "
            "some space there and add them again."
        ) from error
    return _install(spec, beside, folder, file.name)


def _convert(spec: EncoderSpec, file: Path, into: Path) -> None:
    """Copy weights in the format that the loader reads."""
    if file.suffix == into.suffix:
        if file.suffix != ".safetensors":
            _numbers(spec, file)
        shutil.copyfile(file, into)
    elif into.suffix == ".safetensors":
        from safetensors.torch import save_file

        state = {name: value.contiguous().clone() for name, value in _numbers(spec, file).items()}
        save_file(state, into)
    else:
        import torch

        torch.save(_numbers(spec, file), into)


def _numbers(spec: EncoderSpec, file: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code in it."""
    import pickle

    import torch

    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise EncoderError(
            f"{file} contains code besides numbers, and code from unknown sources is not run. Use "
            f"{spec.files[0]} of {spec.hub}."
        ) from error
    except Exception as error:
        raise EncoderError(f"{file} contains no weights ({error}).") from error
    for wrapper in ("state_dict", "model", "teacher"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    found = {k: v for k, v in state.items() if isinstance(v, torch.Tensor)} if state else {}
    if not found:
        raise EncoderError(f"{file} contains no weights.")
    return found


def _install(spec: EncoderSpec, beside: Path, folder: Path, source: str) -> EncoderSpec:
    """Test the weights on a blank image, and move them to their destination."""
    from celltransfer_core.encoders.embedding import encode
    from celltransfer_core.encoders.foundation import FoundationEncoder

    try:
        blank = np.zeros((spec.input_size, spec.input_size, 3), dtype=np.uint8)
        encode(FoundationEncoder(spec, beside), [blank], np.full(1, np.nan, dtype=np.float32))
    except EncoderError:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    facts = {"source": source, "sha256": file_hash(beside / spec.files[0])}
    here = weights_folder(spec, folder)
    try:
        (beside / SOURCE_FILE).write_text(
            json.dumps(facts, indent=1) + "\n", encoding="utf-8", newline="\n"
        )
        shutil.rmtree(here, ignore_errors=True)
        beside.replace(here)
    except OSError as error:
        raise OutputError(
            f"Weights cannot be saved in {here} ({error.strerror}); free some space and run again."
        ) from error
    return with_version(spec, folder)


def file_hash(path: Path) -> str:
    """Hash a file of any size.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
