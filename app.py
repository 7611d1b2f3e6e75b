"""The app's entry: the pages, and beside them the routes for uploads, images and downloads."""

import streamlit as st

from celltransfer_core import downloads, web

app = st.App("pages/main.py", routes=[*web.routes(), *downloads.routes()])
