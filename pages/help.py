"""Help page: the guides in ``assets/guides``."""

import re

import streamlit as st

from celltransfer_core.about import RESEARCH_USE
from parts.assets import ASSETS

st.title("Help")
st.caption(RESEARCH_USE)
guides = [
    path.read_text(encoding="utf-8").split("\n", 1)  # a heading, and the text under it
    for path in sorted((ASSETS / "guides").glob("*.md"))
]
tabs = st.tabs([heading.lstrip("# ") for heading, _ in guides])
for tab, (_, text) in zip(tabs, guides, strict=True):
    # Without a language, because Streamlit's syntax colours have too little contrast.
    text = re.sub(r"^```\w+$", "```", text, flags=re.MULTILINE)
    # Headings start one level below the page's title.
    tab.markdown(re.sub(r"^### ", "## ", text, flags=re.MULTILINE))
