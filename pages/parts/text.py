"""Text formatting shared by pages: names, numbers, sizes and times."""

import datetime as dt
import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from celltransfer_core.errors import CellTransferError
from celltransfer_core.vocabulary import and_more

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")
_PARTS = re.compile(r"; (?![^()]*\))")  # not within brackets
_INLINE = re.compile(r"([\\`*_\[\]<>|~$:&])")  # characters with a meaning within a line


def plain(text: str) -> str:
    """Escape text entered by a user, so that Markdown shows it unchanged."""
    return _MARKS.sub(r"\\\1", text)


def sentence(words: object) -> str:
    """Escape names within a sentence of the app, such as an error; keep the rest."""
    return _INLINE.sub(r"\\\1", str(words))


def as_sentences(told: str) -> str:
    """Write the parts of a message, separated by semicolons, as sentences; escape names."""
    parts = _PARTS.split(told.rstrip("."))
    return " ".join(f"{plain(part[:1].upper() + part[1:])}." for part in parts)


def listed(names: Sequence[str]) -> str:
    """Write a list of names unchanged, or the first few if there are many."""
    return and_more([plain(name) for name in names])


def size(count: float) -> str:
    """Write a number of bytes."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def count(number: int, what: str, several: str = "") -> str:
    """Write a number of things."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def when(time: str) -> str:
    """Write a time in the reader's time zone."""
    moment = dt.datetime.fromisoformat(time)
    zone = st.context.timezone
    return f"{moment.astimezone(ZoneInfo(zone) if zone else None):%Y-%m-%d %H:%M}"


def seconds_left(seconds: float) -> str:
    """Write how much longer work takes, in seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def duration(minutes: float) -> str:
    """Write a time in minutes or hours."""
    return f"{max(1, round(minutes))} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def possible_slips(clusters: Sequence[str]) -> str:
    """Describe which clusters' names should be checked again."""
    named = ", ".join(clusters)
    if len(clusters) > 1:
        return f"the types of clusters {named}: they may be wrong"
    return f"the type of cluster {named}: it may be wrong"


def reason(error: Exception) -> str:
    """Say why something failed; bugs in the app should be reported."""
    if isinstance(error, CellTransferError):
        return str(error)
    return f"Internal error ({type(error).__name__}: {error}). Please report it."


def expert(label: str = "Expert") -> DeltaGenerator:
    """Open a collapsed section for experts: figures and settings of the method."""
    return st.expander(label, icon=":material/science:")
