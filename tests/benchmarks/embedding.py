"""Measure how fast sets are embedded, compared with a bare loop of forward passes.

    python tests/benchmarks/embedding.py --data DIR [--set bccd] [--cells 256]
                                         [--encoders cell,dinov2] [--repeats 5]

For the bare loop, images are framed, resized and standardised beforehand; it only runs forward
passes. CellTransfer starts from files: it decodes, frames, matches colours, resizes and stores
every batch. Nuclei are found and colours measured before the timing starts, because a run does this
once for all encoders; that time is shown in a separate row. A published encoder whose weights are
missing runs with random ones, which take the same time. Printed are medians of alternating runs, in
wall-clock and processor seconds. The last line is the lowest ratio to the bare loop's rate.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from celltransfer_core.data import read_dataset
from celltransfer_core.encoders import (
    FoundationEncoder,
    OnnxEncoder,
    embed,
    encoder_names,
    load_encoder,
    published_encoders,
    standardise,
)
from celltransfer_core.framing import ColourMap, Crops, find_nuclei, lab_moments
from celltransfer_core.runtime import Cache


def save_random_weights(spec, folder):
    """Make a published architecture as it comes from the hub, for its time alone."""
    import torch
    from safetensors.torch import save_model

    if spec.loader == "transformers":
        from transformers import ViTMAEConfig, ViTMAEModel

        config = ViTMAEConfig()
        config.save_pretrained(folder)
        model = ViTMAEModel(config)
    elif spec.loader == "open_clip":
        import open_clip

        model = open_clip.create_model(spec.architecture, precision="fp32", **spec.options)
    else:
        import timm

        model = timm.create_model(spec.architecture, pretrained=False, num_classes=0)
    if spec.files[0].endswith(".safetensors"):
        save_model(model, str(folder / spec.files[0]))
    else:
        torch.save(model.state_dict(), folder / spec.files[0])


def forward_passes(encoder, batches):
    """Make the rival: forward passes of what is ready, and nothing else."""
    if isinstance(encoder, OnnxEncoder):
        name = encoder._session.get_inputs()[0].name
        return lambda: [encoder._session.run(None, {name: batch}) for batch in batches]
    return lambda: [encoder.run(batch) for batch in batches]


def clocked(work):
    """Run; return wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the sets")
    parser.add_argument("--set", default="bccd")
    parser.add_argument("--cells", type=int, default=256)
    parser.add_argument("--encoders", default="cell,dinov2")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    dataset = read_dataset(options.data / options.set)
    dataset = dataset.take(np.arange(min(options.cells, len(dataset))))
    with tempfile.TemporaryDirectory() as kept:
        cache = Cache(Path(kept) / "nuclei")
        wall, _ = clocked(lambda: find_nuclei(dataset, cache))
        framed = Crops(dataset, find_nuclei(dataset, cache))
        moments: list[np.ndarray] = []
        colour, _ = clocked(lambda: moments.extend(lab_moments(framed)))
        print(
            f"{len(dataset)} cells of {options.set}; nuclei found at {len(dataset) / wall:.0f}/s, "
            f"colours measured at {len(dataset) / colour:.0f}/s"
        )
        mean, std = moments
        colours = {dataset.sources[0]: ColourMap(mean, std, mean + 1.0, 1.05 * std)}
        crops = Crops(dataset, framed.nuclei, colours)
        print(
            f"{'encoder':<14}{'bare /s':>9}{'ours /s':>9}{'share':>8}{'CPU s bare':>12}{'ours':>8}"
        )
        lowest = min(
            measure(name, crops, Path(kept), options.repeats)
            for name in options.encoders.split(",")
        )
    print(f"lowest share of the bare loop's rate: {lowest:.2f}")


def measure(name, crops, kept, repeats):
    """Print the row of an encoder; return its share of the bare loop's rate."""
    if name in encoder_names():
        encoder = load_encoder(name)
    else:
        spec = published_encoders()[name]
        save_random_weights(spec, kept)
        encoder = FoundationEncoder(spec, kept)
    assert isinstance(encoder, OnnxEncoder | FoundationEncoder)
    ready = list(crops.resized(range(len(crops)), encoder.spec.input_size))
    unknown = np.full(len(crops), np.nan, dtype=np.float32)
    size = max(32, encoder.batch)
    encoder.encode(ready[:size], unknown[:size])

    batches = [
        standardise(ready[i : i + encoder.batch], encoder.spec)
        for i in range(0, len(ready), encoder.batch)
    ]
    bare = forward_passes(encoder, batches)

    times = []
    for repeat in range(repeats):
        fresh = Cache(kept / f"{name}-{repeat}")
        times.append([*clocked(bare), *clocked(lambda cache=fresh: embed(crops, encoder, cache))])
    bare_wall, bare_cpu, our_wall, our_cpu = np.median(times, axis=0)
    share = float(np.median([row[0] / row[2] for row in times]))
    n = len(crops)
    print(
        f"{name:<14}{n / bare_wall:>9.1f}{n / our_wall:>9.1f}{share:>8.2f}{bare_cpu:>12.2f}"
        f"{our_cpu:>8.2f}",
        flush=True,
    )
    return share


if __name__ == "__main__":
    main()
