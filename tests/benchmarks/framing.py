"""Measure how many nuclei are found in real sets, how large they are, and how fast.

    python tests/benchmarks/framing.py --data DIR [--sets pbc,jtsc] [--limit N] [--sheets DIR]

One process, including decoding. Types are not used. With ``--sheets``, contact sheets of each set
are written: every image with its crop outlined in green (red: no nucleus found), and the crop next
to it. The last line is the lowest share of nuclei found.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[2]))

from celltransfer_core.data import read_dataset
from celltransfer_core.framing import FIELD_OF_VIEW, cut, find_nucleus

TILE = 120  # px
COLUMNS, ROWS = 6, 8  # pairs a sheet
FOUND, MISSED = (0, 200, 0), (230, 0, 0)


def measure(dataset, cells):
    """Find the nuclei of some cells; return them, extent over shorter side, and the seconds."""
    started = time.perf_counter()
    nuclei, ratios = [], []
    for cell in cells:
        image = dataset.read(cell)
        nucleus = find_nucleus(image)
        nuclei.append(nucleus)
        if nucleus is not None:
            ratios.append(nucleus.extent / min(image.shape[:2]))
    return nuclei, ratios, time.perf_counter() - started


def pair(image, nucleus, number):
    """Draw an image with its cut marked and, beside it, the cut."""
    tile = Image.new("RGB", (2 * TILE + 2, TILE), "white")
    scale = TILE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    tile.paste(Image.fromarray(image).resize(size), (0, 0))
    draw = ImageDraw.Draw(tile)
    if nucleus is None:
        draw.line((0, 0, TILE, TILE), fill=MISSED, width=2)
        draw.line((0, TILE, TILE, 0), fill=MISSED, width=2)
    else:
        half = FIELD_OF_VIEW * nucleus.extent / 2
        box = [nucleus.x - half, nucleus.y - half, nucleus.x + half, nucleus.y + half]
        draw.rectangle([side * scale for side in box], outline=FOUND, width=2)
        tile.paste(Image.fromarray(cut(image, nucleus)).resize((TILE, TILE)), (TILE + 2, 0))
    draw.text((2, 1), str(number), fill="black")
    return tile


def write_sheets(dataset, cells, nuclei, folder, name):
    """Write numbered contact sheets of a set."""
    folder.mkdir(parents=True, exist_ok=True)
    at_once = COLUMNS * ROWS
    for sheet, start in enumerate(range(0, len(cells), at_once)):
        page = Image.new("RGB", (COLUMNS * (2 * TILE + 10), ROWS * (TILE + 8)), "white")
        part = zip(cells[start : start + at_once], nuclei[start : start + at_once], strict=True)
        for place, (cell, nucleus) in enumerate(part):
            row, column = divmod(place, COLUMNS)
            tile = pair(dataset.read(cell), nucleus, start + place)
            page.paste(tile, (column * (2 * TILE + 10), row * (TILE + 8)))
        page.save(folder / f"{name}-{sheet:02}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the sets")
    parser.add_argument("--sets", help="names separated by commas; all folders by default")
    parser.add_argument("--limit", type=int, default=1000, help="cells a set, 0 for all")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write contact sheets there")
    parser.add_argument("--shown", type=int, default=96, help="cells a set on the sheets")
    options = parser.parse_args()

    names = (
        options.sets.split(",")
        if options.sets
        else sorted(path.name for path in options.data.iterdir() if path.is_dir())
    )
    find_nucleus(np.full((64, 64, 3), 255, np.uint8))  # imports are not part of the measurement
    lowest = (101.0, "")
    print(f"{'set':<14} {'images':>7} {'found %':>8} {'extent/side':>12} {'images/s':>9}")
    for name in names:
        dataset = read_dataset(options.data / name)
        count = min(options.limit or len(dataset), len(dataset))
        cells = np.unique(np.linspace(0, len(dataset) - 1, count).astype(int))
        nuclei, ratios, seconds = measure(dataset, cells)
        share = 100 * len(ratios) / len(cells)
        middle = float(np.median(ratios)) if ratios else float("nan")
        lowest = min(lowest, (share, name))
        print(
            f"{name:<14} {len(cells):>7,} {share:>8.1f} {middle:>12.2f} "
            f"{len(cells) / seconds:>9.0f}",
            flush=True,
        )
        if options.sheets:
            shown = np.linspace(0, len(cells) - 1, min(options.shown, len(cells)))
            chosen = np.unique(shown.astype(int))
            write_sheets(dataset, cells[chosen], [nuclei[i] for i in chosen], options.sheets, name)
    print(f"lowest share of nuclei found: {lowest[0]:.1f} % ({lowest[1]})")


if __name__ == "__main__":
    main()
