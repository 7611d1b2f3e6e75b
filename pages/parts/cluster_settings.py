"""Form for the settings of clustering."""

from typing import Any

import numpy as np
import streamlit as st

from celltransfer_core.config import Config, setting
from celltransfer_core.studies import study_config
from parts import text
from parts.clicks import clicked
from parts.here import Here
from parts.settings import choose_number, choose_word
from parts.work import begin, state_of


def show_settings(here: Here) -> None:
    """Show the settings of clustering in a collapsed section, to be changed."""
    config = study_config(here.workspace, here.study)
    with text.expert("Expert: how clusters are found"), st.form("settings"):
        chosen: dict[str, Any] = {
            "clusters": choose_word(here, setting("clusters"), config, marked=True),
            "n_clusters": choose_number(
                here,
                setting("n_clusters"),
                config,
                label="Number of clusters, if fixed",
                start=12,
            ),
            "resolution": choose_resolution(here, config),
        }
        st.caption(
            "Too many clusters do little harm, because several may match one type; too few cannot "
            "be corrected by matching."
        )
        chosen["sigma"] = choose_number(
            here, setting("sigma"), config, label="σ, if fixed", start=0.5
        )
        if clicked(
            st.form_submit_button,
            "Use these settings",
            key="use settings",
            icon=":material/refresh:",
            disabled=here.locked,
        ) and here.change_options(
            **{name: value for name, value in chosen.items() if value != getattr(config, name)}
        ):
            if state_of(here, "clusters") != "done":
                begin(here, "clusters")
            st.rerun()


def choose_resolution(here: Here, config: Config) -> float:
    """Offer Louvain's resolution."""
    offered = setting("resolution")
    low, high = offered.shown
    now = float(np.clip(config.resolution, low, high))
    return st.slider(offered.label, low, high, now, 0.1, disabled=here.locked)
