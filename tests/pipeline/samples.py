"""What the tests of the pipeline share."""

from dataclasses import replace

import celltransfer_core
from celltransfer_core.config import DEFAULT

FAST = replace(DEFAULT, encoders=(("shape", "colour"), ("colour",)), draws=2, transport="always")
"""Two voters that take no time, aligned ones beside them though nothing is confirmed."""

FILES = (
    "predictions.csv",
    "clusters.csv",
    "matches.csv",
    "differential.csv",
    "manifest.json",
    "similarity.npz",
    "neighbours.npz",
)


def written(result, folder):
    """Write a run, and give the bytes of its files."""
    celltransfer_core.write_run(result, folder)
    return {name: (folder / name).read_bytes() for name in FILES}
