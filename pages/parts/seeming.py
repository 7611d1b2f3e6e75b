"""How pure a cluster seems: the encoders' predictions for its cells, as a bar and in words."""

import html
from collections.abc import Callable, Mapping

import streamlit as st

from celltransfer_core.pipeline import Purity
from celltransfer_core.plots import NONE_COLOUR
from parts import text
from parts.pictures import chip

_NAMED = 3  # types named in the sentence


def words_of(purity: Purity, write: Callable[[str], str] = str) -> str:
    """Describe the encoders' predictions in a cluster; ``write`` formats a type's name."""
    (first, most), *others = purity.counts
    named = [f"{most:,} ({100 * purity.share:.1f} %) as {write(first)}"]
    named += [f"{count:,} as {write(name)}" for name, count in others[: _NAMED - 1]]
    rest = purity.cells - most - sum(count for _, count in others[: _NAMED - 1])
    if rest:
        named.append(f"{rest:,} as other types")
    return f"Of {text.count(purity.cells, 'cell')} the encoders predict {', '.join(named)}."


def bar(purity: Purity, shades: Mapping[str, str], *, height: int = 10) -> str:
    """Write the bar as HTML; hovering over a part shows its text."""
    parts = "".join(
        f"<span title='{html.escape(f'{name}: {count:,}', quote=True)}' style='flex:{count} 0 2px;"
        f"background:{shades.get(name, NONE_COLOUR)}'></span>"
        for name, count in purity.counts
    )
    said = html.escape(words_of(purity), quote=True)
    return (
        f"<div role='img' aria-label='{said}' style='display:flex;gap:1px;height:{height}px;"
        f"border-radius:4px;overflow:hidden'>{parts}</div>"
    )


def show_seeming(purity: Purity, shades: Mapping[str, str]) -> None:
    """Show the encoders' predictions for a cluster's cells."""
    said = words_of(purity, lambda name: chip(name, shades))
    st.html(f"{bar(purity, shades)}<div style='font-size:.875rem;margin-top:.3rem'>{said}</div>")


def warning_of(purity: Purity) -> str:
    """Warn of a cluster that seems mixed; empty if it does not."""
    if not purity.mixed:
        return ""
    return ":orange-badge[:material/call_split: may be mixed: look through all its cells]"
