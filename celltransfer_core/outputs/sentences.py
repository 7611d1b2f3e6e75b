"""Results as sentences, for the report and the pages: readers, and transport that is missing."""

from __future__ import annotations

import math

from celltransfer_core.matching.matches import confirmed_share
from celltransfer_core.people.accuracy import Concordance, Estimate
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.pipeline.votes import has_alignment, transport_counts


def percent(share: float) -> str:
    """Write a share as a percentage, or a dash for NaN.

    Parameters
    ----------
    share : float

    Returns
    -------
    str
    """
    return "–" if math.isnan(share) else f"{100 * share:.0f} %"


def interval(estimate: Estimate) -> str:
    """Write the 95 % interval of an estimate in percent.

    Parameters
    ----------
    estimate : Estimate

    Returns
    -------
    str
    """
    return f"{100 * estimate.low:.0f}–{100 * estimate.high:.0f} %"


def describe_sample(estimate: Estimate) -> str:
    """Describe how often the vote is right.

    Parameters
    ----------
    estimate : Estimate
        ``sample_accuracy(…).overall``.

    Returns
    -------
    str
    """
    if not estimate.cells:
        return "No cell of the blind random sample has an answer yet, so accuracy is not known."
    return (
        f"Of {estimate.cells} cells drawn at random and shown without their prediction, readers "
        f"gave {estimate.right} the predicted type: {percent(estimate.accuracy)} right, and with "
        f"95 % confidence between {interval(estimate)} over all query cells. Other reviewed cells "
        "do not count here: they were picked because they are doubtful, or their prediction was "
        "seen."
    )


def describe_concordance(found: Concordance) -> str:
    """Describe how far two readers agree.

    Parameters
    ----------
    found : Concordance

    Returns
    -------
    str
    """
    if not found.cells:
        return "no cell yet that both gave a type."
    kappa = "not defined" if math.isnan(found.kappa) else f"{found.kappa:.2f}"
    unsure = f" ({found.unsure} more that one was unsure of)" if found.unsure else ""
    return (
        f"{found.cells} cells read by both{unsure}, {found.agreed} alike "
        f"({percent(found.agreed / found.cells)}); Cohen's κ is {kappa} (1 is full agreement, 0 "
        "what chance would give)."
    )


def missing_transport(result: RunResult) -> str:
    """Say why a result has no aligned voters (3.3).

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
        A sentence; empty where there are some.
    """
    if result.aligned:
        return ""
    if not has_alignment(result.config):
        return "No alignment was chosen that makes voters of its own."
    if transport_counts(result.config, confirmed_share(result.matches)):
        return "Transport counts by now, but this vote was made without."
    return "Transport was not computed: it weighs nothing until a cluster is confirmed."
