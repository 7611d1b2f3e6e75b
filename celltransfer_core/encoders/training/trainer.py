"""Training of one network: cells and a task in, a network out, continued from a checkpoint.

A step shows each of its cells through two random microscopes and lowers three losses: that of
classifying kinds, a contrastive one over types, and, with teachers, distillation. Cells of several
laboratories also swap stains. Not in the paper.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from celltransfer_core.encoders.training.cells import SIDE, Cells
from celltransfer_core.encoders.training.kinds import leaf_kinds
from celltransfer_core.encoders.training.losses import (
    CONTRAST,
    contrastive_loss,
    distillation_loss,
    kinds_loss,
    relation_loss,
)
from celltransfer_core.encoders.training.microscopes import random_microscopes
from celltransfer_core.encoders.training.recipe import Recipe
from celltransfer_core.encoders.training.sampling import (
    balanced_batches,
    split_cells,
    telling_groups,
)
from celltransfer_core.encoders.training.warm_start import begin_with
from celltransfer_core.errors import OutputError
from celltransfer_core.runtime.files import write_whole
from celltransfer_core.types import Bools, Ints, Labels, Progress, RGBImage

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from celltransfer_core.encoders.training.network import CellNetwork, View


_SMOOTHING, _DECAY = 0.1, 0.03
_AVERAGED, _MOST_AVERAGED = 0.1, 500  # share of the steps, and steps, that weights average over
_WARM_UP = 0.1  # share of the steps
_SAVE_EVERY = 60.0  # seconds
_LOG_EVERY = 50  # steps


@dataclass(frozen=True)
class Task:
    """One network to train."""

    title: str
    """For the log and the progress."""
    file: str
    """Name of its checkpoint, without the suffix."""
    view: View
    width: int
    steps: int
    seed: int
    begin_with: tuple[Path, int] | None = None
    """ONNX file to take the first weights from, and the network's place in it."""


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
        Holds the checkpoint and ``log.csv``.
    progress : callable

    Returns
    -------
    CellNetwork
        In evaluation mode, on the CPU, its weights averaged over the last steps.

    Raises
    ------
    OutputError
        If the checkpoint or the log cannot be written.
    """
    device = _device()
    state = _State(recipe, task, kinds=len(_leaves_of(cells)[0]), device=device)
    guides = [copy.deepcopy(teacher).to(device) for teacher in teachers]
    checkpoint = folder / f"{task.file}.pt"
    if checkpoint.is_file():
        state.load(checkpoint)
    if state.done == task.steps:
        return state.average.cpu()
    batches = _Batches(cells, recipe, state)
    state.network.train()
    if task.begin_with and not state.done:
        begin_with(state.network, *task.begin_with, batches.draw().images)
        state.average.load_state_dict(state.network.state_dict())
    losses: list[Tensor] = []
    started = saved = time.monotonic()
    while state.done < task.steps:
        loss = _loss(state.network, guides, batches.draw())
        state.update(loss)
        losses.append(loss.detach())  # read only now and then: reading makes a GPU wait
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
    """All that changes during the training of one network, and that a checkpoint holds."""

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
            self.optimiser, recipe.learning_rate, total_steps=task.steps, pct_start=_WARM_UP
        )
        self.memory = 1 - 1 / max(2, min(_MOST_AVERAGED, _AVERAGED * task.steps))
        self.microscopes = torch.Generator(device).manual_seed(task.seed)
        self.cells = np.random.default_rng(task.seed)
        # What the network itself draws, in MixStyle.
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
                ) as file:  # named by its path, the archive would hold its name
                    torch.save(state, file)
            except RuntimeError as error:  # torch raises it where the disk is full
                raise OSError(str(error)) from error

        write_whole(
            path,
            write,
            problem=lambda reason: (
                f"{path} cannot be written ({reason}); free some room and run the same command "
                "again."
            ),
        )

    def update(self, loss: Tensor) -> None:
        """Take one step down the gradient of a loss."""
        import torch

        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.schedule.step()
        self.done += 1
        _follow(self.average, self.network, min(self.memory, self.done / (self.done + 19)))


class _Batch(NamedTuple):
    """Images of a step, each cell twice, with their possible kinds, and types as numbers."""

    images: Tensor
    possible: Tensor
    types: Tensor


def _leaves_of(cells: Cells) -> tuple[Labels, Bools]:
    return leaf_kinds(cells.kinds, cells.types, cells.laboratories)


class _Batches:
    """Draws the training cells of each step and shows them through random microscopes."""

    def __init__(self, cells: Cells, recipe: Recipe, state: _State) -> None:
        import torch

        from celltransfer_core.encoders.training.stains import measure_stains

        self.state, self.device = state, state.device
        groups, laboratories = cells.groups, cells.laboratories
        self.training, _ = split_cells(
            cells.types, recipe.seed, groups=groups, laboratories=laboratories
        )
        types, kinds = (
            np.unique(labels, return_inverse=True)[1] for labels in (cells.types, cells.kinds)
        )
        levels = [level[self.training] for level in (types, laboratories, kinds)]
        self.drawn = balanced_batches(levels, recipe.batch, state.cells)
        self.crops = _crops_on(self.device, cells.crops, self.training)
        self.possible = torch.from_numpy(_leaves_of(cells)[1]).to(self.device)
        self.types = torch.from_numpy(types).to(self.device)
        telling = telling_groups(cells.types, groups, laboratories)
        self.telling = torch.from_numpy(telling).to(self.device)
        self.stains = (
            measure_stains(cells.crops, groups, laboratories, self.device)
            if len(np.unique(laboratories)) > 1
            else None
        )

    def draw(self) -> _Batch:
        import torch

        drawn = next(self.drawn)
        cells = _send(torch.from_numpy(self.training[drawn]), self.device)
        with torch.no_grad():
            crops = self.crops(drawn)
            views = [self._through_microscopes(crops, cells) for _ in range(2)]
            images = torch.cat(views).contiguous(memory_format=torch.channels_last)
        cells = cells.repeat(2)
        return _Batch(images, self.possible[cells], self.types[cells])

    def _through_microscopes(self, crops: Tensor, cells: Tensor) -> Tensor:
        from celltransfer_core.encoders.training.stains import swap_stains

        generator = self.state.microscopes
        if self.stains is not None:
            crops = swap_stains(crops, cells, self.stains, generator)
        return random_microscopes(crops, SIDE, generator, self.telling[cells])


def _loss(network: CellNetwork, teachers: Sequence[CellNetwork], batch: _Batch) -> Tensor:
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


def _crops_on(device: torch.device, crops: RGBImage, training: Ints) -> Callable[[Ints], Tensor]:
    """Return a function that sends drawn crops to a device; a GPU holds all of them if they fit."""
    import torch

    if device.type == "cuda":
        room, _ = torch.cuda.mem_get_info(device)
        if len(training) * crops[0].nbytes < room / 2:
            held = torch.from_numpy(crops[training]).to(device)
            return lambda drawn: held[_send(torch.from_numpy(drawn), device)]
    return lambda drawn: _send(torch.from_numpy(crops[training[drawn]]), device)


def _send(values: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda":
        values = values.pin_memory()  # copies from other memory wait for all work before them
    return values.to(device, non_blocking=True)


def _device() -> torch.device:
    import torch

    from celltransfer_core.encoders.foundation import best_device

    return torch.device(best_device())


def _has_bfloat16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    # Without tiles a processor takes longer in half precision.
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16"))


def _follow(average: CellNetwork, network: CellNetwork, keep: float) -> None:
    """Move averaged weights towards those of the network: an exponential moving average."""
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
            f"{path} cannot be written ({error}); free some room and run the same command again."
        ) from error
