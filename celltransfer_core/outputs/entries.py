"""Parsing of single table entries as spreadsheets write them.

A spreadsheet may write ``true`` as ``WAHR``, ``3`` as ``3,0`` and a time in another order; people
tick with an ``x``. Ambiguous entries are not guessed: they raise a ``ValueError``.
"""

from __future__ import annotations

import datetime as dt
import math
import re

# fmt: off
_TRUE = frozenset((
    "true", "wahr", "vrai", "vero", "verdadero", "verdadeiro", "waar", "sand", "sant", "tosi",
    "prawda", "igaz", "истина", "yes", "ja", "oui", "sì", "si", "sí", "sim", "да", "y", "j", "t",
    "x", "✓", "✔",
))
_FALSE = frozenset((
    "false", "falsch", "faux", "falso", "onwaar", "falsk", "falskt", "epätosi", "fałsz", "hamis",
    "ложь", "no", "nein", "non", "não", "nej", "nee", "нет", "n", "f", "-", "",
))
# fmt: on
_TIME_AFTER = r"(?:[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?"
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})" + _TIME_AFTER)
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _TIME_AFTER)


def truth(text: str) -> bool:
    """Read a truth value.

    Parameters
    ----------
    text : str
        In English or in another language of a spreadsheet, in upper or lower case; empty means no.

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        If it is neither yes nor no.

    Examples
    --------
    >>> truth("TRUE"), truth("Wahr"), truth("x"), truth("1,0"), truth("FAUX"), truth("")
    (True, True, True, True, False, False)
    """
    word = text.strip().casefold()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    value = decimal(text)
    if value not in (0.0, 1.0):
        raise ValueError(f"{text!r} is neither yes nor no")
    return value == 1.0


def decimal(text: str) -> float:
    """Read a number with a decimal point or comma.

    Parameters
    ----------
    text : str

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If it is not one.

    Examples
    --------
    >>> decimal("0,818513"), decimal("1.5e-3")
    (0.818513, 0.0015)
    """
    value = float(text.strip().replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number")
    return value


def whole(text: str) -> int:
    """Read a whole number, which may be written with zero decimals.

    Parameters
    ----------
    text : str

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If it is not one.

    Examples
    --------
    >>> whole("3"), whole("3.0"), whole("3,00")
    (3, 3, 3)
    """
    value = decimal(text)
    if not value.is_integer():
        raise ValueError(f"{text!r} is not a whole number")
    return int(value)


def moment(text: str) -> str:
    """Read a point in time.

    Parameters
    ----------
    text : str
        ISO 8601, or as spreadsheets write it if the order of day and month is unambiguous.

    Returns
    -------
    str
        ISO 8601; unchanged if it was already.

    Raises
    ------
    ValueError
        If it is not a time, or day and month cannot be told apart.

    Examples
    --------
    >>> moment("2026-01-31T12:00:00+00:00"), moment("31.01.2026 12:00"), moment("2026/1/31 9:05:07")
    ('2026-01-31T12:00:00+00:00', '2026-01-31T12:00:00', '2026-01-31T09:05:07')
    """
    text = text.strip()
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return text
    if found := _DAY_FIRST.fullmatch(text):
        day, month, year, *time = found.groups()
    elif found := _YEAR_FIRST.fullmatch(text):
        year, month, day, *time = found.groups()
    else:
        raise ValueError(f"{text!r} is not a time")
    hour, minute, second = (int(part or 0) for part in time)
    return dt.datetime(int(year), int(month), int(day), hour, minute, second).isoformat()
