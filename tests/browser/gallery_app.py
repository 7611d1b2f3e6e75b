"""The gallery's page with the routes that send pictures, for a gallery of cells that are there."""

from pathlib import Path

import streamlit as st

from celltransfer_core.web import routes

app = st.App(Path(__file__).with_name("gallery_page.py"), routes=routes(""))
