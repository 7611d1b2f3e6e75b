"""The app's entry: the pages, and beside them the routes for uploads, images and downloads."""

import streamlit as st

from celltransfer_core import downloads, web

base = st.get_option("server.baseUrlPath") or ""
app = st.App("pages/main.py", routes=[*web.routes(base), *downloads.routes(base)])
