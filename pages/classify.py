"""Classify page: how cells are typed, the computation, and its results."""

import math
import os

import numpy as np
import streamlit as st

from celltransfer_core.config import Config
from celltransfer_core.matching import confirmed_share
from celltransfer_core.outputs import missing_transport
from celltransfer_core.pipeline import drift, estimate_run, has_alignment
from celltransfer_core.studies import (
    CurrentRun,
    load_current,
    load_named,
    load_prepared,
    load_run,
    study_config,
)
from celltransfer_core.vocabulary import QUERY
from parts import text
from parts.batches import show_batches
from parts.clicks import clicked
from parts.here import Here, open_page
from parts.navigation import lead_to_next
from parts.sample import show_ruled_out
from parts.settings import show_choices
from parts.typed import show_run
from parts.work import CHANGED, COMING, begin, current_run, needs, state_of


def show_plan(here: Here, config: Config) -> None:
    """Show what will run and how long it may take."""
    found = load_named(here.workspace, here.id)
    prepared = load_prepared(here.workspace, here.id)
    if found is None or prepared is None:
        st.caption("Earlier steps are missing; they run first.")
        return
    matches = found[0].matches
    share = confirmed_share(matches)
    kept = config.kept_types(matches, prepared.types)
    usable = int(np.isin(prepared.reference.cell_labels, kept).sum())
    plan = estimate_run(
        config,
        len(prepared.voters),
        usable,
        prepared.query.n_cells,
        sources=len(prepared.reference.sources),
        workers=os.cpu_count() or 1,
        confirmed=share,
    )
    transports = (
        (
            f" {plan.transports} transports of {plan.source:,} reference cells onto up to "
            f"{plan.target:,} query cells each."
        )
        if plan.transports
        else ""
    )
    first, whole = about(plan.first), about(plan.seconds)
    early = "" if first == whole else f"; a first vote, without transport, after about {first}"
    st.markdown(
        f"**What runs:** {plan.voters} voters on {prepared.query.n_cells:,} query cells, against "
        f"{usable:,} reference cells of {len(kept)} types.{transports} About **{whole}** on this "
        f"machine, as the cells are already embedded{early}."
    )
    if share == 0:
        unweighed = (
            "transport has no weight in the vote, and "
            if config.vote_weights == "confirmed"
            else ""
        )
        st.warning(
            f"No match is confirmed yet: {unweighed}proportions are estimated from proposals only. "
            "A few minutes on the Matches page are worth more than any setting here.",
            icon=":material/priority_high:",
        )
        st.page_link("matches.py", icon=":material/arrow_back:")
    elif share < 1:
        st.caption(f"{100 * share:.1f} % of the cells are in confirmed clusters.")


def offer_transport_anyway(here: Here, current: CurrentRun) -> None:
    """Say that transport has no weight yet, and offer to compute it for inspection."""
    if current.run.aligned or not has_alignment(current.run.config):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(missing_transport(current.run), width="content")
        if (
            clicked(
                st.button,
                "Compute it anyway",
                key="transport anyway",
                type="tertiary",
                icon=":material/moving:",
                disabled=here.locked,
            )
            and here.change_options(transport="always")
            and begin(here, "classify")
        ):
            st.rerun()


def is_enough(current: CurrentRun | None) -> bool:
    """Tell whether all decisions already count, so that another transport would hardly help."""
    return bool(current and not current.lacks_transport and not drift(current.run).pays)


def offer_transport_again(here: Here) -> None:
    """Offer a transport that would hardly help, for users who want it anyway."""
    if (
        not here.locked
        and clicked(
            st.button,
            "Run it again anyway",
            key="again",
            type="tertiary",
            icon=":material/moving:",
        )
        and begin(here, "classify")
    ):
        st.rerun()


def about(seconds: float) -> str:
    """Write an estimated time, rounded to its precision."""
    if seconds < 90:
        return f"{10 * math.ceil(seconds / 10)} seconds"
    minutes = seconds / 60
    return f"{round(minutes)} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


here = open_page(
    "Classify",
    "Every query cell gets a type: each encoder votes, with and without alignment, and so do the "
    "types fitted to the query's own cells. The agreement shows how far the voters agree.",
)
settings = study_config(here.workspace, here.study)
current = load_current(here.workspace, here.id)
latest = current.run if current else load_run(here.workspace, here.id, stale=True)
if latest is not None:
    show_ruled_out(here, latest)
with text.expert("Expert: how cells are typed"):
    show_choices(here, settings)
if state_of(here, "classify") != "done" and here.pooled(QUERY) and not is_enough(current):
    show_plan(here, settings)
first = bool(current and current.first)
work = "Compute the transport" if first else "Type every cell"
why = (
    "This is the vote without transport; transport has not been computed yet." if first else CHANGED
)
if current and not current.fresh and not first:
    # Confirmations since the transport already count in the vote.
    current_run(here, "Type every cell")
    if is_enough(current):
        offer_transport_again(here)
    show_run(here, current.run, current.reviews)
    lead_to_next(here.study, "classify")
elif needs(here, "classify", work, why):
    offer_transport_anyway(here, current)
    show_run(here, latest, current.reviews if current else ())
    lead_to_next(here.study, "classify")
elif latest is not None:
    st.header("First result" if first else "Latest result")
    if first and state_of(here, "classify") == "running":
        st.caption(COMING)
    elif not first:
        st.caption(
            ":material/history: It was made before the last changes to the matches, the clusters, "
            "the choices or the images, and stays here until cells are typed anew."
        )
    show_run(here, latest, current.reviews if current else ())
    if first:
        lead_to_next(here.study, "classify")
show_batches(here)
