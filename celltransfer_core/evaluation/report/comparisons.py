"""Methods in plain words: names of methods, and sentences that compare two of them."""

from __future__ import annotations

from celltransfer_core.evaluation.comparison import Comparison
from celltransfer_core.evaluation.report.sentences import FILTERING_NAMES, OT_NAMES, SIGNIFICANT

_WHOLE = {
    "ensemble": "Vote of all encoders",
    "ensemble-linear": "Vote of all linear probes",
    "ensemble-nmtune": "Vote of all NMTune classifiers",
    "majority": "Always the most common type",
}
_ON = {
    "knn": "Nearest neighbours on",
    "linear": "Linear probe on",
    "nmtune": "NMTune on",
    "ceiling": "The query's own labels, on",
}
_MOST = 4
"""Maximum number of types named in a sentence."""


def method_name(method: str) -> str:
    """Name a method in plain words.

    Parameters
    ----------
    method : str
        Its code in ``results.csv``, such as ``knn:cell+shape``.

    Returns
    -------
    str

    Examples
    --------
    >>> method_name("knn:cell+shape")
    'Nearest neighbours on cell and shape'
    >>> method_name("ensemble")
    'Vote of all encoders'
    """
    kind, _, encoders = method.partition(":")
    if kind in _WHOLE:
        return _WHOLE[kind]
    return f"{_ON[kind]} {encoders_name(encoders)}"


def encoders_name(encoders: str) -> str:
    """Name concatenated encoders in plain words.

    Parameters
    ----------
    encoders : str
        Joined by plus signs.

    Returns
    -------
    str

    Examples
    --------
    >>> encoders_name("cell+colour+shape")
    'cell, colour and shape'
    """
    *others, last = encoders.split("+")
    return f"{', '.join(others)} and {last}" if others else last


def prediction_name(method: str, ot: str, filtering: str = "") -> str:
    """Name a method with its alignment, and its filtering if given.

    Parameters
    ----------
    method, ot, filtering : str
        As in ``results.csv``.

    Returns
    -------
    str

    Examples
    --------
    >>> prediction_name("ensemble", "fgw")
    'Vote of all encoders (optimal transport)'
    """
    kind = method.partition(":")[0]
    if kind in {"majority", "ceiling"}:  # they use neither
        return method_name(method)
    how = [OT_NAMES[ot], *([FILTERING_NAMES[filtering]] if filtering else [])]
    return f"{method_name(method)} ({', '.join(how)})"


def describe_comparison(found: Comparison, first: str, second: str) -> str:
    """Describe which of two methods is ahead, by how much, how significantly, and on which types.

    Parameters
    ----------
    found : Comparison
    first, second : str
        Names of the two.

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> from celltransfer_core.evaluation.comparison import compare
    >>> truth = np.array(["a"] * 8 + ["b"] * 8)
    >>> told = describe_comparison(compare(truth, truth, np.array(["a"] * 16)), "P", "Q")
    >>> told.split(": ")[0]
    'P is ahead by 8 of 16 cells (50.0 points, 95 % interval 13.1 to 50.0)'
    >>> told.split(": ", 1)[1]
    'more than expected by chance (p = 0.008). Only P is right on 8 cells, only Q on 0. By type: 8 \
more of b, more than chance.'
    """
    pair = found.overall
    if not pair.only_first and not pair.only_second:
        return f"{first} and {second} are right on the same cells."
    sign = -1 if pair.lead < 0 else 1
    ahead, other = (first, second)[::sign]
    gained, lost = (pair.only_first, pair.only_second)[::sign]
    low, high = sorted(sign * end for end in pair.interval)
    points = 100 * abs(pair.lead) / pair.cells
    ends = f"{low:.1f} to {high:.1f}".replace("-", "−")
    chance = "more" if pair.p < SIGNIFICANT else "no more"
    lead = (
        f"{ahead} is ahead by {abs(pair.lead):,} of {pair.cells:,} cells ({points:.1f} points, "
        f"95 % interval {ends}): {chance} than expected by chance ({p_value(pair.p)})."
        if pair.lead
        else f"Neither {first} nor {second} is ahead."
    )
    cells = "cell" if gained == 1 else "cells"
    alone = f"Only {ahead} is right on {gained:,} {cells}, only {other} on {lost:,}."
    return f"{lead} {alone}{_by_type(found, sign)}"


def _by_type(found: Comparison, sign: int) -> str:
    """Describe on which types one method leads and on which it is behind, the largest first."""
    leads = {name: sign * pair.lead for name, pair in found.by_type.items() if pair.lead}
    told = [
        f"{abs(lead):,} {'more' if lead > 0 else 'fewer'} of {name}"
        + (", more than chance" if found.p_by_type[name] < SIGNIFICANT else "")
        for name, lead in sorted(leads.items(), key=lambda item: (-abs(item[1]), item[0]))
    ]
    if not told:
        return ""
    rest = f"; and {len(told) - _MOST} more types" if len(told) > _MOST else ""
    return f" By type: {'; '.join(told[:_MOST])}{rest}."


def p_value(p: float) -> str:
    """Write a p value.

    Parameters
    ----------
    p : float

    Returns
    -------
    str

    Examples
    --------
    >>> p_value(0.0312), p_value(1e-7)
    ('p = 0.031', 'p < 0.001')
    """
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
