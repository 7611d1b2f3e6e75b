"""Questions on doubtful labels of a reference, and on types that may be the same."""

from collections.abc import Mapping

import streamlit as st

from celltransfer_core.data import doubtful_types, plurals
from celltransfer_core.studies import ImageSet
from celltransfer_core.vocabulary import and_more
from parts import text


def open_questions(image_set: ImageSet, own: Mapping[str, int]) -> dict[str, str]:
    """Find doubtful labels whose meaning nobody has given yet."""
    if image_set.types_at is None:  # an earlier version accepted every label
        return {}
    return {name: why for name, why in doubtful_types(own).items() if name not in image_set.mapping}


def show_questions(image_set: ImageSet, own: Mapping[str, int]) -> None:
    """Ask for the meaning of doubtful labels, and whether types with similar names are the same."""
    if asked := open_questions(image_set, own):
        told = [f"{text.plain(name)} ({own[name]:,} cells, {why})" for name, why in asked.items()]
        st.warning(
            f"Probably not cell types: {and_more(sorted(told))}. These cells are left out until "
            "you decide: below, give each a name in the study, or save it without a name to leave "
            "its cells out.",
            icon=":material/help:",
        )
    pairs = [(a, b) for a, b in plurals(own) if not {a, b} & image_set.mapping.keys()]
    if pairs:
        told = [f"{text.plain(one)} and {text.plain(other)}" for one, other in pairs]
        st.warning(
            f"One type or two? {and_more(told)}. If they are the same, give both the same name in "
            "the study.",
            icon=":material/help:",
        )
