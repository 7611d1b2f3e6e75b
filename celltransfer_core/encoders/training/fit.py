"""Train an encoder on labelled sets for unseen microscopes, and write it as an ONNX file.

A few small networks, each with a different view, learn to classify kinds of cells through random
microscopes (:mod:`~celltransfer_core.encoders.training.microscopes`), and to place cells of one
type close together whatever the microscope. Wider networks, which are too slow for voting, may be
trained first and distilled into the small ones. The result is an ONNX file with its JSON file, like
any user's encoder. Not in the paper, which uses existing encoders.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.encoders.training.cells import Cells, short_hash
from celltransfer_core.encoders.training.check import (
    check_descriptors,
    check_on_held_back,
    describe_check,
)
from celltransfer_core.encoders.training.export import write_encoder
from celltransfer_core.encoders.training.last_layer import train_last
from celltransfer_core.encoders.training.recipe import Recipe
from celltransfer_core.encoders.training.trainer import Task, train_network
from celltransfer_core.errors import EncoderError
from celltransfer_core.runtime.files import write_atomically
from celltransfer_core.types import Progress, silent

if TYPE_CHECKING:
    from celltransfer_core.encoders.training.network import CellNetwork


def train(
    cells: Cells,
    recipe: Recipe,
    folder: Path,
    *,
    progress: Progress = silent,
    report: Callable[[str], None] = print,
) -> list[CellNetwork]:
    """Train the networks of a recipe, continuing where an earlier call stopped.

    Parameters
    ----------
    cells : Cells
    recipe : Recipe
    folder : Path
        Folder for a checkpoint of each network and ``log.csv``.
    progress : callable
    report : callable
        Called with one line of text per finished network.

    Returns
    -------
    list of CellNetwork
        Networks in evaluation mode, on the CPU, with weights averaged over the last steps.

    Raises
    ------
    EncoderError
        If the folder holds a training with another recipe or on other cells.
    OutputError
        If the recipe or a checkpoint cannot be written.
    """
    _check_same_training(cells, recipe, folder / "recipe.json")

    def train_one(task: Task, teachers: Sequence[CellNetwork]) -> CellNetwork:
        network = train_network(cells, recipe, task, teachers, folder, progress)
        report(f"{task.title}: {describe_check(check_on_held_back(network, cells, recipe.seed))}")
        return network

    steps, seed = recipe.steps * len(recipe.views), recipe.seed
    wide, long = recipe.teacher_width, recipe.teacher_steps
    teachers = [
        train_one(Task(f"{view} teacher", f"teacher-{view}", view, wide, long, seed + 500 + n), ())
        for n, view in enumerate(recipe.views if wide else ())
    ]
    return [
        train_one(
            Task(
                view,
                f"{n}-{view}",
                view,
                recipe.width,
                steps[n],
                seed + 1000 * n,
                (Path(recipe.begin_with), n) if recipe.begin_with else None,
            ),
            teachers,
        )
        for n, view in enumerate(recipe.views)
    ]


def _check_same_training(cells: Cells, recipe: Recipe, path: Path) -> None:
    """Compare with the recipe and cells of an earlier call; write them if there was none."""
    settings = {
        **json.loads(json.dumps(asdict(recipe))),
        "cells": short_hash("".join(cells.kinds)),
        "begin_with": _content(recipe.begin_with) if recipe.begin_with else "",
    }
    if not path.is_file():
        write_atomically(path, json.dumps(settings).encode())
    elif json.loads(path.read_text(encoding="utf-8")) != settings:
        raise EncoderError(
            f"{path.parent} contains a training with other options or cells; use the same ones to "
            "continue it, delete the folder, or choose another --out."
        )


def _content(file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError as error:
        raise EncoderError(f"{file} cannot be read ({error}).") from error


def train_encoder(
    cells: Cells,
    recipe: Recipe,
    out: Path,
    *,
    trained_on: str,
    licence: str,
    progress: Progress = silent,
    report: Callable[[str], None] = print,
) -> EncoderSpec:
    """Train, check and write an encoder.

    Parameters
    ----------
    cells : Cells
    recipe : Recipe
    out : Path
        ``NAME.onnx``; checkpoints are stored in ``NAME.training``.
    trained_on, licence : str
        Fields of the JSON file.
    progress, report : callable
        See :func:`train`.

    Returns
    -------
    EncoderSpec

    Raises
    ------
    EncoderError, OutputError
        See :func:`train` and :func:`~celltransfer_core.encoders.training.export.write_encoder`.
    """
    from celltransfer_core.encoders.training.network import Committee

    folder = out.with_suffix(".training")
    networks = train(cells, recipe, folder, progress=progress, report=report)
    last = train_last(networks, cells, recipe, folder, progress) if recipe.last_steps else None
    checks = check_on_held_back(Committee(networks, last).eval(), cells, recipe.seed)
    report(f"together: {describe_check(checks)}")
    report(f"built-in descriptors: {describe_check(check_descriptors(cells, recipe.seed))}")
    fields = {
        "name": out.stem,
        "source": "trained with CellTransfer",
        "licence": licence,
        "trained_on": f"{len(cells)} cells of {trained_on}",
    }
    return write_encoder(networks, out, fields, checks, last=last)
