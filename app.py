"""The app's entry: ``streamlit run app.py``."""

import streamlit as st

st.set_page_config(page_title="CellTransfer", page_icon=":material/biotech:", layout="wide")
st.navigation(
    [
        st.Page("pages/demo.py", title="Demo study", icon=":material/biotech:", default=True),
        st.Page("pages/help.py", title="Help", icon=":material/help:"),
    ]
).run()
