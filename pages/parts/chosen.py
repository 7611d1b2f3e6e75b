"""The chosen cluster, by its number: kept from page to page, and shown in the address."""

from collections.abc import Sequence

import streamlit as st

NAME = "cluster"


def chosen_cluster(numbers: Sequence[int], otherwise: int) -> int:
    """Return the cluster that the address or the session names, if it is one of ``numbers``."""
    asked = st.query_params.get(NAME)
    # What this page wrote there itself is no wish: the session may have gone on since.
    if asked and asked != st.session_state.get(f"{NAME} shown") and asked.isdecimal():
        st.session_state[NAME] = int(asked)
    if st.session_state.get(NAME) not in numbers:
        st.session_state[NAME] = otherwise
    st.query_params[NAME] = st.session_state[f"{NAME} shown"] = str(st.session_state[NAME])
    return st.session_state[NAME]


def choose_cluster(number: int) -> None:
    """Choose another cluster."""
    st.session_state[NAME] = number
