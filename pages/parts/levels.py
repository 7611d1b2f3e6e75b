"""Folder level that names a set's types: asked for if unclear, and changed."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.data import INNERMOST, Level, levels_of
from celltransfer_core.studies import ImageSet
from parts import text
from parts.clicks import clicked
from parts.here import Here, attempt


def ask_level(here: Here, image_set: ImageSet, levels: Sequence[Level]) -> None:
    """Ask which folders name the types; until then the set has no usable types."""
    st.warning(
        "Which folders name the types? Folders with the same names lie in several folders, so "
        "more than one level is possible. The set is not used until you choose.",
        icon=":material/help:",
    )
    with st.form(f"level {image_set.id}", border=False):
        chosen = st.radio(
            "Folder level",
            range(len(levels)),
            index=None,
            format_func=lambda place: _heading(levels[place]),
            captions=[_counted(level) for level in levels],
            label_visibility="collapsed",
            key=f"levels {image_set.id}",
            disabled=here.locked,
        )
        st.caption(
            "Folders above the types are then ignored. To use them as slides, add a metadata.csv "
            "with the columns file, slide."
        )
        asked = clicked(
            st.form_submit_button,
            "These are the types",
            key=f"level {image_set.id}",
            disabled=here.locked,
        )
    if asked and chosen is None:
        st.error("First choose one of the levels.")
    elif asked:
        keep_level(here, image_set, levels[chosen])


def offer_level(here: Here, image_set: ImageSet, files: Sequence[str]) -> None:
    """Offer another folder level for the types, if there are several."""
    levels = levels_of(files)
    if len(levels) > 1:
        _choose(here, image_set, levels, [f"{_heading(one)} ({_counted(one)})" for one in levels])


def offer_level_unnamed(here: Here, image_set: ImageSet, files: Sequence[str]) -> None:
    """Offer a folder level for the types of a query, which only the Evaluate page may show."""
    levels = levels_of(files)
    if len(levels) > 1:
        with st.expander("Folder level of the true types, for Evaluate only"):
            _choose(here, image_set, levels, [_place(one) for one in levels])


def _choose(
    here: Here, image_set: ImageSet, levels: Sequence[Level], labels: Sequence[str]
) -> None:
    now = image_set.types_at or "1"
    places = [place for place, level in enumerate(levels) if str(level.types_at) == now]
    chosen = st.selectbox(
        "Folders that name the types",
        range(len(levels)),
        index=places[0] if places else None,
        format_func=lambda place: labels[place],
        help="If a labels.csv gives the types, it takes precedence.",
        key=f"other level {image_set.id} {image_set.revision}",
        disabled=here.locked,
    )
    if chosen is not None and chosen not in places:
        keep_level(here, image_set, levels[chosen])


def keep_level(here: Here, image_set: ImageSet, level: Level) -> None:
    """Save the folder level of the types, and redraw the page."""
    if attempt(here.workspace.change_set, image_set.id, types_at=str(level.types_at)):
        st.rerun()


def _heading(level: Level) -> str:
    return f"{_place(level)}: {text.listed([*level.types])}"


def _place(level: Level) -> str:
    at = level.types_at
    return "The folder that contains the image" if at == INNERMOST else f"Level {at}"


def _counted(level: Level) -> str:
    files = text.count(sum(level.types.values()), "image")
    without = (
        f"; {text.count(level.without, 'image')} outside these folders" if level.without else ""
    )
    return f"{text.count(len(level.types), 'type')}, {files}{without}"
