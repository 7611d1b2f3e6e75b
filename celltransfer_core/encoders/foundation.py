"""Embed images with foundation models (3.1), run by the libraries they are published for."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.encoders.pixels import filled_up, standardise
from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.errors import EncoderError, one_line
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.environment import send_no_reports
from celltransfer_core.runtime.extras import need
from celltransfer_core.runtime.files import write_whole
from celltransfer_core.runtime.quiet import quiet
from celltransfer_core.types import Float32, RGBImage

if TYPE_CHECKING:
    Run = Callable[[Float32], Float32]
    import torch

send_no_reports()  # before any of their libraries is imported

_TOLERANCE = 1e-3  # of an export against torch, in standard deviations of the rows


class FoundationEncoder:
    """A published model, run on whole images resized to its input.

    Parameters
    ----------
    spec : EncoderSpec
    folder : Path
        Folder with the files named in the specification.
    device : str, optional
        ``"cuda"``, ``"mps"`` or ``"cpu"``; the fastest available device by default.

    Raises
    ------
    EncoderError
        If the library is not installed, or the weights do not fit the architecture.

    Notes
    -----
    Weights are read as plain tensors; a file that would run code is refused. On CUDA, the model
    computes in bfloat16 or, on older cards, float16. On a CPU it is exported once to ONNX, stored
    next to the weights, and run by ONNX Runtime, which is faster there
    (``tests/benchmarks/compiled.py``).

    Examples
    --------
    With the weights of DINOv2 in the folder ``dinov2``:

    >>> from celltransfer_core.encoders.registry import published_encoders
    >>> encoder = FoundationEncoder(
    ...     published_encoders()["dinov2"], Path("dinov2")
    ... )  # doctest: +SKIP
    >>> encoder.encode(images, extents).shape  # doctest: +SKIP
    (2, 384)
    """

    in_workers = False

    def __init__(self, spec: EncoderSpec, folder: Path, device: str | None = None) -> None:
        need("encoders", f"The encoder {spec.id}", EncoderError)
        self.spec = spec
        self.device = device or best_device()
        self.batch = batch_size(spec, self.device)
        self.run = (
            _exported(spec, folder, self.batch)
            if self.device == "cpu"
            else in_torch(forward_pass(spec, folder), self.device)
        )

    def encode(self, images: Sequence[RGBImage], extents: Float32) -> Float32:  # noqa: ARG002
        """Embed a batch; see :class:`celltransfer_core.encoders.Encoder`."""
        return np.concatenate(
            [self.run(standardise(part, self.spec)) for part in in_batches(images, self.batch)]
        )


def forward_pass(spec: EncoderSpec, folder: Path) -> torch.nn.Module:
    """Load a published model on the CPU.

    Parameters
    ----------
    spec : EncoderSpec
    folder : Path
        Folder with the files named in the specification.

    Returns
    -------
    Module
        Maps standardised images, shape (n, 3, side, side), to rows, shape (n, dim).

    Raises
    ------
    EncoderError
        See :class:`FoundationEncoder`.
    """
    try:
        model = _MAKERS[spec.loader](spec, folder)
    # Libraries raise many kinds of errors if weights do not fit.
    except Exception as error:
        reason = one_line(error, 300)
        raise EncoderError(
            f"The weights in {folder} do not fit {spec.architecture} ({reason}); download them "
            f"again: python -m celltransfer_core encoders fetch {spec.id}"
        ) from error
    return model.requires_grad_(False).eval()


def in_torch(model: torch.nn.Module, device: str) -> Run:
    """Return a function that runs a model's forward pass in torch.

    Parameters
    ----------
    model : Module
        From :func:`forward_pass`.
    device : str

    Returns
    -------
    callable
        Maps standardised images to rows, both ndarray of float32.
    """
    import torch

    model = model.to(device)

    def run(pixels: Float32) -> Float32:
        with torch.inference_mode(), _precision(device):
            return model(torch.from_numpy(pixels).to(device)).float().cpu().numpy()

    return run


def _exported(spec: EncoderSpec, folder: Path, batch: int) -> Run:
    """Run a model in ONNX Runtime, or in torch with a warning if it cannot be exported."""
    made_of = [spec.architecture, dict(spec.options), spec.input_size, batch]
    made_of += [(folder / name).stat().st_size for name in spec.files if (folder / name).is_file()]
    name = hashlib.sha256(json.dumps(made_of, default=list).encode()).hexdigest()[:16]
    path = folder / f"exported-{name}.onnx"
    if (run := _in_onnx_runtime(path, batch)) is not None:
        return run
    model = forward_pass(spec, folder)
    plain = in_torch(model, "cpu")
    if not os.access(folder, os.W_OK):  # shared weights managed by an administrator
        return plain
    try:
        _export(model, spec, path, batch)
        run = _in_onnx_runtime(path, batch)
        if run is not None and _alike(run, plain, spec.input_size):
            return run
        reason = "the exported model gives different numbers"
    # The errors of an export depend on the model; a full disk also fails here.
    except Exception as error:
        reason = f"{type(error).__name__}: {one_line(error, 200)}"
    path.unlink(missing_ok=True)
    warnings.warn(
        f"{spec.id} runs in torch, slower than as an exported model ({reason}).", stacklevel=2
    )
    return plain


def _alike(one: Run, other: Run, side: int) -> bool:
    noise = np.random.default_rng(0).normal(size=(1, 3, side, side)).astype(np.float32)
    rows, right = one(noise), other(noise)
    return bool(np.abs(rows - right).max() <= _TOLERANCE * max(float(right.std()), 1e-6))


def _export(model: torch.nn.Module, spec: EncoderSpec, path: Path, batch: int) -> None:
    import torch

    for module in model.modules():
        # The exporter supports only 4-D attention; SAM's is 3-D and has an unfused version.
        if hasattr(module, "rel_pos_h"):
            module.fused_attn = False  # type: ignore[assignment]
    blank = torch.zeros(batch, 3, spec.input_size, spec.input_size)
    with quiet(), torch.no_grad():  # torch warns about its own internals
        program = torch.onnx.export(model, (blank,), dynamo=True, verbose=False)
    write_whole(
        path,
        program.save,  # type: ignore[union-attr]  # a program is missing if a file was named
        problem=lambda reason: f"{path.name} cannot be written: {reason}",
    )


def _in_onnx_runtime(path: Path, batch: int) -> Run | None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    # Missing or truncated file; ONNX Runtime has no common base class of its errors.
    except Exception:
        return None
    name = session.get_inputs()[0].name

    def run(pixels: Float32) -> Float32:
        return np.asarray(session.run(None, {name: filled_up(pixels, batch)})[0])[: len(pixels)]

    return run


def best_device() -> str:
    """Return the fastest device of this machine.

    Returns
    -------
    {"cuda", "mps", "cpu"}
    """
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def batch_size(spec: EncoderSpec, device: str) -> int:
    """Choose the number of images per forward pass.

    Parameters
    ----------
    spec : EncoderSpec
    device : str

    Returns
    -------
    int
        Enough to keep the device busy; fewer if inputs are large.
    """
    most = 128 if device == "cuda" else 16
    return max(1, most * 224**2 // max(224, spec.input_size) ** 2)


def _precision(device: str) -> Any:
    import contextlib

    import torch

    if device != "cuda":
        return contextlib.nullcontext()
    half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.autocast("cuda", dtype=half)


def _timm(spec: EncoderSpec, folder: Path) -> torch.nn.Module:
    import timm

    # timm's own loader for hub files renames keys and resizes position embeddings.
    return timm.create_model(
        spec.architecture,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(folder / spec.files[0])},
        num_classes=0,
        **spec.options,
    )


def _open_clip(spec: EncoderSpec, folder: Path) -> torch.nn.Module:
    import open_clip

    model = open_clip.create_model(spec.architecture, precision="fp32", **spec.options)
    open_clip.load_checkpoint(model, str(folder / spec.files[0]), weights_only=True)
    return model.visual


def _transformers(spec: EncoderSpec, folder: Path) -> torch.nn.Module:
    import torch
    from transformers import ViTMAEModel

    # All patches are kept; in training, three quarters are masked.
    encoder: Any = ViTMAEModel.from_pretrained(
        folder, mask_ratio=0.0, use_safetensors=spec.files[0].endswith(".safetensors")
    )
    patches = encoder.embeddings.patch_embeddings.num_patches
    # Patches are shuffled by noise; fixed noise makes their mean exactly reproducible.
    order = torch.linspace(0, 1, patches)[None]

    class PatchMean(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            noise = order.to(pixels.device).expand(len(pixels), -1)
            return encoder(pixels, noise=noise).last_hidden_state[:, 1:].mean(dim=1)

    return PatchMean()


_MAKERS: dict[str, Callable[[EncoderSpec, Path], torch.nn.Module]] = {
    "timm": _timm,
    "open_clip": _open_clip,
    "transformers": _transformers,
}
