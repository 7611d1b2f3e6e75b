"""Training an encoder on one labelled set, for microscopes it has not seen.

A few small networks, each with a view of its own, learn to tell the kinds of cells apart through
random microscopes (:mod:`~celltransfer_core.encoders.microscopes`), and to draw cells of one type
together whatever microscope shows them. Wider networks, too slow for a vote, may learn first and
teach them. What comes out is an ONNX file with its JSON, as any encoder of a user's own.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from celltransfer_core.encoders.microscopes import (
    FIELD,
    HELD_BACK,
    held_back_view,
    plain_view,
    random_microscopes,
)
from celltransfer_core.encoders.onnx import read_spec
from celltransfer_core.encoders.registry import EncoderSpec
from celltransfer_core.errors import DataError, EncoderError, OutputError
from celltransfer_core.execution import run_tasks
from celltransfer_core.framing import ENOUGH, ColourMap, Nuclei, cut, find_nuclei
from celltransfer_core.types import Float32, Ints, Labels, Progress, RGBImage, silent

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from celltransfer_core.cache import Cache
    from celltransfer_core.datasets import Dataset
    from celltransfer_core.encoders.network import CellNetwork, View

SIDE = 96
"""Of the images that a trained encoder takes, px."""

_STORED = 144  # px, of the crops to draw views from
_LEAST_CELLS = 10  # of a type, some held back
_LEAST_KIND = 100  # cells; rarer kinds join the commonest of their type
_HELD_BACK, _MOST_HELD_BACK = 0.15, 2500  # share and number of cells kept from training
_REFERENCE, _QUERY = 120, 60  # cells a type, of the check on held-back microscopes
_NEIGHBOURS = 7
_CONTRAST, _TEMPERATURE = 0.5, 0.1  # of the loss that draws types together
_SOFTENING = 2.0  # of what teachers say of kinds
_SMOOTHING, _DECAY, _AVERAGE = 0.1, 0.03, 0.998
_WARM_UP = 0.1  # share of the steps
_SAVE_EVERY = 60.0  # seconds
_SAY_EVERY = 50


@dataclass(frozen=True)
class Recipe:
    """What decides, with the data, what comes out of a training.

    Parameters
    ----------
    views : tuple of {'colour', 'standardised', 'grey'}
        A network each.
    steps : tuple of int
        Of every network, or one number a network.
    batch : int
        Cells that a step shows through two microscopes each.
    width : int
        Channels of a network's first layer; its weights grow with the square.
    learning_rate : float
        At its height.
    seed : int
    teacher_width : int
        Of wider networks, one a view, that teach together; 0 for none.
    teacher_steps : int
    """

    views: tuple[View, ...] = ("colour", "standardised")
    steps: tuple[int, ...] = (5000,)
    batch: int = 128
    width: int = 24
    learning_rate: float = 3e-3
    seed: int = 0
    teacher_width: int = 0
    teacher_steps: int = 5000


def recipe_from(**options: Any) -> Recipe:
    """Make a recipe of what was said, the rest being as it is by default.

    Parameters
    ----------
    **options
        Of :class:`Recipe`; None counts as not said.

    Returns
    -------
    Recipe

    Raises
    ------
    EncoderError
        If a view is not known or comes twice, or a number is too small.
    """
    from celltransfer_core.encoders.network import VIEWS

    recipe = Recipe(**{name: value for name, value in options.items() if value is not None})
    for view in recipe.views:
        if view not in VIEWS or recipe.views.count(view) > 1:
            raise EncoderError(
                f"--views takes some of {', '.join(VIEWS)}, each once; not {view!r}."
            )
    if len(recipe.steps) not in (1, len(recipe.views)):
        raise EncoderError(
            f"--steps takes one number, or one for each of --views {','.join(recipe.views)}."
        )
    if min(*recipe.steps, recipe.teacher_steps, recipe.batch) < 2 or recipe.width < 4:
        raise EncoderError(
            "--steps, --teacher-steps and --batch cannot be under 2, --width not under 4."
        )
    if recipe.teacher_width and recipe.teacher_width < recipe.width:
        raise EncoderError(
            f"--teacher-width is 0, for no teachers, or at least --width ({recipe.width})."
        )
    return recipe


@dataclass(frozen=True)
class Cells:
    """Crops to train on, and what they are."""

    crops: RGBImage
    """Shape (n, 144, 144, 3); may lie on disk."""
    types: Labels
    kinds: Labels
    """Finer than the types, where file names tell."""
    framed: bool

    def __len__(self) -> int:
        return len(self.types)


def kinds_of(dataset: Dataset) -> Labels:
    """Tell finer kinds than the types by what file names begin with.

    Parameters
    ----------
    dataset : Dataset
        n labelled cells.

    Returns
    -------
    ndarray of str, shape (n,)
        ``type/PREFIX``, the prefix being what stands before the first underscore; of a prefix with
        fewer than 100 cells, the commonest kind of its type.
    """
    prefixes = [Path(name).stem.split("_")[0] for name in dataset.first_file]
    kinds = [f"{a}/{b}" for a, b in zip(dataset.cell_labels, prefixes, strict=True)]
    counts = Counter(kinds)
    commonest: dict[str, str] = {}
    for kind, _ in counts.most_common():
        commonest.setdefault(kind.split("/")[0], kind)
    return np.array(
        [kind if counts[kind] >= _LEAST_KIND else commonest[kind.split("/")[0]] for kind in kinds]
    )


def pack(
    dataset: Dataset,
    cache: Cache,
    folder: Path,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> Cells:
    """Cut every cell as encoders see it, with room around it, into one file.

    Parameters
    ----------
    dataset : Dataset
        n labelled cells. Framed around their nuclei if enough are found, whole otherwise.
    cache : Cache
        Of the nuclei found.
    folder : Path
        Where ``crops.npy`` is written, 62 kB a cell; kept if it is there and of the same cells.
    workers : int, optional
    progress : callable

    Returns
    -------
    Cells

    Raises
    ------
    DataError
        If there are fewer than 10 cells of a type.
    OutputError
        If it cannot be written.
    """
    counts = Counter(dataset.cell_labels.tolist())
    few = [f"{name} {count}" for name, count in sorted(counts.items()) if count < _LEAST_CELLS]
    if few:
        raise DataError(
            f"An encoder is trained on {_LEAST_CELLS} cells of each type at least; too few: "
            f"{', '.join(few)}."
        )
    nuclei = find_nuclei(dataset, cache, workers=workers, progress=progress)
    framed = bool(nuclei.found.mean() >= ENOUGH)
    path, mark = folder / "crops.npy", folder / "crops.json"
    key = {"cells": _hash("\n".join(dataset.cells)), "framed": framed, "side": _STORED}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (mark.is_file() and json.loads(mark.read_text()) == key):
            shape = (len(dataset), _STORED, _STORED, 3)
            crops = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
            cells = np.arange(len(dataset))
            batches = [cells[start : start + 128] for start in cells[::128]]
            tasks = [(dataset.take(b), nuclei.take(b) if framed else None) for b in batches]
            done = 0
            for index, found in run_tasks(_cut_batch, tasks, workers=workers):
                crops[batches[index]] = found
                done += len(found)
                progress("packing", done, len(dataset))
            crops.flush()
            mark.write_text(json.dumps(key))
        crops = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be written or read ({error}).") from error
    return Cells(crops, dataset.cell_labels, kinds_of(dataset), framed)


def _cut_batch(task: tuple[Dataset, Nuclei | None]) -> RGBImage:
    from PIL import Image

    dataset, nuclei = task
    crops = np.empty((len(dataset), _STORED, _STORED, 3), dtype=np.uint8)
    for cell in range(len(dataset)):
        image = dataset.read(cell)
        nucleus = nuclei[cell] if nuclei is not None else None
        if nucleus is not None:
            image = cut(image, nucleus._replace(extent=nucleus.extent * FIELD))
        else:
            height, width = (round(side * (FIELD - 1) / 2) for side in image.shape[:2])
            image = np.pad(image, ((height, height), (width, width), (0, 0)), mode="edge")
        size = (_STORED, _STORED)
        crops[cell] = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    return crops


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def part(types: Labels, seed: int) -> tuple[Ints, Ints]:
    """Hold some cells of every type back.

    Parameters
    ----------
    types : ndarray of str, shape (n,)
    seed : int

    Returns
    -------
    training, held_back : ndarray of int64
    """
    rng = np.random.default_rng(seed)
    share = min(_HELD_BACK, _MOST_HELD_BACK / len(types))
    held = []
    for name in np.unique(types):
        cells = rng.permutation(np.flatnonzero(types == name))
        held.append(cells[: max(5, round(share * len(cells)))])
    held_back = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(types)), held_back), held_back


def balanced_batches(
    kinds: Ints, types: Ints, size: int, rng: np.random.Generator
) -> Iterator[Ints]:
    """Draw cells: types evenly, their kinds evenly, and the cells of a kind evenly.

    Parameters
    ----------
    kinds, types : ndarray of int64, shape (n,)
    size : int
    rng : Generator

    Yields
    ------
    ndarray of int64, shape (size,)
    """
    _, first, kind, count = np.unique(
        kinds, return_index=True, return_inverse=True, return_counts=True
    )
    shares = 1 / (np.bincount(types[first])[types] * count[kind])
    shares /= shares.sum()
    while True:
        yield np.sort(rng.choice(len(kinds), size, p=shares))


def contrastive_loss(points: Tensor, types: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, arXiv 2004.11362, their L_out).

    Parameters
    ----------
    points : Tensor of float32, shape (n, d)
        On the unit sphere.
    types : Tensor of int64, shape (n,)

    Returns
    -------
    Tensor
        Mean over the points.
    """
    import torch

    own = torch.eye(len(points), dtype=torch.bool, device=points.device)
    similar = (points @ points.T / _TEMPERATURE).masked_fill(own, -1e9)
    log_shares = similar - similar.logsumexp(1, keepdim=True)
    alike = (types[:, None] == types[None, :]) & ~own
    return -((log_shares * alike).sum(1) / alike.sum(1).clamp_min(1)).mean()


def distillation_loss(scores: Tensor, told: Sequence[Tensor]) -> Tensor:
    """Tell how far what a network says of the kinds is from what its teachers say.

    Parameters
    ----------
    scores : Tensor of float32, shape (n, kinds)
    told : sequence of Tensor of float32, each (n, kinds)
        Of each teacher, of the same pictures.

    Returns
    -------
    Tensor
        Mean Kullback–Leibler divergence from the teachers' mean shares, both softened (Hinton et
        al. 2015, arXiv 1503.02531).
    """
    import torch
    from torch.nn.functional import kl_div

    shares = (torch.stack(list(told)) / _SOFTENING).softmax(2).mean(0)
    own = (scores / _SOFTENING).log_softmax(1)
    return _SOFTENING**2 * kl_div(own, shares, reduction="batchmean")


def relation_loss(rows: Tensor, taught: Sequence[Tensor]) -> Tensor:
    """Tell how far the neighbours of each row are from those that teachers see.

    They are what a k-NN reads of an embedding.

    Parameters
    ----------
    rows : Tensor of float32, shape (n, d)
    taught : sequence of Tensor of float32, each (n, e)
        Of each teacher, of the same pictures.

    Returns
    -------
    Tensor
        Mean over the rows of the Kullback–Leibler divergence between the shares of all others in a
        row's neighbourhood, as the teachers' cosines on average give it, and as its own do (softmax
        over 0.1).
    """
    import torch
    from torch.nn.functional import kl_div, normalize

    own = torch.eye(len(rows), dtype=torch.bool, device=rows.device)

    def shares(cosines: Tensor) -> Tensor:
        return (cosines / _TEMPERATURE).masked_fill(own, -1e9).log_softmax(1)

    unit, *units = (normalize(some, dim=1) for some in (rows, *taught))
    truth = torch.stack([some @ some.T for some in units]).mean(0)
    return kl_div(shares(unit @ unit.T), shares(truth), reduction="batchmean", log_target=True)


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
    from celltransfer_core.encoders.network import Committee

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

    from celltransfer_core.encoders.network import CellNetwork

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
        ) + _CONTRAST * contrastive_loss(points.float(), types_there[where])
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


@dataclass(frozen=True)
class Check:
    """k-NN balanced accuracy in percent through one held-back microscope."""

    microscope: str
    plain: float
    centred: float
    """Each set on its own mean first."""


def check_on_held_back(network: torch.nn.Module, cells: Cells, seed: int) -> tuple[Check, ...]:
    """Type held-back cells seen through held-back microscopes.

    Parameters
    ----------
    network : Module
        A :class:`~celltransfer_core.encoders.network.CellNetwork` or ``Committee``, on the CPU.
    cells : Cells
        Those that :func:`train` had.
    seed : int
        That of the recipe.

    Returns
    -------
    tuple of Check
        Of each of :data:`~celltransfer_core.encoders.microscopes.HELD_BACK`: at most 60 cells a
        type that training did not draw, in proportions that vary, with the colours of the set
        brought to those of a reference of at most 120 training cells a type, as a run does.
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.neighbors import KNeighborsClassifier

    training, held_back = part(cells.types, seed)
    rng = np.random.default_rng(seed)
    reference = _draw(cells.types, training, rng, lambda: _REFERENCE)
    shown = [plain_view(cells.crops[cell], SIDE) for cell in reference]
    known, types = embed(network, shown), cells.types[reference]
    checks = []
    for name in HELD_BACK:
        query = _draw(cells.types, held_back, rng, lambda: int(_QUERY * rng.uniform(0.2, 1)))
        views = [held_back_view(cells.crops[cell], name, SIDE) for cell in query]
        recolour = ColourMap(*_lab_moments(views), *_lab_moments(shown))
        rows = embed(network, [recolour(view) for view in views])
        found = []
        for shift_known, shift_rows in ((0, 0), (known.mean(axis=0), rows.mean(axis=0))):
            knn = KNeighborsClassifier(min(_NEIGHBOURS, len(known)))
            guess = knn.fit(known - shift_known, types).predict(rows - shift_rows)
            found.append(100 * float(balanced_accuracy_score(cells.types[query], guess)))
        checks.append(Check(name, *found))
    return tuple(checks)


def _draw(types: Labels, among: Ints, rng: np.random.Generator, count: Callable[[], int]) -> Ints:
    parts = [rng.permutation(among[types[among] == name]) for name in np.unique(types)]
    return np.concatenate([cells[: max(5, count())] for cells in parts])


def _lab_moments(images: list[RGBImage]) -> tuple[Any, Any]:
    from skimage.color import rgb2lab

    lab = rgb2lab(np.stack(images[:: max(1, len(images) // 200)])).reshape(-1, 3)
    return lab.mean(axis=0), lab.std(axis=0)


def embed(network: torch.nn.Module, images: list[RGBImage]) -> Float32:
    """Embed images of an encoder's size.

    Parameters
    ----------
    network : Module
        From images in 0–1 to rows.
    images : list of ndarray of uint8, each (side, side, 3)

    Returns
    -------
    ndarray of float32, shape (n, dim)
    """
    import torch

    from celltransfer_core.encoders.network import CellNetwork

    forward = network.embed if isinstance(network, CellNetwork) else network
    rows = []
    with torch.inference_mode():
        for start in range(0, len(images), 256):
            pixels = torch.from_numpy(np.stack(images[start : start + 256]))
            rows.append(forward(pixels.permute(0, 3, 1, 2).float() / 255).numpy())
    return np.concatenate(rows)


def describe_check(checks: tuple[Check, ...]) -> str:
    """Say in a line how well held-back cells are typed."""
    each = ", ".join(f"{c.microscope} {c.plain:.0f}/{c.centred:.0f}" for c in checks)
    plain, centred = (float(np.mean([getattr(c, n) for c in checks])) for n in ("plain", "centred"))
    return (
        f"balanced accuracy through microscopes not trained on, as it is/centred: mean "
        f"{plain:.1f}/{centred:.1f} ({each})"
    )


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

    from celltransfer_core.encoders.network import Committee

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
