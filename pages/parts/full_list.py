"""Full list, on demand, of names of which a sentence gives only the first few."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from celltransfer_core.vocabulary import MANY


def show_full_list(label: str, names: Sequence[str] | Mapping[str, int]) -> None:
    """Show all names, with counts if given, unless the sentence already lists them all."""
    if len(names) <= MANY:
        return
    with st.expander(f"{label} ({len(names):,})"):
        table = pd.DataFrame({"Type": list(names)})
        if isinstance(names, Mapping):
            table["Cells"] = list(names.values())
        st.dataframe(table, hide_index=True, width="stretch", key=f"all {label}")
