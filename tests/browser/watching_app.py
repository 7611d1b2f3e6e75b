"""The app with a short time between two checks of watched folders."""

import sys
from pathlib import Path

import streamlit as st

from celltransfer_core.web import download_routes, routes, watch_folders, watched

PAGES = Path(__file__).parents[2] / "pages"
sys.path.insert(0, str(PAGES))  # as app.py does

watched.EVERY = 0.5
app = st.App(PAGES / "main.py", lifespan=watch_folders, routes=[*routes(""), *download_routes("")])
