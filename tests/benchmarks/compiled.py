"""Measure whether torch.compile or an ONNX export embeds faster than plain torch on this machine.

    python tests/benchmarks/compiled.py [--encoders dinov2,swin,convnext,clip,vitmae,dinobloom,sam]
                                        [--images 16] [--repeats 5]

Published architectures at full size with random weights (which take the same time) are loaded as in
a run, and one batch of preprocessed images is used. Printed are medians of alternating passes, in
images per second, with the ratio to plain torch; then the preparation time (compiling, exporting),
which is needed once per process, and the difference of the embeddings from those of plain torch,
relative to their spread. The last line is the median of both ratios.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from embedding import save_random_weights

from celltransfer_core.encoders import (
    FoundationEncoder,
    batch_size,
    forward_pass,
    in_torch,
    published_encoders,
)

SEVEN = "dinov2,swin,convnext,clip,vitmae,dinobloom,sam"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoders", default=SEVEN)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(
        f"{'encoder':<12}{'torch /s':>9}{'compiled':>10}{'ratio':>7}{'ONNX /s':>10}{'ratio':>7}"
        f"{'compiling s':>13}{'exporting s':>13}{'off by':>16}"
    )
    ratios = []
    for name in options.encoders.split(","):
        with tempfile.TemporaryDirectory() as folder:
            ratios.append(measure(name, Path(folder), options.images, options.repeats))
    compiled, onnx = np.median(ratios, axis=0)
    print(f"median rate over plain torch's: compiled {compiled:.2f}, ONNX {onnx:.2f}")


def measure(name, folder, images, repeats):
    """Print the row of an encoder; return the ratios."""
    spec = published_encoders()[name]
    save_random_weights(spec, folder)
    images = min(images, batch_size(spec, "cpu"))
    shape = (images, 3, spec.input_size, spec.input_size)
    pixels = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    model = forward_pass(spec, folder)
    at = time.perf_counter()
    compiled = in_torch(torch.compile(model), "cpu")
    there = compiled(pixels)
    compiling = time.perf_counter() - at
    at = time.perf_counter()
    exported = FoundationEncoder(spec, folder, "cpu").run
    exporting = time.perf_counter() - at
    plain = in_torch(model, "cpu")
    right = plain(pixels)
    off = [np.abs(rows - right).max() / right.std() for rows in (there, exported(pixels))]
    times = []
    for _ in range(repeats):
        row = []
        for run in (plain, compiled, exported):
            at = time.perf_counter()
            run(pixels)
            row.append(time.perf_counter() - at)
        times.append(row)
    rates = images / np.median(times, axis=0)
    ratios = [float(np.median([row[0] / row[way] for row in times])) for way in (1, 2)]
    print(
        f"{name:<12}{rates[0]:>9.2f}{rates[1]:>10.2f}{ratios[0]:>7.2f}{rates[2]:>10.2f}"
        f"{ratios[1]:>7.2f}{compiling:>13.1f}{exporting:>13.1f}"
        f"{off[0]:>8.0e}{off[1]:>8.0e}",
        flush=True,
    )
    return ratios


if __name__ == "__main__":
    main()
