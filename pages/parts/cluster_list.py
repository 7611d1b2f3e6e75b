"""List of the query's clusters: size, some cells, and how pure each seems."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.pipeline import central_first
from parts import text
from parts.chosen import choose_cluster
from parts.clustered import Clustered
from parts.pictures import pictures
from parts.seeming import bar

STRIP, SIZE = 12, 40  # cells per row, as many as fit, and px of each
HEIGHT = 600  # px


def show_list(found: Clustered, numbers: Sequence[int], chosen: int) -> None:
    """List clusters to choose one; the cells of the others are not shown."""
    st.header(f"{text.count(len(numbers), 'cluster')}, largest first", anchor=False)
    with st.container(height=HEIGHT, gap="small", key="clusters"):
        for number in numbers:
            show_row(found, number, chosen=number == chosen)


def show_row(found: Clustered, number: int, *, chosen: bool) -> None:
    """Show one cluster: a button that opens it, its most central cells, and their predictions."""
    position = found.clusters.names.tolist().index(number)
    purity = found.purity[position]
    central = central_first(found.clusters, position)[:STRIP]
    seems = " · mixed?" if purity.mixed else ""
    with st.container(gap="xsmall"):
        st.button(
            f"Cluster {text.plain(found.label(number))} · "
            f"{text.count(purity.cells, 'cell')}{seems}",
            key=f"open {number}",
            icon=":material/arrow_right:" if chosen else None,
            on_click=choose_cluster,
            args=(number,),
            width="stretch",
            wrap=True,
        )
        st.html(bar(purity, found.shades, height=6))
        pictures(found.here, [found.query.cells[cell] for cell in central], size=SIZE, one_row=True)
