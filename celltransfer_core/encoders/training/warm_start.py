"""Initialise a network for training with the weights in an encoder's ONNX file.

Not in the paper.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from celltransfer_core.encoders.training.network import CellNetwork


def begin_with(network: CellNetwork, file: Path, member: int, images: Tensor) -> None:
    """Load the weights of an earlier training into a network.

    In the file, most convolutions are fused with the following normalisation. They are separated
    again using their outputs for some images, which does not change embeddings. The classifier of
    kinds is not in the file and is not changed.

    Parameters
    ----------
    network : CellNetwork
        Network that is changed in place.
    file : Path
        ONNX file of ``encoders train``.
    member : int
        Position of the network in the file.
    images : Tensor of float32, shape (n, 3, side, side)
        Values in 0–1, as in training, on the network's device.

    Raises
    ------
    EncoderError
        If the file cannot be read, was not written by this command, or has another width.
    """
    import torch
    from torch import nn

    weights = _weights_of(file, member)

    def copy_into(target: Tensor, name: str) -> None:
        if name not in weights or weights[name].shape != target.shape:
            raise EncoderError(
                f"{file} has no network like this one (first difference: {name}); --begin-with "
                "takes encoders written by encoders train with the same --views and --width."
            )
        with torch.no_grad():
            target.copy_(weights[name])

    joined = {}
    for name, module in network.named_modules():
        if not (isinstance(module, nn.Sequential) and len(module) == 2):
            continue
        convolution, norm = module
        if not isinstance(convolution, nn.Conv2d):
            continue
        copy_into(convolution.weight, f"{name}.0.weight")
        if f"{name}.0.weight_bias" in weights and isinstance(norm, nn.BatchNorm2d):
            copy_into(norm.bias, f"{name}.0.weight_bias")
            nn.init.constant_(norm.weight, (1 + norm.eps) ** 0.5)
            joined[name] = norm
            continue
        for part, tensor in norm.state_dict().items():
            if not part.endswith("num_batches_tracked"):
                copy_into(tensor, f"{name}.1.{part}")
    _take_apart(network, [*joined.values()], images)


def _take_apart(network: CellNetwork, norms: list[nn.BatchNorm2d], images: Tensor) -> None:
    """Set the statistics of each normalisation from its inputs, and undo them by its weights."""
    import torch

    found = {}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found[norm] = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3), unbiased=False)

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    training = network.training
    network.eval()
    with torch.no_grad():
        network.embed(images)
        for norm in norms:
            mean, spread = found[norm]
            norm.get_buffer("running_mean").copy_(mean)
            norm.get_buffer("running_var").copy_(spread)
            norm.bias.add_(mean)
            norm.weight.copy_((spread + norm.eps).sqrt())
    for hook in hooks:
        hook.remove()
    network.train(training)


def _weights_of(file: Path, member: int) -> dict[str, Tensor]:
    import onnx
    import torch

    try:
        stored = onnx.load(file).graph.initializer
    except Exception as error:  # protobuf raises several kinds of errors
        raise EncoderError(f"{file} cannot be read as an ONNX file ({error}).") from error
    prefix = re.compile(rf"^members\.{member}\.")
    return {
        prefix.sub("", one.name): torch.from_numpy(onnx.numpy_helper.to_array(one).copy())
        for one in stored
        if prefix.match(one.name)
    }
