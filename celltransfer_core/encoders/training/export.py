"""Export trained networks as one encoder, an ONNX file with its JSON file. Not in the paper."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.encoders.onnx import read_spec
from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.encoders.training.cells import SIDE
from celltransfer_core.encoders.training.check import Check
from celltransfer_core.runtime.files import write_atomically, write_whole

if TYPE_CHECKING:
    from torch import nn

    from celltransfer_core.encoders.training.network import CellNetwork


def write_encoder(
    networks: Sequence[CellNetwork],
    out: Path,
    fields: Mapping[str, str],
    checks: tuple[Check, ...],
    *,
    last: nn.Linear | None = None,
) -> EncoderSpec:
    """Write networks as one encoder: an ONNX file and its JSON file.

    Parameters
    ----------
    networks : sequence of CellNetwork
        Networks in evaluation mode, on the CPU.
    out : Path
        ``NAME.onnx``.
    fields : mapping of str to str
        ``name``, ``source``, ``licence`` and ``trained_on`` of the JSON file.
    checks : tuple of Check
        Checks of all networks together; written to the JSON file.
    last : Linear, optional
        Last layer over the networks.

    Returns
    -------
    EncoderSpec
        Specification read back from the written files.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import warnings

    import torch

    from celltransfer_core.encoders.training.network import Committee

    committee = Committee(list(networks), last).eval()
    description = {
        **fields,
        "input_size": SIDE,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "dim": committee.dim,
        "held_back": {c.microscope: [round(c.plain, 1), round(c.centred, 1)] for c in checks},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about its own internals
        program = torch.onnx.export(
            committee,
            (torch.zeros(2, 3, SIDE, SIDE),),
            dynamo=True,
            verbose=False,
            input_names=["images"],
            output_names=["embedding"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
    # A program is missing only if a file is named; its nodes contain paths of source files.
    for node in program.model.graph:  # type: ignore[union-attr]
        node.metadata_props.clear()
    text = json.dumps(description, indent=2) + "\n"
    write_whole(out, program.save)  # type: ignore[union-attr]
    write_atomically(out.with_suffix(".json"), text.encode())
    return read_spec(out.stem, out)
