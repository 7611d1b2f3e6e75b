"""Compare type names: equal spellings, close matches, and labels that cannot be types.

Names that differ only in case, white space or Unicode form are the same type. Not in the paper.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from celltransfer_core.vocabulary import ANSWERS

_UNSEEN = dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u00ad"))  # zero-width, copied from web pages
_WHOLE = re.compile(r"([+-]?\d+)[.,]0+")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)
_DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([ t]\d{1,2}:\d{2}(:\d{2})?)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}"
    r"|\d{1,2}:\d{2}(:\d{2})?",
    re.IGNORECASE,
)
_ERROR = re.compile(r"#[^\s\d]\S*[!?]|#n/a|#nv|#n/d|#getting_data", re.IGNORECASE)
_MISSING = frozenset({"nan", "na", "n/a", "n.a.", "<na>", "nat", "null", "nil", "-", "--", "?"})
_LIST = re.compile(r"\[.*\]|\{.*\}", re.DOTALL)


def tidy_name(name: str) -> str:
    """Normalise the white space and letters of a type name, keeping its case.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        Name in Unicode normal form C, with single spaces between words.
    """
    return " ".join(unicodedata.normalize("NFC", name.translate(_UNSEEN)).split())


def type_key(name: str) -> str:
    """Return the key used to compare type names.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        Equal for names that differ only in case, white space or Unicode form, and for an integer
        with and without a trailing ``.0`` added by a program. Not for display.
    """
    return _without_decimals(unicodedata.normalize("NFC", tidy_name(name).casefold()))


def _without_decimals(name: str) -> str:
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else name


def answer_named(name: str) -> str:
    """Return the answer, such as ``unsure``, that a text means, ignoring case.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        One of :data:`~celltransfer_core.vocabulary.ANSWERS`; empty if the text may name a type.
    """
    key = type_key(name)
    return key if key in ANSWERS else ""


def same_type(name: str, types: Iterable[str]) -> str:
    """Find the type that a name refers to, in any spelling.

    Parameters
    ----------
    name : str
    types : iterable of str

    Returns
    -------
    str
        Name as spelt in ``types``; empty if none matches.
    """
    key = type_key(name)
    same = [one for one in types if type_key(one) == key]
    return name if name in same else min(same, default="")


def close_match(name: str, types: Iterable[str]) -> str:
    """Find the most similar type, for "did you mean …?".

    Parameters
    ----------
    name : str
    types : iterable of str

    Returns
    -------
    str
        Name as spelt in ``types``; empty if none is close.
    """
    spelt = {type_key(one): one for one in sorted(types, reverse=True)}
    found = get_close_matches(type_key(name), list(spelt), n=1, cutoff=0.75)
    return spelt[found[0]] if found else ""


def one_spelling(counts: Mapping[str, int]) -> dict[str, str]:
    """Choose one spelling for names that differ only in case, white space or Unicode form.

    Parameters
    ----------
    counts : mapping from name to int
        Number of occurrences of each name.

    Returns
    -------
    dict from name to name
        New spelling of each name that changes. The most frequent spelling is chosen, and the first
        in character order in case of a tie.
    """
    groups: dict[str, list[str]] = {}
    for name in counts:
        groups.setdefault(type_key(name), []).append(name)
    changed: dict[str, str] = {}
    for names in groups.values():
        if len(names) == 1:
            continue
        tidy: dict[str, int] = {}
        for name in names:
            spelt = _without_decimals(tidy_name(name))
            tidy[spelt] = tidy.get(spelt, 0) + counts[name]
        kept = min(tidy, key=lambda one: (-tidy[one], one))
        changed.update({name: kept for name in names if name != kept})
    return changed


def plurals(names: Collection[str]) -> list[tuple[str, str]]:
    """Find pairs of types that differ by a plural ending and may be the same type.

    Parameters
    ----------
    names : collection of str

    Returns
    -------
    list of (str, str)
        Singular and plural.
    """
    spelt = {type_key(name): name for name in sorted(names, reverse=True)}
    return sorted(
        (spelt[key], spelt[key + ending])
        for key in spelt
        for ending in ("s", "es", "n", "en")
        if len(key) > 3 and key[-1].isalpha() and key + ending in spelt
    )


def doubtful(name: str) -> str:
    """Explain why a label is unlikely to be a type name.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        What it is instead, such as ``a number``; empty for a plausible type.
    """
    text = tidy_name(name)
    key = text.casefold()
    if not text or key in _MISSING:
        return "what programs write for a missing value"
    if _ERROR.fullmatch(text):
        return "a spreadsheet's error"
    if text.startswith("="):
        return "a formula"
    if _LIST.fullmatch(text):
        return "a list"
    if _DATE.fullmatch(text):
        return "a date or time"
    return "a number" if _NUMBER.fullmatch(text) else ""


def doubtful_types(names: Iterable[str]) -> dict[str, str]:
    """Find the labels of a set that are unlikely to be type names.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    dict from name to str
        What each is instead, see :func:`doubtful`. Numbers are accepted if all other labels are
        numbers too.
    """
    found = {name: doubtful(name) for name in names}
    if not any(why == "" for why in found.values()):
        return {name: why for name, why in found.items() if why != "a number"}
    return {name: why for name, why in found.items() if why}
