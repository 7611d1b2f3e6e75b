"""Train one network, continuing from a checkpoint.

Each step shows its cells through two random microscopes and reduces three losses: classification of
kinds, a contrastive loss over types, and, with teachers, distillation. With several laboratories,
cells also swap stains. Not in the paper.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.encoders.training.batches import Batch, Batches
from celltransfer_core.encoders.training.cells import Cells
from celltransfer_core.encoders.training.kinds import leaf_kinds
from celltransfer_core.encoders.training.losses import (
    CONTRAST,
    contrastive_loss,
    distillation_loss,
    kinds_loss,
    relation_loss,
)
from celltransfer_core.encoders.training.recipe import Recipe
from celltransfer_core.encoders.training.warm_start import begin_with
from celltransfer_core.errors import OutputError
from celltransfer_core.runtime.files import write_whole
from celltransfer_core.types import Progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from celltransfer_core.encoders.training.network import CellNetwork, View


_SMOOTHING, _DECAY = 0.1, 0.03
_AVERAGED, _MOST_AVERAGED = 0.1, 500  # share and maximum of the steps to average weights over
_WARM_UP = 0.1  # share of the steps
_SAVE_EVERY = 60.0  # seconds
_LOG_EVERY = 50  # steps


@dataclass(frozen=True)
class Task:
    """One network to train."""

    title: str
    """Title used in the log and in progress reports."""
    file: str
    """Name of its checkpoint without the suffix."""
    view: View
    width: int
    steps: int
    seed: int
    begin_with: tuple[Path, int] | None = None
    """ONNX file with the initial weights, and the position of the network in it."""


def train_network(
    cells: Cells,
    recipe: Recipe,
    task: Task,
    teachers: Sequence[CellNetwork],
    folder: Path,
    progress: Progress,
) -> CellNetwork:
    """Train one network, continuing from its checkpoint if there is one.

    Parameters
    ----------
    cells : Cells
    recipe : Recipe
    task : Task
    teachers : sequence of CellNetwork
        Trained networks to distil; may be empty.
    folder : Path
        Folder of the checkpoint and ``log.csv``.
    progress : callable

    Returns
    -------
    CellNetwork
        Network in evaluation mode, on the CPU, with weights averaged over the last steps.

    Raises
    ------
    OutputError
        If the checkpoint or the log cannot be written.
    """
    device = training_device()
    kinds = len(leaf_kinds(cells.kinds, cells.types, cells.laboratories)[0])
    state = _State(recipe, task, kinds=kinds, device=device)
    guides = [copy.deepcopy(teacher).to(device) for teacher in teachers]
    checkpoint = folder / f"{task.file}.pt"
    if checkpoint.is_file():
        state.load(checkpoint)
    if state.done == task.steps and checkpoint.is_file():
        return state.average.cpu()
    batches = Batches(
        cells,
        recipe.batch,
        recipe.seed,
        drawing=state.cells,
        microscopes=state.microscopes,
    )
    state.network.train()
    if task.begin_with and not state.done:
        begin_with(state.network, *task.begin_with, batches.draw().images)
        state.average.load_state_dict(state.network.state_dict())
    losses: list[Tensor] = []
    started = saved = time.monotonic()
    while state.done < task.steps:
        loss = _loss(state.network, guides, batches.draw())
        state.update(loss)
        losses.append(loss.detach())  # read only occasionally, because reading synchronises the GPU
        last = state.done == task.steps
        if state.done % _LOG_EVERY == 0 or last:
            seconds = (time.monotonic() - started) / len(losses)
            _log(folder, f"{task.title},{state.done},{_mean_of_last(losses):.4f},{seconds:.3f}")
        if time.monotonic() - saved >= _SAVE_EVERY or last:
            state.save(checkpoint)
            saved = time.monotonic()
        progress(f"training {task.title}", state.done, task.steps)
    return state.average.cpu()


class _State:
    """Everything that changes while one network is trained, as stored in a checkpoint."""

    def __init__(self, recipe: Recipe, task: Task, *, kinds: int, device: torch.device) -> None:
        import torch

        from celltransfer_core.encoders.training.network import CellNetwork

        torch.manual_seed(task.seed)
        network = CellNetwork(kinds, task.view, task.width)
        self.device = device
        self.done = 0
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, weight_decay=_DECAY
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe.learning_rate, total_steps=max(1, task.steps), pct_start=_WARM_UP
        )
        self.memory = 1 - 1 / max(2, min(_MOST_AVERAGED, _AVERAGED * task.steps))
        self.microscopes = torch.Generator(device).manual_seed(task.seed)
        self.cells = np.random.default_rng(task.seed)
        # The random generator that the network itself uses, in MixStyle.
        self.mixing: Any = {"cuda": torch.cuda, "mps": torch.mps}.get(device.type, torch)

    @property
    def _parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "average": self.average,
            "optimiser": self.optimiser,
            "schedule": self.schedule,
        }

    def load(self, path: Path) -> None:
        import torch

        kept = torch.load(path, map_location=self.device, weights_only=True)
        self.done = kept["done"]
        for name, part in self._parts.items():
            part.load_state_dict(kept[name])
        self.microscopes.set_state(kept["microscopes"].cpu())
        self.mixing.set_rng_state(kept["mixing"].cpu())
        self.cells.bit_generator.state = json.loads(kept["cells"])

    def save(self, path: Path) -> None:
        import torch

        state = {
            "done": self.done,
            "microscopes": self.microscopes.get_state(),
            "mixing": self.mixing.get_rng_state(),
            "cells": json.dumps(self.cells.bit_generator.state),
            **{name: part.state_dict() for name, part in self._parts.items()},
        }

        def write(beside: Path) -> None:
            try:
                with beside.open(
                    "wb"
                ) as file:  # given a path, the archive would contain the name of that file
                    torch.save(state, file)
            except RuntimeError as error:  # raised by torch if the disk is full
                raise OSError(str(error)) from error

        write_whole(
            path,
            write,
            problem=lambda reason: (
                f"{path} cannot be written ({reason}); free some space and run the same command "
                "again."
            ),
        )

    def update(self, loss: Tensor) -> None:
        """Take one gradient step on a loss."""
        import torch

        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.schedule.step()
        self.done += 1
        _follow(self.average, self.network, min(self.memory, self.done / (self.done + 19)))


def _loss(network: CellNetwork, teachers: Sequence[CellNetwork], batch: Batch) -> Tensor:
    import torch

    device = batch.images.device
    half = _has_bfloat16(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        rows, scores, points = network(batch.images)
    loss = kinds_loss(scores.float(), batch.possible, _SMOOTHING) + CONTRAST * contrastive_loss(
        points.float(), batch.types
    )
    if teachers:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=half):
            outputs = [teacher(batch.images) for teacher in teachers]
        teacher_rows, teacher_scores = (
            [output[which].float() for output in outputs] for which in (0, 1)
        )
        loss = loss + distillation_loss(scores.float(), teacher_scores)
        loss = loss + relation_loss(rows.float(), teacher_rows)
    return loss


def _mean_of_last(losses: Sequence[Tensor]) -> float:
    import torch

    return float(torch.stack(list(losses[-_LOG_EVERY:])).mean())


def training_device() -> torch.device:
    """Choose the training device, a GPU if there is one.

    Returns
    -------
    torch.device
    """
    import torch

    from celltransfer_core.encoders.foundation import best_device

    return torch.device(best_device())


def _has_bfloat16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    # Without AMX, a CPU is slower in half precision.
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16"))


def _follow(average: CellNetwork, network: CellNetwork, keep: float) -> None:
    """Update the exponential moving average of the network's weights."""
    from torch.optim.swa_utils import get_ema_multi_avg_fn

    both = zip(average.state_dict().values(), network.state_dict().values(), strict=True)
    pairs = [(own, new) for own, new in both if own.dtype.is_floating_point]
    follow = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
    follow([own for own, _ in pairs], [new for _, new in pairs], None)


def _log(folder: Path, row: str) -> None:
    path = folder / "log.csv"
    try:
        head = "" if path.is_file() else "view,step,loss,seconds_per_step\n"
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{head}{row}\n")
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error}); free some space and run the same command again."
        ) from error
