"""The app's entry: the pages, and beside them the routes for uploads, images and downloads."""

import sys
from pathlib import Path

import streamlit as st

from celltransfer_core.web import download_routes, routes

PAGES = Path(__file__).parent / "pages"

# Streamlit adds the folder for each run of a script and takes it away again, also from under
# another session that is just importing from it.
sys.path.insert(0, str(PAGES))

base = st.get_option("server.baseUrlPath") or ""
app = st.App(PAGES / "main.py", routes=[*routes(base), *download_routes(base)])
