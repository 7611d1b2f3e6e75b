"""Names of files on the Data page: those of other sets than the reference on demand."""

import streamlit as st

from celltransfer_core.studies import ImageSet
from celltransfer_core.vocabulary import REFERENCE


def names_wanted(image_set: ImageSet, table: str) -> bool:
    """Tell whether names of files are shown: those of other sets than the reference on demand."""
    return image_set.role == REFERENCE or ask_for_names(f"names {table} {image_set.id}")


def ask_for_names(key: str) -> bool:
    """Let names of files be shown that are hidden at first."""
    return st.toggle("Show file names (they can reveal types)", key=key)
