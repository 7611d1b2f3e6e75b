"""Sentences and names shared by all formats of an evaluation."""

from __future__ import annotations

from celltransfer_core.evaluation.result import Reading

SIGNIFICANT = 0.05
"""Corrected p values below this are marked."""

LABELS_USED = "The query's own labels were used only here: no step of the pipeline sees them."
OT_NAMES = {
    "none": "no alignment",
    "centre": "centring",
    "coral": "CORAL",
    "linear": "linear transport",
    "sinkhorn": "entropic transport",
    "fgw-paper": "transport as in the paper",
    "fgw": "optimal transport",
}
FILTERING_NAMES = {
    "false": "all types of the reference",
    "true": "types matched to clusters",
    "reader": "clusters named by a reader without errors",
}


def describe_reading(reading: Reading) -> str:
    """Describe the simulated readers, and how well calibrated the confidence was in the end.

    Parameters
    ----------
    reading : Reading

    Returns
    -------
    str
    """
    after, before = (
        found.expected_calibration_error for found in (reading.calibration, reading.uncalibrated)
    )
    wrong = f"{100 * reading.errors:g} % of the answers wrong" if reading.errors else "never wrong"
    return (
        f"Means over {reading.repeats} readers, {wrong}. Expected calibration error of cells "
        f"without an answer, after the last answer of the queue: {after:.1f} % ({before:.1f} % for "
        "the vote's own confidence)."
    )


def two_decimals(value: float) -> str:
    """Write a figure with two decimals.

    Parameters
    ----------
    value : float

    Returns
    -------
    str
    """
    return f"{value:.2f}"
