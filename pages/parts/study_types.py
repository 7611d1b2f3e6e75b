"""Types of a study: those of the reference, those that people named, and their colours."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from celltransfer_core.data import close_match, same_type, tidy_name
from celltransfer_core.errors import CellTransferError, DataError
from celltransfer_core.plots import type_colours
from celltransfer_core.studies import Workspace, stages, study_labels
from celltransfer_core.vocabulary import REFERENCE, check_new_type
from parts.here import Here


def reference_types(here: Here) -> list[str]:
    """List the types of the study's reference."""
    reference = here.pooled(REFERENCE)
    return sorted(set(reference.cell_labels.tolist())) if reference else []


def unused_types(here: Here) -> list[str]:
    """List the types that only unused reference sets have, because one set is used alone."""
    return list(here.nearest.lacking) if here.nearest else []


def used_types(here: Here) -> list[str]:
    """List the types of the reference sets that are used."""
    unused = unused_types(here)
    return [name for name in reference_types(here) if name not in unused]


def named_types(here: Here) -> list[str]:
    """List the types that people named beyond the reference's, in the order they were named."""
    return stages.named_types(here.workspace, here.id)


def all_types(here: Here) -> list[str]:
    """List the types of the reference, then the further types that people named.

    Types that only unused reference sets have come last: they are still right for a cell of such a
    type, and a name typed anew might differ.
    """
    return [*used_types(here), *named_types(here), *unused_types(here)]


def typed_name(here: Here, typed: str) -> str:
    """Return the type that a user entered: an existing or a new one.

    If a name is close to that of a type, the user is asked; entered again, it is a new type.
    """
    types = all_types(here)
    if known := same_type(typed, types):
        return known
    name = check_new_type(tidy_name(typed))
    like = close_match(name, types)
    if like and st.session_state.get("asked about") != name:
        st.session_state["asked about"] = name
        raise DataError(f"Did you mean {like}? If {name} is a separate type, enter it once more.")
    return name


def colours(here: Here) -> Mapping[str, str]:
    """Return the colour of each type of the study, including those that people named."""
    return type_colours(reference_types(here), named_types(here))


def has_labels(workspace: Workspace, study: str) -> bool:
    """Tell whether the query has labels of the reference's types, so that they can be compared."""
    sets = workspace.sets(study)
    return _has_labels(
        workspace, study, tuple((s.id, s.revision, *s.mapping.items()) for s in sets)
    )


@st.cache_data(max_entries=32, show_spinner=False)
def _has_labels(_workspace: Workspace, study: str, sets: tuple[object, ...]) -> bool:  # noqa: ARG001
    try:
        reference = _workspace.pooled(study, REFERENCE)
        labels = study_labels(_workspace, study)
    except CellTransferError:  # the Data page shows the errors of a set
        return False
    return reference is not None and bool(np.isin(labels, reference.cell_labels).any())
