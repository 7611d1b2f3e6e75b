"""A gallery of up to 20,000 cells, to scroll, select and answer.

Takes positions of cells and short texts; the reader's actions are passed to callbacks.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple
from functools import partial

import streamlit as st

from celltransfer_core.data import Dataset
from celltransfer_core.plots import NONE_COLOUR
from celltransfer_core.vocabulary import QUERY
from parts.assets import component
from parts.here import Here, readable
from parts.keys import KEYS, Choice
from parts.pictures import picture_pattern


def gallery(
    here: Here,
    key: str,
    cells: Sequence[int],
    *,
    names: Sequence[str],
    of: Sequence[int],
    shades: Mapping[str, str],
    notes: Sequence[str] = (),
    flagged: Collection[int] = (),
    reviewed: Collection[int] = (),
    label: str,
    role: str = QUERY,
    dataset: Dataset | None = None,
    size: int = 84,
    height: int = 440,
    fit: bool = False,
    cursor: int | None = None,
    picked: Collection[int] = (),
    can_pick: bool = False,
    choices: Sequence[Choice] = (),
    on_answer: Callable[[list[int], str], None] | None = None,
    on_undo: Callable[[], None] | None = None,
    on_open: Callable[[int], None] | None = None,
    on_pick: Callable[[list[int]], None] | None = None,
) -> None:
    """Show cells as tiles that fill the width; only those in view are part of the page.

    ``cells`` are positions in the pooled set of ``role``, in display order; give ``dataset`` if
    they are positions in an earlier state of it, such as a result's ``query``. ``of[i]`` is an
    index into ``names``: the type of a cell, for its label and colour. ``notes[i]`` is a short
    text. ``flagged``, ``reviewed``, ``cursor`` and ``picked`` are positions too; the last two apply
    whenever they change; otherwise the reader's own remain.

    It is at most ``height`` px high; with ``fit`` it is lower in low windows, so that its answers
    remain in view.

    With ``can_pick`` a click selects and a double click opens; without it a click opens.
    ``on_answer`` is called with the cells and the name of a choice, ``on_undo`` for Z or the
    button, ``on_open`` with a cell, and ``on_pick`` with all selected cells, after each change.
    """
    name = f"gallery {key}"
    done = st.session_state.get(f"{name} done", 0)
    calls: dict[str, Callable[..., None] | None] = {
        "answer": on_answer,
        "undo": on_undo,
        "open": on_open,
        "pick": on_pick,
    }
    component("gallery", "gallery", "tiles", "picks", "loupe")(
        key=name,
        data={
            "label": label,
            "pictures": picture_pattern(here, role),
            "cells": [int(cell) for cell in cells],
            "numbers": _numbers(here, role, cells, dataset),
            "names": list(names),
            "shades": [shades.get(one, NONE_COLOUR) for one in names],
            "of": [int(number) for number in of],
            "notes": list(notes),
            "flagged": [int(cell) for cell in flagged],
            "reviewed": [int(cell) for cell in reviewed],
            "size": size,
            "height": height,
            "fit": fit,
            "cursor": cursor,
            "picked": [int(cell) for cell in picked],
            "pick": can_pick,
            "open": on_open is not None,
            "tell": on_pick is not None,
            "undo": on_undo is not None,
            "choices": [astuple(choice) for choice in choices],
            "keys": {"undo": KEYS["undo"], "loupe": KEYS["loupe"]},
            "done": done,
        },
        on_acts_change=partial(_act, name, calls),
    )


def _act(name: str, calls: Mapping[str, Callable[..., None] | None]) -> None:
    """Carry out the reader's action once: the browser repeats actions until confirmed."""
    for serial, what, *rest in st.session_state[name]["acts"] or []:
        if serial <= st.session_state.get(f"{name} done", 0):
            continue
        st.session_state[f"{name} done"] = serial
        if call := calls[what]:
            call(*rest)


def _numbers(
    here: Here, role: str, cells: Sequence[int], dataset: Dataset | None
) -> list[int] | None:
    """Return the numbers of cells in the addresses of their pictures; -1 if one no longer exists.

    None if they already have these numbers.
    """
    present = readable(here, role)
    if dataset is None or present is None or dataset.cells == present.cells:
        return None
    at = {cell: number for number, cell in enumerate(present.cells)}
    return [at.get(dataset.cells[cell], -1) for cell in cells]
