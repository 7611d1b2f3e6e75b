"""Framing of cells and matching of colours, on the Data page."""

import numpy as np
import streamlit as st

from celltransfer_core.config import Config, Setting, setting
from celltransfer_core.data import Dataset
from celltransfer_core.framing import try_framing
from celltransfer_core.pipeline import Prepared
from celltransfer_core.plots import CAPTIONS, sizes_figure
from celltransfer_core.studies import load_prepared, study_config
from celltransfer_core.vocabulary import QUERY, REFERENCE
from parts import text
from parts.here import Here, readable
from parts.pictures import pictures
from parts.quality import show_quality
from parts.settings import choose_word, key_of

A_TRIAL = 24
CUT_SIZE = 104  # px: the frame must be seen

HEADINGS = {REFERENCE: "Reference", QUERY: "Query"}


def show_framing(here: Here) -> None:
    """Show the frame of each cell, and offer to switch framing off."""
    st.header("Framing and colour")
    st.caption(
        "Each cell is cropped to a square around its stained nucleus, so that cells from two "
        "microscopes look similar to an encoder. The frame shows what is kept."
    )
    sets = {role: found for role in HEADINGS if (found := readable(here, role)) is not None}
    prepared = load_prepared(here.workspace, here.id) if len(sets) == len(HEADINGS) else None
    with text.expert("Expert: framing and colour"):
        config = study_config(here.workspace, here.study)
        cut, colour = st.columns(2)
        with cut:
            choose(here, setting("framing"), config)
        with colour:
            choose(here, setting("colour"), config)
        if prepared is not None and prepared.framing.nuclei:
            show_sizes(prepared)
    if not sets:
        st.info("Add images to see how framing changes them.")
        return
    for column, (role, dataset) in zip(st.columns(2, gap="medium"), sets.items(), strict=False):
        with column:
            show_role(here, role, here.used(role) if prepared else dataset, prepared)
    if prepared is not None:
        show_quality(here, prepared)


def show_role(here: Here, role: str, dataset: Dataset, prepared: Prepared | None) -> None:
    """Show in how many cells of one set a nucleus was found, with their frames."""
    if prepared is not None and role in prepared.framing.nuclei:
        cells, found = np.arange(dataset.n_cells), prepared.framing.nuclei[role].found
        scope = "all cells"
    else:
        with st.spinner("Looking for nuclei…"):
            cells, found = try_framing(dataset, here.workspace.cache, A_TRIAL)
        scope = f"a trial on {len(cells)} cells"
    st.markdown(
        f"**{HEADINGS[role]}**: nucleus found in {int(found.sum()):,} of {len(found):,} cells "
        f"({scope})"
    )
    show_cuts(here, role, dataset, cells, found)


def choose(here: Here, chosen: Setting, config: Config) -> None:
    """Let the user choose one setting of the study; it is saved at once."""
    key = key_of(chosen, config)  # if changed elsewhere, it is shown but not written back

    def keep() -> None:
        here.change_options(**{chosen.name: st.session_state[key]})

    choose_word(here, chosen, config, on_change=keep)


def show_sizes(prepared: Prepared) -> None:
    """Show what was decided on framing, and draw the sizes of nuclei."""
    st.markdown(f"**Decided.** {text.as_sentences(prepared.framing.reason)}")
    extents = {
        role: np.where(found.found, found.extent, np.nan)
        for role, found in prepared.framing.nuclei.items()
    }
    title = "Nucleus diameter"
    st.plotly_chart(
        sizes_figure(extents, title, "diameter, px"), config={"displaylogo": False}, alt=title
    )
    st.caption(CAPTIONS["sizes_figure"])


def show_cuts(
    here: Here, role: str, dataset: Dataset, cells: np.ndarray, found: np.ndarray
) -> None:
    """Show cells of one set with their frames; those without a nucleus on demand."""
    missing = cells[~found]
    shown = cells
    if len(missing) and st.toggle(
        f"Only the {len(missing):,} without a nucleus", key=f"missing {role}"
    ):
        shown = missing
    pages = -(-len(shown) // A_TRIAL)
    page = st.pagination(pages, key=f"cuts {role}") if pages > 1 else 1
    start = (min(page, pages) - 1) * A_TRIAL
    pictures(
        here,
        [dataset.cells[cell] for cell in shown[start : start + A_TRIAL]],
        titles=[f"{role} cell with its crop"] * A_TRIAL,
        size=CUT_SIZE,
        outline=True,
        role=role,
    )
