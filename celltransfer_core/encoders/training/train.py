"""Training an encoder on one labelled set, for microscopes it has not seen.

A few small networks, each with a view of its own, learn to tell the kinds of cells apart through
random microscopes (:mod:`~celltransfer_core.encoders.microscopes`), and to draw cells of one type
together whatever microscope shows them. Wider networks, too slow for a vote, may learn first and
teach them. What comes out is an ONNX file with its JSON, as any encoder of a user's own.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.encoders.training.cells import SIDE, Cells, _hash, balanced_batches, part
from celltransfer_core.encoders.training.check import check_on_held_back, describe_check
from celltransfer_core.encoders.training.export import export
from celltransfer_core.encoders.training.losses import (
    CONTRAST,
    contrastive_loss,
    distillation_loss,
    relation_loss,
)
from celltransfer_core.encoders.training.microscopes import random_microscopes
from celltransfer_core.encoders.training.recipe import Recipe
from celltransfer_core.errors import EncoderError, OutputError
from celltransfer_core.types import Ints, Progress, RGBImage, silent

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from celltransfer_core.encoders.training.network import CellNetwork, View


_SMOOTHING, _DECAY, _AVERAGE = 0.1, 0.03, 0.998
_WARM_UP = 0.1  # share of the steps
_SAVE_EVERY = 60.0  # seconds
_SAY_EVERY = 50


def train(
    cells: Cells,
    recipe: Recipe,
    folder: Path,
    *,
    progress: Progress = silent,
    say: Callable[[str], None] = print,
) -> list[CellNetwork]:
    """Train the networks of a recipe, going on where an earlier call stopped.

    Parameters
    ----------
    cells : Cells
    recipe : Recipe
    folder : Path
        Where a checkpoint of each network is kept, and ``log.csv``.
    progress : callable
    say : callable
        Takes a line on each network that is done.

    Returns
    -------
    list of CellNetwork
        In evaluation mode, on the CPU, their weights averaged over the last steps.

    Raises
    ------
    EncoderError
        If the folder holds a training by another recipe, or on other cells.
    OutputError
        If a checkpoint cannot be written.
    """
    recipe_file = folder / "recipe.json"
    told = {**json.loads(json.dumps(asdict(recipe))), "cells": _hash("".join(cells.kinds))}
    if recipe_file.is_file():
        if json.loads(recipe_file.read_text()) != told:
            raise EncoderError(
                f"{folder} holds a training with other options or cells; repeat those to go on "
                "with it, delete the folder, or choose another --out."
            )
    else:
        recipe_file.write_text(json.dumps(told))

    def learn(task: _Task, teachers: Sequence[CellNetwork]) -> CellNetwork:
        network = _train_one(cells, recipe, task, teachers, folder, progress)
        say(f"{task.title}: {describe_check(check_on_held_back(network, cells, recipe.seed))}")
        return network

    steps, seed = recipe.steps * len(recipe.views), recipe.seed
    wide, long = recipe.teacher_width, recipe.teacher_steps
    teachers = [
        learn(_Task(f"{view} teacher", f"teacher-{view}", view, wide, long, seed + 500 + n), ())
        for n, view in enumerate(recipe.views if wide else ())
    ]
    return [
        learn(_Task(view, f"{n}-{view}", view, recipe.width, steps[n], seed + 1000 * n), teachers)
        for n, view in enumerate(recipe.views)
    ]


def train_encoder(
    cells: Cells,
    recipe: Recipe,
    out: Path,
    *,
    trained_on: str,
    licence: str,
    progress: Progress = silent,
    say: Callable[[str], None] = print,
) -> EncoderSpec:
    """Train, check and write an encoder.

    Parameters
    ----------
    cells : Cells
    recipe : Recipe
    out : Path
        ``NAME.onnx``; what is needed to go on is kept in ``NAME.training``.
    trained_on, licence : str
        For the JSON.
    progress, say : callable
        See :func:`train`.

    Returns
    -------
    EncoderSpec

    Raises
    ------
    EncoderError, OutputError
        See :func:`train` and :func:`export`.
    """
    from celltransfer_core.encoders.training.network import Committee

    networks = train(cells, recipe, out.with_suffix(".training"), progress=progress, say=say)
    checks = check_on_held_back(Committee(networks).eval(), cells, recipe.seed)
    say(f"together: {describe_check(checks)}")
    told = {
        "name": out.stem,
        "source": "trained with CellTransfer",
        "licence": licence,
        "trained_on": f"{len(cells)} cells of {trained_on}",
    }
    return export(networks, out, told, checks)


@dataclass(frozen=True)
class _Task:
    """One network to train."""

    title: str
    file: str
    view: View
    width: int
    steps: int
    seed: int


def _train_one(
    cells: Cells,
    recipe: Recipe,
    task: _Task,
    teachers: Sequence[CellNetwork],
    folder: Path,
    progress: Progress,
) -> CellNetwork:
    import torch
    from torch.nn.functional import cross_entropy

    from celltransfer_core.encoders.training.network import CellNetwork

    device = _device()
    half = _has_bfloat16(device)
    training, _ = part(cells.types, recipe.seed)
    kind_names, kinds = np.unique(cells.kinds, return_inverse=True)
    types = np.unique(cells.types, return_inverse=True)[1]
    torch.manual_seed(task.seed)
    network = CellNetwork(len(kind_names), task.view, task.width)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).eval()
    guides = [copy.deepcopy(teacher).to(device) for teacher in teachers]
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=task.steps, pct_start=_WARM_UP
    )
    generator = torch.Generator(device).manual_seed(task.seed)
    mixing = {"cuda": torch.cuda, "mps": torch.mps}.get(device.type, torch)
    rng = np.random.default_rng(task.seed)
    checkpoint = folder / f"{task.file}.pt"
    parts: dict[str, Any] = {
        "network": network,
        "average": average,
        "optimiser": optimiser,
        "schedule": schedule,
    }
    done = 0
    if checkpoint.is_file():
        kept = torch.load(checkpoint, map_location=device, weights_only=True)
        done = kept["done"]
        for name, thing in parts.items():
            thing.load_state_dict(kept[name])
        generator.set_state(kept["microscopes"].cpu())
        mixing.set_rng_state(kept["mixing"].cpu())
        rng.bit_generator.state = json.loads(kept["cells"])
    if done == task.steps:
        return average.cpu()
    batches = balanced_batches(kinds[training], types[training], recipe.batch, rng)
    stock = _stock(cells.crops, training, device)
    kinds_there = torch.from_numpy(kinds).to(device)
    types_there = torch.from_numpy(types).to(device)
    network.train()
    losses: list[Tensor] = []
    started = saved = time.monotonic()
    for step in range(done + 1, task.steps + 1):
        drawn = next(batches)
        with torch.no_grad():
            crops = stock(drawn)
            views = [random_microscopes(crops, SIDE, generator) for _ in range(2)]
            images = torch.cat(views).contiguous(memory_format=torch.channels_last)
        where = _send(torch.from_numpy(training[drawn]), device).repeat(2)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            found, scores, points = network(images)
        loss = cross_entropy(
            scores.float(), kinds_there[where], label_smoothing=_SMOOTHING
        ) + CONTRAST * contrastive_loss(points.float(), types_there[where])
        if guides:
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=half):
                seen = [guide(images) for guide in guides]
            rows, told = ([each[which].float() for each in seen] for which in (0, 1))
            loss = loss + distillation_loss(scores.float(), told)
            loss = loss + relation_loss(found.float(), rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        _follow(average, network, min(_AVERAGE, step / (step + 19)))
        losses.append(loss.detach())  # read only now and then: a GPU would wait for it
        if step % _SAY_EVERY == 0 or step == task.steps:
            lately = float(torch.stack(losses[-_SAY_EVERY:]).mean())
            seconds = (time.monotonic() - started) / len(losses)
            _log(folder, f"{task.title},{step},{lately:.4f},{seconds:.3f}")
        if time.monotonic() - saved >= _SAVE_EVERY or step == task.steps:
            state = {
                "done": step,
                "microscopes": generator.get_state(),
                "mixing": mixing.get_rng_state(),
                "cells": json.dumps(rng.bit_generator.state),
                **{name: thing.state_dict() for name, thing in parts.items()},
            }
            _save(state, checkpoint)
            saved = time.monotonic()
        progress(f"training {task.title}", step, task.steps)
    return average.cpu()


def _stock(crops: RGBImage, training: Ints, device: torch.device) -> Callable[[Ints], Tensor]:
    """Give what hands out crops; on a graphics card all of them lie there, if they fit."""
    import torch

    if device.type == "cuda":
        room, _ = torch.cuda.mem_get_info(device)
        if len(training) * crops[0].nbytes < room / 2:
            there = torch.from_numpy(crops[training]).to(device)
            return lambda drawn: there[_send(torch.from_numpy(drawn), device)]
    return lambda drawn: _send(torch.from_numpy(crops[training[drawn]]), device)


def _send(values: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda":
        values = values.pin_memory()  # from elsewhere a copy waits for all work before it
    return values.to(device, non_blocking=True)


def _device() -> torch.device:
    import torch

    from celltransfer_core.encoders.foundation import best_device

    return torch.device(best_device())


def _has_bfloat16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def _follow(average: CellNetwork, network: CellNetwork, keep: float) -> None:
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
        raise OutputError(f"{path} cannot be written ({error}).") from error


def _save(state: dict[str, Any], path: Path) -> None:
    import torch

    half = path.with_suffix(".part")
    try:
        torch.save(state, half)
        half.replace(path)
    except (OSError, RuntimeError) as error:  # torch tells a full disk as a RuntimeError
        raise OutputError(
            f"{path} cannot be written ({error}); free some room and run the same command again."
        ) from error
