"""Saved filters, shared by all readers of a study, and the address of a view."""

from urllib.parse import urlencode

import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import FILTER, FilterAddress, filter_payloads, saved_filters
from parts import text
from parts.filters import View, keep_view, read_view, write_view
from parts.here import Here
from parts.reader import when_named


def show_saved(here: Here, view: View) -> None:
    """Offer the saved filters, saving the current view under a name, and its address."""
    kept = saved_filters(here.workspace, here.id)
    label = f"Saved ({len(kept)})" if kept else "Saved"
    with st.popover(label, icon=":material/bookmark:", type="tertiary", key="cells saved"):
        for name, address in kept.items():
            st.button(
                text.plain(name),
                key=f"cells open {name}",
                type="tertiary",
                icon=":material/filter_alt:",
                on_click=keep_view,
                args=(here, read_view(address)),
            )
        with st.form("save cells filter", border=False, clear_on_submit=True):
            st.text_input("Save these filters as", key="cells filter name", max_chars=60)
            st.form_submit_button("Save", disabled=here.locked, on_click=_save, args=(here, view))
        if kept:
            _change_one(here, list(kept))
        if problem := st.session_state.pop("cells filter problem", ""):
            st.error(text.sentence(problem))
        st.markdown("**Link to this view**, to copy and send")
        query = urlencode({"study": here.id, **write_view(view)}, doseq=True)
        st.code(f"{st.context.url or ''}?{query}", language=None, wrap_lines=True)


def _change_one(here: Here, names: list[str]) -> None:
    chosen = st.selectbox(
        "Change", names, index=None, key="cells filter chosen", placeholder="a saved filter"
    )
    if chosen is None:
        return
    st.text_input("New name", key="cells filter renamed", max_chars=60)
    with st.container(horizontal=True):
        st.button(
            "Rename",
            key="cells rename",
            on_click=_rename,
            args=(here, chosen),
            disabled=here.locked,
        )
        st.button(
            "Delete",
            key="cells delete",
            on_click=_delete,
            args=(here, chosen),
            disabled=here.locked,
        )


def _save(here: Here, view: View) -> None:
    _decide(here, st.session_state["cells filter name"], write_view(view.choice))


def _rename(here: Here, name: str) -> None:
    address = saved_filters(here.workspace, here.id).get(name)
    _decide(here, st.session_state["cells filter renamed"], address, instead=name)


def _delete(here: Here, name: str) -> None:
    _decide(here, name, None)


def _decide(here: Here, name: str, address: FilterAddress | None, instead: str = "") -> None:
    """Save a filter, or say why it cannot be saved; the page need not be redrawn."""
    if not here.reader:
        when_named(lambda reader: _decide(here.of(reader), name, address, instead))
        return
    try:
        kept = saved_filters(here.workspace, here.id)
        payloads = filter_payloads(kept, name, address, instead=instead)
        st.session_state["pulse"] = here.workspace.decide_unseen(
            here.id, FILTER, payloads, here.reader, st.session_state.get("pulse", "")
        )
        saved = payloads[-1]
        if address is not None and kept.get(saved["name"], address) != saved["address"]:
            st.toast(
                f"The filter {text.plain(saved['name'])} already existed: it has been replaced."
            )
    except CellTransferError as error:
        st.session_state["cells filter problem"] = str(error)
