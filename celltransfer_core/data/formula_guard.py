"""Text in, that no spreadsheet takes for a formula, out; and the same back.

Not in the paper.
"""

from __future__ import annotations

import re

_BEGINS = "=+-@\t\r\n＝＋－＠"  # full width too: so they are typed in East Asia
_FORMULA = re.compile(f"'*[{re.escape(_BEGINS)}]")
_SUSPECT = frozenset(f"{_BEGINS}'")  # looked up several times as fast


def is_formula(text: str) -> bool:
    """Tell whether a spreadsheet may take a text for a formula, or was kept from it.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
    """
    return text[:1] in _SUSPECT and _FORMULA.match(text) is not None


def unguarded(text: str) -> str:
    """Take away the apostrophe that was put in front of a text so that it is no formula.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Texts that were not guarded as they are.

    Examples
    --------
    >>> unguarded("'+CD4"), unguarded("'tween")
    ('+CD4', "'tween")
    """
    return text[1:] if text.startswith("'") and is_formula(text) else text
