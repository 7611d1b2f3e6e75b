"""Measure how many spoilt images the quality check finds, and how many good ones it reports.

    python tests/benchmarks/quality.py --data DIR [--queries jtsc,raabin] [--reference pbc]

One part of the reference's cells sets the limits. Other cells of it, and the queries, are checked
as they are, and with a tenth of them spoilt in one way at a time. Types are only used to draw the
reference. The last line is the share of the clearly spoilt cells (marked with *) that is found, and
the share of cells of other laboratories with any reported problem.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).parents[2]))

from celltransfer_core.data import read_dataset
from celltransfer_core.framing import (
    Framing,
    Nuclei,
    find_nucleus,
    judge_quality,
    look_at,
    measure,
)

SPOILT = 10  # one cell of so many


def blurred(sigma):
    """Blur by a Gaussian, in px."""
    return lambda image: gaussian_filter(image, (sigma, sigma, 0))


def lit(factor):
    """Expose longer or shorter."""
    return lambda image: np.rint(image * factor).clip(0, 255).astype(np.uint8)


def shifted(degrees):
    """Turn the hue."""

    def turn(image):
        hsv = np.array(Image.fromarray(image).convert("HSV"))
        hsv[..., 0] += np.uint8(round(degrees * 256 / 360) % 256)
        return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))

    return turn


def cut_off(share):
    """Crop an image so that a share of its nucleus is lost on the left."""

    def crop(image):
        nucleus = find_nucleus(image)
        left = 0 if nucleus is None else round(nucleus.x + (share - 0.5) * nucleus.extent)
        return np.ascontiguousarray(image[:, max(0, left) :])

    return crop


def doubled(image):
    """Lay the cell over itself once more, a nucleus's extent and a fifth beside it."""
    nucleus = find_nucleus(image)
    if nucleus is None:
        return image
    by = round(1.2 * nucleus.extent)
    return np.minimum(image, np.roll(image, by if nucleus.x < image.shape[1] / 2 else -by, axis=1))


def emptied(image):
    """Leave nothing but background."""
    return np.broadcast_to(np.uint8(look_at(image).background), image.shape)


WAYS = (
    ("blurred, sigma 1 px", "blurred", blurred(1)),
    ("blurred, sigma 1.5 px*", "blurred", blurred(1.5)),
    ("blurred, sigma 2 px*", "blurred", blurred(2)),
    ("exposed 0.75", "dark", lit(0.75)),
    ("exposed 0.5*", "dark", lit(0.5)),
    ("exposed 1.25", "bright", lit(1.25)),
    ("exposed 1.5", "bright", lit(1.5)),
    ("hue by 20 degrees", "stain", shifted(20)),
    ("hue by 40 degrees*", "stain", shifted(40)),
    ("hue by -40 degrees*", "stain", shifted(-40)),
    ("a quarter cut off*", "cut off", cut_off(0.25)),
    ("a half cut off*", "cut off", cut_off(0.5)),
    ("two cells", "several nuclei", doubled),
    ("nothing there*", "no nucleus", emptied),
)


def look(images):
    """Measure images."""
    rows = []
    for image in images:
        seen = look_at(image)
        place = (1, *seen.nucleus[:3]) if seen.nucleus else (0, 0, 0, 0)
        rows.append((*place, *seen.background, *measure(image, seen)))
    found = np.array(rows, np.float32)
    return Nuclei(found[:, 0] > 0, *found[:, 1:4].T, found[:, 4:7], found[:, 7:])


def mixed(clean, spoilt, cells):
    """Put spoilt cells in the place of clean ones."""
    fields = {}
    for name, values in vars(clean).items():
        fields[name] = values.copy()
        fields[name][cells] = getattr(spoilt, name)
    return replace(clean, **fields)


def spread(dataset, count, start=0):
    """Take some cells, evenly along the order of hashes, which is no order of types."""
    cells = np.unique(np.linspace(start, len(dataset) - 1, min(count, len(dataset))).astype(int))
    return dataset.take(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the sets")
    parser.add_argument("--reference", default="pbc")
    parser.add_argument("--queries", default="jtsc,raabin", help="names separated by commas")
    parser.add_argument("--per-type", type=int, default=40, help="cells of the reference a type")
    parser.add_argument("--limit", type=int, default=400, help="cells a query")
    options = parser.parse_args()

    whole = read_dataset(options.data / options.reference, labelled=True)
    drawn = np.concatenate(
        [
            np.flatnonzero(whole.cell_labels == one)[: options.per_type]
            for one in np.unique(whole.cell_labels)
        ]
    )
    reference = whole.take(np.sort(drawn))
    known = look([reference.read(cell) for cell in range(len(reference))])
    rest = whole.take(np.setdiff1d(np.arange(len(whole)), drawn))
    queries = {f"{options.reference}, held out": spread(rest, options.limit)}
    for name in options.queries.split(","):
        queries[name] = spread(read_dataset(options.data / name), options.limit)

    def judge(query, seen):
        framing = Framing({}, True, "", {"reference": known, "query": seen})
        return judge_quality(framing, reference, query)

    caught, faulted = [], []
    for name, query in queries.items():
        clean = look([query.read(cell) for cell in range(len(query))])
        good = judge(query, clean)
        any_fault = 100 * np.any([*good.faults.values()], axis=0).mean()
        if not name.endswith("held out"):
            faulted.append(any_fault)
        shares = ", ".join(f"{fault} {100 * of.mean():.1f}" for fault, of in good.faults.items())
        print(f"\n{name}: {len(query)} cells, {any_fault:.1f} % with any fault ({shares})")
        print(f"  the whole set: {', '.join(s.fault for s in good.shifts) or 'nothing'}")
        cells = np.arange(0, len(query), SPOILT)
        images = [query.read(cell) for cell in cells]
        for way, fault, spoil in WAYS:
            spoilt = mixed(clean, look([spoil(image) for image in images]), cells)
            faults = judge(query, spoilt).faults
            right = 100 * faults[fault][cells].mean()
            anyhow = 100 * np.any([of[cells] for of in faults.values()], axis=0).mean()
            alarms = 100 * np.delete(faults[fault], cells).mean()
            print(
                f"  {way:<24} found {right:5.1f} %, with any fault {anyhow:5.1f} %; "
                f"false alarms {alarms:4.1f} %",
                flush=True,
            )
            if way.endswith("*"):
                caught.append(anyhow)
    print(
        f"clearly spoilt cells found: {np.mean(caught):.1f} %; "
        f"cells of other laboratories with any fault: {np.mean(faulted):.1f} %"
    )


if __name__ == "__main__":
    main()
