"""The chosen cluster, by number: kept across pages, and shown in the address."""

from collections.abc import Sequence

import streamlit as st

from parts import text

NAME = "cluster"
_MOST_DIGITS = 9  # digits of a cluster number: an address may hold thousands


def cluster_number(written: str) -> int | None:
    """Read the number of a cluster from an address; None if it is not a number."""
    return int(written) if written.isdecimal() and len(written) <= _MOST_DIGITS else None


def chosen_cluster(numbers: Sequence[int], otherwise: int) -> int:
    """Return the cluster that the address or the session names, if it is one of ``numbers``."""
    asked = st.query_params.get(NAME)
    # Ignore what this page wrote there itself: the session may have moved on since.
    if asked and asked != st.session_state.get(f"{NAME} shown"):
        number = cluster_number(asked)
        if number in numbers:
            st.session_state[NAME] = number
        else:
            st.info(
                f"There is no cluster {text.plain(asked[:_MOST_DIGITS])} here (any more): clusters "
                "that are split, merged or found again get other numbers. Choose one below.",
                icon=":material/link_off:",
            )
    if st.session_state.get(NAME) not in numbers:
        st.session_state[NAME] = otherwise
    st.query_params[NAME] = st.session_state[f"{NAME} shown"] = str(st.session_state[NAME])
    return st.session_state[NAME]


def choose_cluster(number: int) -> None:
    """Choose another cluster."""
    st.session_state[NAME] = number
