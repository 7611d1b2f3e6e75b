"""Automatic matching of edited clusters."""

import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import current_job, match_edited
from parts import text
from parts.cluster_answers import TO_MATCH
from parts.here import Here
from parts.work import begin, state_of


def match_parts(here: Here) -> None:
    """Match edited clusters at once, or start a job if that takes longer."""
    if here.locked or state_of(here, "matches") in ("done", "waiting", "running"):
        return
    job = current_job(here.workspace, here.id)
    if job and job.active:
        return
    try:
        with st.spinner("Matching the new clusters to types…"):
            there = match_edited(here.workspace, here.id)
    except CellTransferError as error:
        st.error(text.sentence(error))
        return
    if st.session_state.pop(TO_MATCH, False) and not there:
        begin(here, "matches")
