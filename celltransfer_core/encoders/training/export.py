"""TODO celltransfer_core/encoders/training/export.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.encoders.onnx import read_spec
from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.encoders.training.cells import SIDE
from celltransfer_core.encoders.training.check import Check
from celltransfer_core.errors import OutputError

if TYPE_CHECKING:
    from celltransfer_core.encoders.training.network import CellNetwork


def export(
    networks: Sequence[CellNetwork], out: Path, told: Mapping[str, str], checks: tuple[Check, ...]
) -> EncoderSpec:
    """Write networks as one encoder: an ONNX file, and its JSON beside it.

    Parameters
    ----------
    networks : sequence of CellNetwork
        In evaluation mode, on the CPU.
    out : Path
        ``NAME.onnx``.
    told : mapping of str to str
        ``name``, ``source``, ``licence`` and ``trained_on`` of the JSON.
    checks : tuple of Check
        Of the networks together; written to the JSON.

    Returns
    -------
    EncoderSpec
        Read back from what was written.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import warnings

    import torch

    from celltransfer_core.encoders.training.network import Committee

    committee = Committee(list(networks)).eval()
    fields = {
        **told,
        "input_size": SIDE,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "dim": committee.dim,
        "held_back": {c.microscope: [round(c.plain, 1), round(c.centred, 1)] for c in checks},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about itself
        program = torch.onnx.export(
            committee,
            (torch.zeros(2, 3, SIDE, SIDE),),
            dynamo=True,
            verbose=False,
            input_names=["images"],
            output_names=["embedding"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
    # A program is missing only where a file is named; its nodes tell where our own files lie.
    for node in program.model.graph:  # type: ignore[union-attr]
        node.metadata_props.clear()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        program.save(out)  # type: ignore[union-attr]
        out.with_suffix(".json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error}).") from error
    return read_spec(out.stem, out)
