"""Measure how well copies of cells are found, and how often different cells are called the same.

    python tests/benchmarks/same_cells.py --data DIR [--sets jtsc,pbc] [--copies 300] [--seed 0]
        [--sheet FOLDER]

From each set, ``--copies`` cells are drawn and changed: saved again, resized, brightened, or
cropped differently. A line per change reports how many are found in the set, and how many as
exactly the original cell. Pairs within the set are counted too, and how many of them have two
types, which is rare for copies; with --sheet their images are written side by side for inspection.
The last line is the share of all changed cells that are found.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from PIL import Image, ImageEnhance

from celltransfer_core.data import (
    Dataset,
    Overlap,
    check_image,
    find_repeated,
    find_shared,
    read_dataset,
    stored_dataset,
)


def saved(image: Image.Image, kind: str = "PNG", quality: int = 95) -> bytes:
    """Write an image into a file."""
    file = io.BytesIO()
    image.save(file, kind, **({"quality": quality} if kind == "JPEG" else {}))
    return file.getvalue()


def resized(image: Image.Image, times: float) -> Image.Image:
    """Resize an image."""
    size = round(image.width * times), round(image.height * times)
    return image.resize(size, Image.Resampling.BICUBIC)


CHANGES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG 50": lambda image: saved(image, "JPEG", 50),
    "half as large": lambda image: saved(resized(image, 0.5)),
    "1.5 times as large": lambda image: saved(resized(image, 1.5)),
    "brighter by 10 %": lambda image: saved(ImageEnhance.Brightness(image).enhance(1.1)),
    "darker by 15 %": lambda image: saved(ImageEnhance.Brightness(image).enhance(0.85)),
    "contrast 1.2": lambda image: saved(ImageEnhance.Contrast(image).enhance(1.2)),
    "2 px cut off": lambda image: saved(image.crop((2, 2, image.width, image.height))),
    "4 px cut off all sides": lambda image: saved(
        image.crop((4, 4, image.width - 4, image.height - 4))
    ),
    "in grey": lambda image: saved(image.convert("L")),
}


def changed(dataset: Dataset, cells: np.ndarray, change: Callable[[Image.Image], bytes]) -> Dataset:
    """Change some cells; each keeps its number as its name."""
    images = {str(c): change(Image.fromarray(dataset.read(c))) for c in cells.tolist()}
    checked = {name: check_image(data) for name, data in images.items()}
    return stored_dataset(Path(tempfile.gettempdir()), "changed", checked, {})


def write_sheet(path: Path, dataset: Dataset, found: Overlap, side: int = 128) -> None:
    """Write pairs side by side, five in a row."""
    sheet = Image.new("RGB", (5 * 2 * (side + 4), -(-len(found) // 5) * (side + 8)), "white")
    for number, pair in enumerate(found.pairs.tolist()):
        for place, cell in enumerate(pair):
            image = Image.fromarray(dataset.read(cell)).resize((side, side))
            across, down = number % 5, number // 5
            sheet.paste(image, ((2 * across + place) * (side + 4), down * (side + 8)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def main() -> None:
    """Measure every set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default="jtsc,cellavision,bccd,sipakmed,raabin,pbc")
    parser.add_argument("--copies", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    shares = []
    for name in options.sets.split(","):
        dataset = read_dataset(options.data / name, labelled=True)
        started = time.perf_counter()
        repeated = find_repeated(dataset)
        seconds = time.perf_counter() - started
        first, second = (dataset.cell_labels[column] for column in repeated.pairs.T)
        print(
            f"{name}: {dataset.n_cells:,} cells, {len(repeated)} pairs, "
            f"{int((first != second).sum())} of two types, {seconds:.1f} s"
        )
        if options.sheet and len(repeated):
            write_sheet(options.sheet / f"{name}.png", dataset, repeated)
        rng = np.random.default_rng(options.seed)
        drawn = rng.permutation(dataset.n_cells)[: options.copies]
        for what, change in CHANGES.items():
            query = changed(dataset, drawn, change)
            found = find_shared(dataset, query)
            very = sum(int(query.first_file[cell]) == known for known, cell in found.pairs.tolist())
            shares.append(len(found) / query.n_cells)
            print(f"  {what:<24} {100 * shares[-1]:5.1f} % found, {very} as the very cell")
    print(f"found of all changed cells: {100 * np.mean(shares):.1f} %")


if __name__ == "__main__":
    main()
