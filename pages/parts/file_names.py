"""File names on the Data page: shown for the reference, on demand for other sets."""

import streamlit as st

from celltransfer_core.studies import ImageSet
from celltransfer_core.vocabulary import REFERENCE


def names_wanted(image_set: ImageSet, table: str) -> bool:
    """Tell whether file names are shown; for sets other than the reference only on demand."""
    return image_set.role == REFERENCE or ask_for_names(f"names {table} {image_set.id}")


def ask_for_names(key: str) -> bool:
    """Offer to show file names that are hidden at first."""
    return st.toggle("Show file names (they can reveal types)", key=key)
