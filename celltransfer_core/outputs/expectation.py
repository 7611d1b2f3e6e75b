"""The expected accuracy, as sentences and as fields of a manifest."""

from __future__ import annotations

from typing import Any

from celltransfer_core.outputs.sentences import interval, percent
from celltransfer_core.people.expected import COVERED, MOST_ANSWERS, WANTED, WARNED_BELOW, Expected

WIDE = 0.4
"""Width from which a range says little."""

_STEP = 5  # answers; a finer figure would suggest false precision


def describe_expected(expected: Expected | None) -> str:
    """Describe the expected accuracy, its basis, and how many more answers are needed.

    Parameters
    ----------
    expected : Expected, optional

    Returns
    -------
    str
        The range first; empty if nothing can be said.

    Examples
    --------
    >>> print(describe_expected(Expected(0.83, 0.72, 0.9, 0.08, 0, (18, 37))))
    Expected accuracy: 72 to 90 % of the cells typed correctly; best estimate 83 %. It is based on \
how far the voters agree; answers on randomly drawn cells will give a better estimate. Cells of \
types that the reference lacks, and errors in its types, are not included. About 15 to 40 more \
answers are needed for 90 %.
    """
    if expected is None:
        return ""
    range_ = interval(expected.low, expected.high)
    first = (
        f"Expected accuracy: {range_} of the cells typed correctly; best estimate "
        f"{percent(expected.value)}."
    )
    wide = " The range is wide because little is known yet." * (expected.high - expected.low > WIDE)
    rests = (
        f"It is based on {expected.draws} answer{'s' if expected.draws > 1 else ''} on "
        "randomly drawn cells and on how far the voters agree."
        if expected.draws
        else (
            "It is based on how far the voters agree; answers on randomly drawn cells will "
            "give a better estimate. Cells of types that the reference lacks, and errors in its "
            "types, are not included."
        )
    )
    return f"{first}{wide} {rests} {describe_wanted(expected)}"


def describe_wanted(expected: Expected) -> str:
    """Describe how many more answers may be needed to reach :data:`WANTED`.

    Parameters
    ----------
    expected : Expected

    Returns
    -------
    str

    Examples
    --------
    >>> describe_wanted(Expected(0.96, 0.93, 0.98, 0.0, 0, (0, 0)))
    'This is probably above 90 % already.'
    """
    goal = percent(WANTED)
    if expected.wanted is None:
        return (
            f"How many answers are needed for {goal} cannot be estimated: more than {MOST_ANSWERS}."
        )
    least, most = expected.wanted
    if not most:
        return f"This is probably above {goal} already."
    least, most = _STEP * (least // _STEP), _STEP * -(-most // _STEP)
    if most > MOST_ANSWERS:
        return (
            f"At least {max(least, _STEP)} more answers are needed for {goal}; a closer "
            "estimate is not possible."
        )
    if not least:
        return f"Up to {most} more answers are needed for {goal}."
    return f"About {least} to {most} more answers are needed for {goal}."


def describe_poor(expected: Expected | None) -> str:
    """Warn if few cells may be typed correctly, and say what to do.

    Parameters
    ----------
    expected : Expected, optional

    Returns
    -------
    str
        Empty if no warning is needed.
    """
    if expected is None or not expected.warns:
        return ""
    return (
        f"Fewer than {percent(WARNED_BELOW)} of the cells may be typed correctly. Confirm the "
        "clusters, state what this sample can contain, and check that stain and scale are similar "
        "to the reference's."
    )


def expected_fields(expected: Expected | None) -> dict[str, Any] | None:
    """Write an expectation for a manifest.

    Parameters
    ----------
    expected : Expected, optional

    Returns
    -------
    dict or None
        JSON types only: best_guess, low and high with ``covered``, the probability that the
        accuracy lies between them; below_70_percent, a probability; answers_wanted for 90 %, least
        and most, null if unknown; and warning.
    """
    if expected is None:
        return None
    return {
        "best_guess": round(expected.value, 4),
        "low": round(expected.low, 4),
        "high": round(expected.high, 4),
        "covered": COVERED,
        "below_70_percent": round(expected.poor, 4),
        "warning": expected.warns,
        "answers": expected.draws,
        "answers_wanted": list(expected.wanted) if expected.wanted else None,
    }
