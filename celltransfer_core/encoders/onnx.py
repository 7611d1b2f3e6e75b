"""Embed images with a user's encoder (3.1), an ONNX file with a small JSON file."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from celltransfer_core.encoders.pixels import filled_up, standardise
from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.errors import EncoderError, one_line
from celltransfer_core.runtime.batches import in_batches
from celltransfer_core.runtime.environment import send_no_reports
from celltransfer_core.types import Float32, RGBImage

send_no_reports()  # before ONNX Runtime is imported

BATCH = 8
"""Batch size if the model does not fix it: larger ones take memory and save no time."""

MAX_SECONDS = 600.0
"""Maximum number of seconds for one batch, so that an endless loop cannot block a job."""

FIELDS: dict[str, str] = {
    "name": "a text",
    "input_size": "a whole number of pixels",
    "mean": "three numbers",
    "std": "three numbers above 0",
    "dim": "a whole number",
    "source": "a text",
    "licence": "a text",
}
"""Fields of the JSON file, and what each must be."""


def read_spec(encoder_id: str, model: Path) -> EncoderSpec:
    """Read the JSON file of an ONNX file.

    Parameters
    ----------
    encoder_id : str
    model : Path
        ``NAME.onnx``, with ``NAME.json`` in the same folder, which has the fields of
        :data:`FIELDS` and, if known, ``trained_on``.

    Returns
    -------
    EncoderSpec
        Its version is a hash of both files.

    Raises
    ------
    EncoderError
        If a file is missing or cannot be read, or a field is missing or has a wrong type.
    """
    description = model.with_suffix(".json")
    for path in (model, description):
        if not path.is_file():
            raise EncoderError(
                f"{path} is missing; an encoder is NAME.onnx with NAME.json beside it."
            )
    try:
        text = description.read_bytes()
        fields = json.loads(text)
        digest = hashlib.sha256(text)
        with model.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(f"{description} or its model cannot be read ({error}).") from error
    if not isinstance(fields, dict):
        raise EncoderError(f"{description} must contain one JSON object.")
    for name, kind in FIELDS.items():
        if name not in fields:
            raise EncoderError(f"{description} lacks the field {name} ({kind}).")
        if not _fits(name, fields[name]):
            raise EncoderError(f"{description}: {name} must be {kind}, not {fields[name]!r}.")
    mean, std = (tuple(float(value) for value in fields[name]) for name in ("mean", "std"))
    return EncoderSpec(
        id=encoder_id,
        name=fields["name"],
        loader="onnx",
        version=digest.hexdigest()[:16],
        dim=fields["dim"],
        input_size=fields["input_size"],
        licence=fields["licence"],
        source=fields["source"],
        trained_on=str(fields.get("trained_on", "")),
        mean=mean,  # type: ignore[arg-type]
        std=std,  # type: ignore[arg-type]
    )


def _fits(name: str, value: Any) -> bool:
    if name in {"input_size", "dim"}:
        return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 65536
    if name in {"mean", "std"}:
        return (
            isinstance(value, list)
            and len(value) == 3
            and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
            and all(abs(v) < 1e6 for v in value)  # not NaN or infinite, which Python's JSON accepts
            and (name == "mean" or min(value) > 0)
        )
    return isinstance(value, str)


class OnnxEncoder:
    """An ONNX model, run on whole images resized to its input.

    Parameters
    ----------
    encoder_id : str
    model : Path
        See :func:`read_spec`.

    Raises
    ------
    EncoderError
        If the model cannot be read, or does not map RGB images to ``dim`` values each.

    Notes
    -----
    Images are resized without cropping by antialiased bicubic interpolation, scaled to 0–1, and
    standardised with the mean and std of the JSON file. Outputs of shape (n, dim, h, w) are
    averaged over h and w; if there are several outputs, the first is used. Batches are padded to a
    fixed size, so that the embedding of a cell does not depend on the other cells.

    Examples
    --------
    >>> from celltransfer_core.about import ASSETS
    >>> encoder = OnnxEncoder("cell", ASSETS / "encoders" / "cell.onnx")
    >>> images = [np.full((40, 50, 3), 200, dtype=np.uint8)]
    >>> rows = encoder.encode(images, np.array([np.nan], dtype=np.float32))
    >>> rows.shape == (1, encoder.spec.dim)
    True
    """

    in_workers = False

    def __init__(self, encoder_id: str, model: Path) -> None:
        import onnxruntime

        self.spec = read_spec(encoder_id, model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        # A folder that cannot exist, because external weights would be lost when the model is
        # copied, and changing them would not change the version.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(model)
        )
        try:
            self._session = onnxruntime.InferenceSession(
                model.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime has no common base class of its errors.
        except Exception as error:
            reason = one_line(error, 200)
            raise EncoderError(
                f"{model} is not a runnable ONNX model ({reason}); it must be one file that "
                "contains its weights."
            ) from error
        self._channels_last, self.batch = self._check_input(model)

    def _check_input(self, model: Path) -> tuple[bool, int]:
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise EncoderError(f"{model} takes {len(inputs)} inputs; an encoder takes one, images.")
        shape = inputs[0].shape
        side = self.spec.input_size
        # Dynamic sizes are names or None.
        fixed = [size if isinstance(size, int) else None for size in shape]
        if len(fixed) == 4 and inputs[0].type == "tensor(float)":
            batch = fixed[0] or BATCH
            if fixed[1] == 3 and all(size in (None, side) for size in fixed[2:]):
                return False, batch
            if fixed[3] == 3 and all(size in (None, side) for size in fixed[1:3]):
                return True, batch
        raise EncoderError(
            f"{model} takes {inputs[0].type} of shape {shape}; it must take float images of shape "
            f"(n, 3, {side}, {side}) or (n, {side}, {side}, 3), where {side} is input_size."
        )

    def encode(self, images: Sequence[RGBImage], extents: Float32) -> Float32:  # noqa: ARG002
        """Embed a batch; see :class:`celltransfer_core.encoders.Encoder`."""
        pixels = standardise(images, self.spec)
        if self._channels_last:
            pixels = np.moveaxis(pixels, 1, 3)
        name = self._session.get_inputs()[0].name
        rows = []
        for part in in_batches(pixels, self.batch):
            output = self._run({name: filled_up(part, self.batch)})
            rows.append(self._flat(output)[: len(part)])
        return np.concatenate(rows)

    def _run(self, inputs: dict[str, Float32]) -> Float32:
        """Return the first output for a batch, stopping a model that takes too long."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = 4
        stop = threading.Timer(MAX_SECONDS, setattr, (options, "terminate", True))
        stop.daemon = True
        stop.start()
        try:
            return np.asarray(self._session.run(None, inputs, options)[0])
        # ONNX Runtime has no common base class of its errors.
        except Exception as error:
            reason = (
                f"it took more than {MAX_SECONDS:g} s"
                if options.terminate
                else one_line(error, 200)
            )
            raise EncoderError(
                f"The encoder {self.spec.id} fails on a batch of images ({reason}); export its "
                "model again."
            ) from error
        finally:
            stop.cancel()

    def _flat(self, output: Float32) -> Float32:
        if output.ndim == 4 and output.shape[1] == self.spec.dim:
            output = output.mean(axis=(2, 3))
        elif output.ndim == 4 and output.shape[3] == self.spec.dim:
            output = output.mean(axis=(1, 2))
        if output.shape != (self.batch, self.spec.dim):
            raise EncoderError(
                f"The encoder {self.spec.id} gives outputs of shape {output.shape} for "
                f"{self.batch} images; its JSON says dim {self.spec.dim}."
            )
        return output.astype(np.float32)
