"""Results as sentences, for the report and the pages.

Turns figures of the core into short sentences, with the interval first, then the best estimate.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from celltransfer_core.matching.matches import confirmed_share
from celltransfer_core.people.active_inference import Share
from celltransfer_core.people.composition import ESTIMATED_FROM, Inference
from celltransfer_core.people.flags import Errors, Flags
from celltransfer_core.people.must_find import Sensitivity
from celltransfer_core.people.readers import Concordance, Reclassification
from celltransfer_core.people.tally import Tally
from celltransfer_core.pipeline.result import RunResult
from celltransfer_core.pipeline.sources import NearestSets
from celltransfer_core.pipeline.votes import has_alignment, transport_counts
from celltransfer_core.vocabulary import and_more


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


def interval(low: float, high: float) -> str:
    """Write an interval in percent, rounded outwards.

    Parameters
    ----------
    low, high : float
        In [0, 1].

    Returns
    -------
    str

    Examples
    --------
    >>> interval(0.826, 0.961)
    '82 to 97 %'
    """
    return f"{math.floor(100 * low + 1e-9)} to {math.ceil(100 * high - 1e-9)} %"


def describe_share(share: Share) -> str:
    """Write a share, its interval first.

    Parameters
    ----------
    share : Share

    Returns
    -------
    str

    Examples
    --------
    >>> describe_share(Share(0.92, 0.826, 0.961, 60))
    '82 to 97 %, best estimate 92 %'
    """
    if math.isnan(share.value):
        return "not known yet"
    return f"{interval(share.low, share.high)}, best estimate {percent(share.value)}"


def describe_accuracy(inference: Inference) -> str:
    """Describe the accuracy of predictions, or how many blind cells are needed to estimate it.

    Parameters
    ----------
    inference : Inference

    Returns
    -------
    str
    """
    if inference.missing_blind and inference.most_blind < ESTIMATED_FROM:
        return (
            "How often predictions are right cannot be estimated for so few cells: "
            f"{ESTIMATED_FROM} blind cells are needed, at most {inference.most_blind} are possible."
        )
    if more := inference.missing_blind:
        cells = f"{more} more blind cell{'s' if more > 1 else ''}"
        return (
            f"How often predictions are right is not known yet: {cells} must be answered "
            f"({inference.tally.blind} of {ESTIMATED_FROM} are)."
        )
    found = inference.right()
    return (
        f"Accuracy over all cells: {describe_share(found)} (95 % interval). It is based on "
        f"{found.draws} answers on randomly drawn cells, {inference.tally.blind} of them blind; "
        "uncertain cells are drawn more often and weigh less. No cell is judged by a vote that "
        "has used its answer."
    )


def describe_flags(flags: Flags) -> str:
    """Describe how many cells are flagged and why, and the expected accuracy of the others.

    Parameters
    ----------
    flags : Flags

    Returns
    -------
    str
    """
    flagged, cells = int((flags.flagged & ~flags.typed).sum()), len(flags.flagged)
    typed = int(flags.typed.sum())
    told = f"{flagged:,} of {cells - typed:,} cells {'is' if flagged == 1 else 'are'} flagged"
    others = f" ({typed:,} more have a reader's answer)" if typed else ""
    if flags.missing is None:
        told += f"{others}, with the aim that {100 * flags.error:g} % of the others are wrong."
    else:
        more = flags.missing.missing
        told += (
            f" for an agreement below {flags.agreement:g}{others}. Confidence will decide once "
            f"{more:,} more {'cell is' if more == 1 else 'cells are'} typed; then more cells may "
            "be flagged."
        )
    return f"{told} {describe_errors(flags.errors)}"


def describe_errors(errors: Errors) -> str:
    """Describe the expected number of wrong predictions, the interval first.

    Parameters
    ----------
    errors : Errors

    Returns
    -------
    str

    Examples
    --------
    >>> describe_errors(Errors(390, 7.3, 2, 14))
    'Of the 390 others, 2 to 14 are expected to be wrong (best estimate 7).'
    """
    if not errors.cells:
        return "No other cells remain."
    one = f"{errors.low:,} to {errors.high:,}" if errors.high > errors.low else f"{errors.low:,}"
    if errors.high - errors.low > errors.cells / 2:
        return f"How many of the {errors.cells:,} others are wrong is not known yet."
    return (
        f"Of the {errors.cells:,} others, {one} are expected to be wrong (best estimate "
        f"{errors.expected:,.0f})."
    )


def describe_sensitivity(found: Sensitivity, cells: int) -> str:
    """Describe the sensitivity that drawn cells guarantee for a type that must not be missed.

    Parameters
    ----------
    found : Sensitivity
    cells : int
        Number of cells that are predicted as the type or may be of it.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_sensitivity(Sensitivity(drawn=12, seen=12, low=0.779, missing=47), 200)
    'Of 12 randomly drawn cells of the type, 12 are among them: at least 77 % are flagged or \
predicted. 47 more would guarantee 95 %.'
    """
    if found.drawn + found.missing > cells:
        more = " This set has too few of them to guarantee 95 %."
    else:
        more = f" {found.missing} more would guarantee 95 %." if found.missing else ""
    if not found.drawn:
        return f"No randomly drawn cell was of this type yet, so nothing can be guaranteed.{more}"
    promise = f"at least {math.floor(100 * found.low):.0f} % are flagged or predicted."
    return (
        f"Of {found.drawn} randomly drawn cells of the type, {found.seen} are among them: "
        f"{promise}{more}"
    )


def describe_composition(inference: Inference) -> str:
    """Describe whether the intervals of the types' shares include typing errors.

    Parameters
    ----------
    inference : Inference

    Returns
    -------
    str
    """
    if more := inference.missing_draws:
        cells = f"{more} more randomly drawn cell{'s' if more > 1 else ''}"
        return (
            "The intervals cover only chance in counting, not wrong types. To cover both, answer "
            f"{cells}."
        )
    return (
        f"Shares are corrected by {inference.tally.drawn} answers on randomly drawn cells, and "
        "their 95 % intervals cover both counting and typing errors."
    )


def describe_sample(tally: Tally, cells: int) -> str:
    """Describe which cells people looked at: how many were drawn at random, and how many chosen.

    Parameters
    ----------
    tally : Tally
    cells : int
        Number of query cells.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_sample(Tally(20, 8, 3, 0, 1, 2, 0, 0), 300)
    'Readers have answered 26 of 300 cells: 20 drawn at random (8 of them blind, with the \
prediction hidden), 3 chosen in other ways, 1 unsure, 2 artefact.'
    """
    chosen = tally.picked + tally.out_of_sample
    answered = tally.drawn + chosen + tally.unsure + tally.artefact + tally.disputed
    if not answered:
        return f"None of the {cells:,} cells has been answered yet."
    blind = f" ({tally.blind} of them blind, with the prediction hidden)"
    parts = [
        f"{tally.drawn} drawn at random{blind if tally.blind else ''}" if tally.drawn else "",
        f"{chosen} chosen in other ways" if chosen else "",
        f"{tally.unsure} unsure" if tally.unsure else "",
        f"{tally.artefact} artefact" if tally.artefact else "",
        f"{tally.disputed} disputed" if tally.disputed else "",
    ]
    told = ", ".join(part for part in parts if part)
    return f"Readers have answered {answered:,} of {cells:,} cells: {told}."


_WHY = {
    "picked": "not drawn at random, prediction shown",
    "out_of_sample": "not drawn at random, blind",
    "unsure": "unsure",
    "artefact": "artefact",
    "skipped": "skipped",
    "disputed": "disputed",
}


def describe_left_out(tally: Tally) -> str:
    """Describe which answers do not count towards estimates for all cells, and why.

    Parameters
    ----------
    tally : Tally

    Returns
    -------
    str
        A sentence; empty if every answer counts.
    """
    counts = {why: getattr(tally, name) for name, why in _WHY.items()}
    told = "; ".join(f"{count} {why}" for why, count in counts.items() if count)
    return f"Not counted: {told}." if told else ""


def describe_reclassification(found: Reclassification) -> str:
    """Describe how often people changed the proposed type.

    Parameters
    ----------
    found : Reclassification

    Returns
    -------
    str
    """
    overall = found.overall
    if not overall.cells:
        return "No cell has been reviewed, so nothing has been reclassified."
    return (
        f"Reclassified: {overall.right} of {overall.cells} reviewed cells "
        f"({percent(overall.accuracy)}) have another type than proposed. Uncertain cells are "
        "reviewed more often, so this is not the share of wrong types among all cells."
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
        return "no cell has been typed by both yet."
    kappa = "not defined" if math.isnan(found.kappa) else f"{found.kappa:.2f}"
    unsure = f" ({found.unsure} more on which one was unsure)" if found.unsure else ""
    return (
        f"{found.cells} cells read by both{unsure}, {found.agreed} with the same answer "
        f"({percent(found.agreed / found.cells)}); Cohen's κ is {kappa} (1 is full agreement, 0 is "
        "agreement by chance)."
    )


def missing_transport(result: RunResult) -> str:
    """Say why a result has no aligned voters (3.3).

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
        A sentence; empty if it has some.
    """
    if result.aligned:
        return ""
    if not has_alignment(result.config):
        return "The selected alignment adds no voters."
    if transport_counts(result.config, confirmed_share(result.matches)):
        return "Transport counts by now, but this vote was made without it."
    return "Transport was not computed: it has no weight until a cluster is confirmed."


def describe_nearest(nearest: NearestSets, absent: Collection[str] = ()) -> str:
    """Describe how near the sets of a pooled reference are to the query, and which are used.

    Parameters
    ----------
    nearest : NearestSets
    absent : collection of str
        Types that the query cannot contain; they are not missed in the nearest set.

    Returns
    -------
    str
        The nearest set first.
    """
    (first, most), *others = sorted(nearest.shares.items(), key=lambda one: -one[1])
    rest = ", ".join(f"{percent(share)} like cells of {name}" for name, share in others)
    told = f"{percent(most)} of the query's cells look most like cells of {first}, {rest}"
    if not nearest.alone:
        return f"{told}. All sets are used."
    told += f". {nearest.alone} is clearly the nearest set and is used alone."
    if lacking := [name for name in nearest.lacking if name not in absent]:
        told += (
            f" It has no cell of {and_more(lacking)}: if the query may contain one of "
            "these types, expect it, or use all sets."
        )
    return told


def describe_ruled_out(result: RunResult, by: Mapping[str, str] | None = None) -> dict[str, str]:
    """Describe the evidence for types that were ruled out: cells that look like them, and answers.

    Parameters
    ----------
    result : RunResult
    by : mapping from type to str, optional
        Who ruled it out; "you" by default.

    Returns
    -------
    dict from type to str
        Only those types of ``config.absent`` that there is evidence for.
    """
    said = {}
    for name in result.config.absent:
        alike = len((result.ruled_out or {}).get(name, ()))
        inside = sum(one.cells for one in result.matches if one.matched_type == name)
        given = result.updated.annotations.cells if result.updated else ()
        typed = sum(answer == name for _, answer in given)
        words = {
            f"{alike:,} {'cell looks' if alike == 1 else 'cells look'} like {name}": alike,
            f"{inside:,} cells are in clusters confirmed as {name}": inside,
            f"{typed:,} {'cell was' if typed == 1 else 'cells were'} typed as {name}": typed,
        }
        if told := [word for word, cells in words.items() if cells]:
            said[name] = f"{'; '.join(told)}, which {(by or {}).get(name, 'you')} ruled out."
    return said
