"""The demonstration's two sets: folders of drawn images with tables, nothing downloaded.

The reference is drawn as a clean microscope would show it; the query with another stain, scale,
blur and noise, other proportions of types, and a type that the reference lacks.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from celltransfer_core.demo.cells import draw_cell
from celltransfer_core.demo.styles import QUERY_STYLE, REFERENCE_TYPES, SLIDES, Slide
from celltransfer_core.errors import OutputError
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.types import RGBImage

DRAWN_NOTICE = (
    "Drawn cells, not real ones: these pictures are made by a program to try CellTransfer with; "
    "they show no patient and prove nothing about accuracy on real cells."
)
PER_TYPE = 40
"""Reference cells of each type."""

QUERY_CELLS = 240
"""Query cells in all."""


def draw_demo(
    folder: Path,
    *,
    seed: int = 0,
    reference_per_type: int = PER_TYPE,
    query_cells: int = QUERY_CELLS,
) -> None:
    """Write a drawn reference and a drawn query.

    Written are ``reference/<type>/*.png``, ``query/*.png`` in no order,
    ``query/metadata.csv`` (file, slide, patient), ``query-labels.csv`` (file, label; for
    evaluation only) and ``README.txt``. The same arguments give the same bytes.

    Parameters
    ----------
    folder : Path
        Made if it is not there; it must be empty.
    seed : int
        Decides every cell.
    reference_per_type : int
        Cells of each of the :data:`REFERENCE_TYPES`, at least 1.
    query_cells : int
        Cells of the query in all, at least 1.

    Raises
    ------
    OutputError
        If the folder holds anything or cannot be written to.
    ValueError
        If a count is below 1.
    """
    if reference_per_type < 1 or query_cells < 1:
        raise ValueError("reference_per_type and query_cells must be at least 1.")
    try:
        _make_folder(folder)
        jobs = [(folder, half, seed, reference_per_type, query_cells) for half in (0, 1)]
        for _ in run_tasks(_write_half, jobs):
            pass
        (folder / "README.txt").write_text(_readme(), encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(
            f"Cannot write the demonstration to {folder} ({error}); choose another folder."
        ) from error


def _make_folder(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(
            f"{folder} is not empty, and nothing in it will be overwritten; "
            "choose a new folder for the demonstration."
        )
    folder.mkdir(parents=True, exist_ok=True)


def _write_half(job: tuple[Path, int, int, int, int]) -> None:
    # After a worker died, another one draws the half again and overwrites its files.
    folder, half, seed, reference_per_type, query_cells = job
    rng = np.random.default_rng(seed).spawn(2)[half]
    if half == 0:
        _write_reference(folder / "reference", reference_per_type, rng)
    else:
        _write_query(folder / "query", query_cells, rng)


def _write_reference(folder: Path, per_type: int, rng: np.random.Generator) -> None:
    for cell_type in REFERENCE_TYPES:
        (folder / cell_type).mkdir(parents=True, exist_ok=True)
        for number in range(1, per_type + 1):
            _save(draw_cell(cell_type, rng), folder / cell_type / f"{cell_type}-{number:03d}.png")


def plan_query(count: int, rng: np.random.Generator) -> dict[str, tuple[Slide, str]]:
    """Decide on the slide and the type of each file of the query.

    Parameters
    ----------
    count : int
        Cells in all.
    rng : numpy.random.Generator
        Decides their order.

    Returns
    -------
    dict from file to (Slide, str)
        In the order of the files.
    """
    planned = [
        (slide, cell_type)
        for slide, cells in zip(SLIDES, _apportion(count, [1] * len(SLIDES)), strict=True)
        for cell_type, times in zip(
            slide.shares, _apportion(cells, list(slide.shares.values())), strict=True
        )
        for _ in range(times)
    ]
    order = rng.permutation(len(planned)).tolist()
    return {f"cell-{n:04d}.png": planned[index] for n, index in enumerate(order, start=1)}


def _write_query(query: Path, count: int, rng: np.random.Generator) -> None:
    query.mkdir(exist_ok=True)
    metadata, labels = [("file", "slide", "patient")], [("file", "label")]
    for name, (slide, cell_type) in plan_query(count, rng).items():
        style = replace(QUERY_STYLE, strength=slide.strength, background=slide.background)
        _save(draw_cell(cell_type, rng, style), query / name)
        metadata.append((name, slide.name, slide.patient))
        labels.append((name, cell_type))
    _write_table(query / "metadata.csv", metadata)
    _write_table(query.parent / "query-labels.csv", labels)


def _apportion(total: int, shares: Sequence[float]) -> list[int]:
    """Divide ``total`` into whole numbers in about the given proportions."""
    ends = np.rint(np.cumsum(shares) / np.sum(shares) * total).astype(int)
    parts: list[int] = np.diff(ends, prepend=0).tolist()
    return parts


def _save(image: RGBImage, path: Path) -> None:
    from PIL import Image, PngImagePlugin

    notice = PngImagePlugin.PngInfo()
    notice.add_text("Description", DRAWN_NOTICE)  # stays with an image that leaves its folder
    Image.fromarray(image).save(path, pnginfo=notice)


def _write_table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # Excel asks for the mark
        csv.writer(file, lineterminator="\n").writerows(rows)


def _readme() -> str:
    return f"""{DRAWN_NOTICE}

How they were drawn
  Nucleus, cytoplasm and granules follow simple rules for each cell type, with chance
  variation in shape, size, colour and rotation.
  reference/          {len(REFERENCE_TYPES)} types, one folder each; a clean stain, sharp
  query/              another microscope: yellow light, another stain and scale, blur, noise;
                      mostly neutrophils, without basophils and erythroblasts, and with
                      plasma cells, a type that the reference lacks
  query/metadata.csv  the slide and the patient (both made up) of each query cell
  query-labels.csv    the type each query cell was drawn as: only for checking the result

What to try (from the CellTransfer folder; DIR is the folder of this file)
  Type the query:
    python -m celltransfer_core run --reference DIR/reference --query DIR/query --out results
  Look at the cells of each cluster (results/clusters.csv) and at the type it was matched to
  (results/matches.csv). Correct matched_type where it is wrong, or write none where no type of
  the reference fits: most plasma cells lie together. Set confirmed to true, and run again:
    python -m celltransfer_core run --reference DIR/reference --query DIR/query --out results-2 \\
        --matches results/matches.csv --clusters-from results/clusters.csv
  Check both: compare predicted_type in predictions.csv with label in query-labels.csv.
"""
