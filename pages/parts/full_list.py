"""Names that a sentence lists the first few of, all of them on demand."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from celltransfer_core.vocabulary import MANY


def show_full_list(label: str, names: Sequence[str] | Mapping[str, int]) -> None:
    """Show all names, with counts where they have some, if a sentence does not hold them."""
    if len(names) <= MANY:
        return
    with st.expander(f"{label} ({len(names):,})"):
        table = pd.DataFrame({"Type": list(names)})
        if isinstance(names, Mapping):
            table["Cells"] = list(names.values())
        st.dataframe(table, hide_index=True, width="stretch", key=f"all {label}")
