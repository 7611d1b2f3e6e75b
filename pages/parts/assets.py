"""Files in the top-level ``assets`` folder that pages show or run in the browser."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from celltransfer_core.about import ASSETS


@st.cache_resource
def component(folder: str, name: str, *uses: str) -> Callable[..., Any]:
    """Register a page component written in JavaScript, with the files that it uses."""
    style = ASSETS / folder / f"{folder}.css"
    return st.components.v2.component(
        f"celltransfer_{name}",
        css=style.read_text(encoding="utf-8") if style.is_file() else None,
        js="\n".join(
            (ASSETS / folder / f"{one}.js").read_text(encoding="utf-8") for one in (*uses, name)
        ),
    )
