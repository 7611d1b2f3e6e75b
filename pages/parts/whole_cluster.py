"""All cells of a cluster in one gallery, in a chosen order."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import streamlit as st

from celltransfer_core.pipeline import Clusters, Opinion, by_disagreement, central_first
from parts.gallery import gallery
from parts.here import Here

ORDERS = {
    "central": "Central",
    "marginal": "Marginal",
    "disagreeing": "Disagreeing",
}

HELP = (
    "Which cells come first. Central cells show what the cluster is; marginal cells show what "
    "else may be in it. Disagreeing cells are those that the encoders predict as another type "
    "than the cluster's."
)


def ordered(
    clusters: Clusters, position: int, opinion: Opinion, type_name: str, order: str
) -> np.ndarray:
    """Order the cells of a cluster."""
    cells = central_first(clusters, position)
    if order == "marginal":
        return cells[::-1]
    return by_disagreement(opinion, cells, type_name) if order == "disagreeing" else cells


def choose_order() -> str:
    """Offer the orders; the last choice is kept from cluster to cluster."""
    chosen = st.segmented_control(
        "Order of the cells",
        list(ORDERS),
        default="central",
        format_func=ORDERS.get,
        key="order of cells",
        required=True,
        label_visibility="collapsed",
        help=HELP,
    )
    return str(chosen)


def show_whole(
    here: Here,
    cells: Sequence[int] | np.ndarray,
    opinion: Opinion,
    shades: Mapping[str, str],
    *,
    key: str,
    label: str,
    height: int,
    picked: Collection[int] = (),
    on_pick: Callable[[list[int]], None] | None = None,
) -> None:
    """Show cells of the query, each with the encoders' prediction."""
    winner = opinion.winner[cells]
    sure = opinion.probabilities[cells, winner]
    gallery(
        here,
        key,
        list(cells),
        names=opinion.types,
        of=winner.tolist(),
        shades=shades,
        notes=[f"encoders {100 * share:.1f} %" for share in sure],
        label=label,
        height=height,
        picked=picked,
        can_pick=on_pick is not None,
        on_pick=on_pick,
    )
