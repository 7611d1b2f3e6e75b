"""Filters of the list of studies, as parameters of the address.

============  =============================================================
parameter     meaning
============  =============================================================
``find``      words, each in a name, a tag, a reader's name or a type
``tag``       once for each tag that a study must have
``signed``    ``yes`` or ``no``: whether it was signed off
``archived``  ``1``: archived studies are listed too
============  =============================================================
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from celltransfer_core.studies import StudyFilter, Workspace, tags_in_use
from parts import text

SIGNED = {"any": "All", "yes": "Signed off", "no": "Not signed off"}

_NAMES = ("find", "tag", "signed", "archived")
_KEPT = "studies view"
_WIDGET = "studies {}"


def write_filter(wanted: StudyFilter) -> dict[str, list[str]]:
    """Write the filter as parameters of an address."""
    found = {
        "find": [wanted.words] if wanted.words else [],
        "tag": list(wanted.tags),
        "signed": [wanted.signed] if wanted.signed != "any" else [],
        "archived": ["1"] if wanted.archived else [],
    }
    return {name: values for name, values in found.items() if values}


def read_filter(address: Mapping[str, Sequence[str]]) -> StudyFilter:
    """Read the filter from parameters of an address; unreadable parameters are ignored."""

    def last(name: str) -> str:
        return [*(address.get(name) or [""])][-1]

    signed = last("signed")
    return StudyFilter(
        words=last("find"),
        tags=tuple(dict.fromkeys(filter(None, address.get("tag", ())))),
        signed=signed if signed in SIGNED else "any",
        archived=last("archived") == "1",
    )


def filter_of() -> StudyFilter:
    """Return the filter given by the address or, on a return to the page, the last filter."""
    asked = {name: st.query_params.get_all(name) for name in _NAMES if name in st.query_params}
    stayed = _WIDGET.format("words") in st.session_state  # forgotten on another page
    wanted = st.session_state.get(_KEPT, StudyFilter())
    if asked or stayed:
        wanted = read_filter(asked)
    keep_filter(wanted)
    return wanted


def keep_filter(wanted: StudyFilter) -> None:
    """Change the filter and update the address."""
    st.session_state[_KEPT] = wanted
    now = {name: st.query_params.get_all(name) for name in st.query_params}
    others = {name: values for name, values in now.items() if name not in _NAMES}
    address = others | write_filter(wanted)
    if now != address:
        st.query_params.from_dict(address)


def _change(**changes: Any) -> None:
    keep_filter(replace(st.session_state[_KEPT], **changes))


def _bind(field: str, shown: Any, read: Callable[[Any], Any]) -> dict[str, Any]:
    key = _WIDGET.format(field)
    st.session_state[key] = shown  # set by an address or a chip

    def take() -> None:
        _change(**{field: read(st.session_state[key])})

    return {"key": key, "on_change": take}


def show_filter(space: Workspace, wanted: StudyFilter, archived: int) -> None:
    """Offer the search field and the filters; ``archived`` is the number of archived studies."""
    tags = dict.fromkeys((*tags_in_use(space), *wanted.tags))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input(
            "Find studies",
            placeholder="name, tag, reader or cell type",
            icon=":material/search:",
            width=340,
            **_bind("words", wanted.words, str.strip),
        )
        if tags:
            st.multiselect(
                "With tags",
                list(tags),
                placeholder="any",
                width=300,
                **_bind("tags", list(wanted.tags), tuple),
            )
        st.selectbox(
            "Signed off",
            list(SIGNED),
            format_func=SIGNED.get,
            width=160,
            **_bind("signed", wanted.signed, str),
        )
        if archived or wanted.archived:
            st.toggle(f"Include archived ({archived})", **_bind("archived", wanted.archived, bool))


def show_chips(wanted: StudyFilter, found: int, of: int) -> None:
    """Show the active filters; they can be removed one by one or all at once."""
    chips: list[tuple[str, dict[str, Any]]] = []
    if wanted.words:
        chips.append((f"“{text.plain(wanted.words)}”", {"words": ""}))
    for tag in wanted.tags:
        left = tuple(other for other in wanted.tags if other != tag)
        chips.append((text.plain(tag), {"tags": left}))
    if wanted.signed != "any":
        chips.append((SIGNED[wanted.signed].lower(), {"signed": "any"}))
    if not chips:
        return
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.markdown(f"**{found} of {text.count(of, 'study', 'studies')}**", width="content")
        for number, (label, without) in enumerate(chips):
            st.button(
                label,
                key=f"studies chip {number}",
                icon=":material/close:",
                icon_position="right",
                type="tertiary",
                help="Remove this filter",
                on_click=_change,
                kwargs=without,
            )
        if len(chips) > 1:
            st.button(
                "Clear all",
                key="studies clear",
                type="tertiary",
                on_click=keep_filter,
                args=(StudyFilter(archived=wanted.archived),),
            )
