"""Protect text from being read as a formula by spreadsheets, and undo the protection.

Not in the paper.
"""

from __future__ import annotations

import re

_BEGINS = "=+-@\t\r\n＝＋－＠"  # including the full-width forms typed in East Asia
_FORMULA = re.compile(f"'*[{re.escape(_BEGINS)}]")
_SUSPECT = frozenset(f"{_BEGINS}'")  # look-up is several times as fast


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet may read a text as a formula, or would without its apostrophe.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
    """
    return text[:1] in _SUSPECT and _FORMULA.match(text) is not None


def unguarded(text: str) -> str:
    """Remove the apostrophe that protects a text from being read as a formula.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        The text; unchanged if it was not protected.

    Examples
    --------
    >>> unguarded("'+CD4"), unguarded("'tween")
    ('+CD4', "'tween")
    """
    return text[1:] if text.startswith("'") and is_formula(text) else text
