"""Published encoders, through the libraries they are published for (3.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.encoders.pixels import standardise
from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.errors import EncoderError
from celltransfer_core.types import Float32, RGBImage

if TYPE_CHECKING:
    import torch

    Forward = Callable[[torch.Tensor], torch.Tensor]

MISSING = "torch, torchvision, timm, open_clip_torch and transformers"
"""What has to be installed for these encoders."""


class FoundationEncoder:
    """Runs a published model on whole images resized to its input.

    Parameters
    ----------
    spec : EncoderSpec
    folder : Path
        Holds the files that the specification names.
    device : str, optional
        ``"cuda"``, ``"mps"`` or ``"cpu"``; the fastest there is by default.

    Raises
    ------
    EncoderError
        If the library is not installed, or the weights do not fit the architecture.

    Notes
    -----
    Weights are read as numbers alone; a file that would run code is refused. On CUDA the model
    computes in bfloat16 or, on older cards, float16.
    """

    in_workers = False

    def __init__(self, spec: EncoderSpec, folder: Path, device: str | None = None) -> None:
        self.spec = spec
        self.device = device or best_device()
        self.batch = batch_size(spec, self.device)
        try:
            model, self._forward = _MAKERS[spec.loader](spec, folder)
        except ImportError as error:
            raise EncoderError(
                f"The encoder {spec.id} needs {MISSING} ({error}); install them, or leave it out "
                "of --encoders."
            ) from error
        except EncoderError:
            raise
        # Libraries tell of weights that do not fit with errors of many kinds.
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise EncoderError(
                f"The weights in {folder} do not fit {spec.architecture} ({reason}); fetch them "
                f"again: python -m celltransfer_core encoders fetch {spec.id}"
            ) from error
        model.requires_grad_(False).eval().to(self.device)

    def encode(self, images: Sequence[RGBImage], extents: Float32) -> Float32:  # noqa: ARG002
        """Embed a batch; see :class:`celltransfer_core.encoders.Encoder`."""
        import torch

        rows = []
        with torch.inference_mode(), _precision(self.device):
            for start in range(0, len(images), self.batch):
                pixels = standardise(images[start : start + self.batch], self.spec)
                found = self._forward(torch.from_numpy(pixels).to(self.device))
                rows.append(found.float().cpu().numpy())
        return np.concatenate(rows)


def best_device() -> str:
    """Name the fastest device of this machine.

    Returns
    -------
    {"cuda", "mps", "cpu"}
    """
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def batch_size(spec: EncoderSpec, device: str) -> int:
    """Say how many images go through a model at once.

    Parameters
    ----------
    spec : EncoderSpec
    device : str

    Returns
    -------
    int
        As many as keep the device busy; fewer where inputs are large.
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


def _timm(spec: EncoderSpec, folder: Path) -> tuple[torch.nn.Module, Forward]:
    import timm

    # timm's own path for its hub's files: renames keys, resizes position embeddings.
    model = timm.create_model(
        spec.architecture,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(folder / spec.files[0])},
        num_classes=0,
        **spec.options,
    )
    return model, model


def _open_clip(spec: EncoderSpec, folder: Path) -> tuple[torch.nn.Module, Forward]:
    import open_clip

    model = open_clip.create_model(spec.architecture, precision="fp32", **spec.options)
    open_clip.load_checkpoint(model, str(folder / spec.files[0]), weights_only=True)
    return model, model.encode_image


def _transformers(spec: EncoderSpec, folder: Path) -> tuple[torch.nn.Module, Forward]:
    import torch
    from transformers import ViTMAEModel

    # All patches are kept; in training three quarters are hidden.
    model = ViTMAEModel.from_pretrained(
        folder, mask_ratio=0.0, use_safetensors=spec.files[0].endswith(".safetensors")
    )
    patches = model.embeddings.patch_embeddings.num_patches
    # Patches are shuffled by a noise, which does not matter to a mean, but to the last bits.
    order = torch.linspace(0, 1, patches)[None]

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        noise = order.to(pixels.device).expand(len(pixels), -1)
        hidden = model(pixels, noise=noise).last_hidden_state
        return hidden[:, 1:].mean(dim=1)

    return model, forward


_MAKERS: dict[str, Callable[[EncoderSpec, Path], tuple[torch.nn.Module, Forward]]] = {
    "timm": _timm,
    "open_clip": _open_clip,
    "transformers": _transformers,
}
