"""Figures with their explanations, and maps of cells with hovering and selection."""

from typing import Any

import streamlit as st

from celltransfer_core.plots import caption_of
from celltransfer_core.vocabulary import QUERY, REFERENCE
from parts.assets import component
from parts.here import Here
from parts.pictures import picture_url

PICTURE = 132  # px

CHART = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["toImage", "zoom2d", "select2d", "autoScale2d"],
}
"""Tools of a map: lasso, pan, zoom, reset."""


def figure(drawn: Any, name: str, key: str = "") -> None:
    """Show a figure with its explanation."""
    caption = caption_of(name, drawn)
    st.plotly_chart(drawn, key=key or name, config=CHART, alt=caption)
    st.caption(caption)


def cell_map(here: Here, figure: Any, title: str, key: str) -> list[str]:
    """Show a map whose points carry ``role:number``, or a query cell's number.

    Hovering over a point shows the cell. Returns the ids of the selected points.
    """
    with st.container(key=f"map {key}"):
        chart = st.plotly_chart(figure, on_select="rerun", key=key, config=CHART, alt=title)
        pictures = {
            role: picture_url(here, "{cell}", 2 * PICTURE, role, cut=True)
            for role in (REFERENCE, QUERY)
        }
        component("cells", "hover")(
            key=f"hover {key}", data={"pictures": pictures, "size": PICTURE}
        )
    found = [point.get("customdata") for point in chart.selection.points]
    return [str(one[0] if isinstance(one, list) else one) for one in found if one is not None]
