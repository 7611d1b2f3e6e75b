"""Guides, as they stand in ``assets/guides``."""

from pathlib import Path

import streamlit as st

from celltransfer_core import RESEARCH_USE

st.title("Help")
st.caption(RESEARCH_USE)
for guide in sorted((Path(__file__).parents[1] / "assets" / "guides").glob("*.md")):
    st.markdown(guide.read_text(encoding="utf-8"))
