"""Pictures of cells, and types with their colours, as HTML."""

import html
from collections.abc import Mapping, Sequence

import streamlit as st

from celltransfer_core.vocabulary import QUERY, REFERENCE
from celltransfer_core.web import CELL, image_url
from parts.colours_switch import original_colours
from parts.here import Here

THUMBNAIL = 72  # px


def chip(name: str, shades: Mapping[str, str]) -> str:
    """Write a type's name next to its colour, as HTML."""
    shade = shades.get(name, "#8A8A8A")
    return (
        "<span style='white-space:nowrap'><span style='display:inline-block;width:.75em;"
        f"height:.75em;border-radius:50%;background:{shade};margin-right:.4em'></span>"
        f"{html.escape(name)}</span>"
    )


def large_chip(
    name: str, shades: Mapping[str, str], *, rem: float = 1.35, weight: int = 650
) -> None:
    """Show a type's name as a large heading."""
    st.html(f"<div style='font-size:{rem}rem;font-weight:{weight}'>{chip(name, shades)}</div>")


def picture_url(
    here: Here,
    cell: str,
    size: int,
    role: str = QUERY,
    *,
    cut: bool = False,
    outline: bool = False,
    as_seen: bool = False,
) -> str:
    """Return the address of a cell's picture.

    ``cut`` shows the part that encoders see, in the colours that the reader chose for all pages;
    with ``as_seen``, in the colours that encoders see.
    """
    original = cut and not as_seen and original_colours()
    return image_url(
        here.workspace,
        here.id,
        cell,
        size=size,
        role=role,
        cut=cut,
        original=original,
        outline=outline,
    )


def picture_pattern(here: Here, role: str = QUERY) -> str:
    """Return a template of addresses: ``{cell}`` stands for a cell's number, ``{size}`` for px."""
    return picture_url(here, CELL, 0, role, cut=True).replace("size=0", "size={size}")


def picture_source(here: Here, cell: str, size: int, role: str = QUERY, **how: bool) -> str:
    """Return the address of a cell's picture, escaped for an HTML attribute."""
    return html.escape(picture_url(here, cell, size, role, **how), quote=True)


def pictures(
    here: Here,
    cells: Sequence[str],
    *,
    titles: Sequence[str] = (),
    size: int = THUMBNAIL,
    cut: bool = True,
    outline: bool = False,
    as_seen: bool = False,
    role: str = QUERY,
    one_row: bool = False,
) -> None:
    """Show cells side by side; pictures load when they come into view.

    ``cells`` are hashes; ``titles`` are used by screen readers and shown when hovering over a cell.
    With ``one_row``, cells that do not fit are cut off; several rows fill the width, so pictures
    may be larger than ``size``.
    """
    fill = not one_row and len(cells) > 1
    side = "width:100%;height:auto;aspect-ratio:1;" if fill else ""
    tiles = []
    for number, cell in enumerate(cells):
        title = html.escape(titles[number] if titles else f"cell {cell[:8]}", quote=True)
        url = picture_url(here, cell, 2 * size, role, cut=cut, outline=outline, as_seen=as_seen)
        tiles.append(
            f"<img src='{url}' width='{size}' height='{size}' loading='lazy' alt='{title}' "
            f"title='{title}' "
            f"style='{side}flex:none;object-fit:contain;border-radius:4px;background:#8881'>"
        )
    laid = (
        f"grid;grid-template-columns:repeat(auto-fill,minmax({size}px,1fr))"
        if fill
        else "flex;overflow:hidden"
    )
    st.html(f"<div style='display:{laid};gap:4px'>{''.join(tiles)}</div>")


def typed_tiles(
    here: Here,
    cells: Sequence[str],
    names: Sequence[str],
    shades: Mapping[str, str],
    size: int,
    role: str = REFERENCE,
) -> None:
    """Show cells side by side, each with its type below."""
    tiles = "".join(
        f"<figure style='margin:0;width:{size}px'>"
        f"<img src='{picture_source(here, cell, 2 * size, role, cut=True)}' width='{size}' "
        f"height='{size}' alt='{html.escape(name, quote=True)}' loading='lazy' "
        "style='object-fit:contain;border-radius:4px;background:#8881'>"
        "<figcaption style='font-size:.78rem;overflow:hidden;text-overflow:ellipsis'>"
        f"{chip(name, shades)}</figcaption></figure>"
        for cell, name in zip(cells, names, strict=True)
    )
    st.html(f"<div style='display:flex;flex-wrap:wrap;gap:6px'>{tiles}</div>")
