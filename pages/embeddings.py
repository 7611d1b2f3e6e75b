"""Encoders page: available encoders, which of them vote, results, and a map of all cells."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from celltransfer_core.config import setting, voter_name
from celltransfer_core.encoders import AvailableEncoder
from celltransfer_core.outputs import describe_nearest
from celltransfer_core.pipeline import CellMap, Clusters, layouts
from celltransfer_core.plots import (
    CAPTIONS,
    cluster_colours,
    group_places,
    map_figure,
    set_colours,
    type_symbols,
)
from celltransfer_core.runtime import home
from celltransfer_core.studies import (
    layout_of,
    load_clusters,
    load_map,
    load_prepared,
    study_config,
)
from celltransfer_core.vocabulary import QUERY, REFERENCE
from parts import maps, study_types, text
from parts.clicks import clicked
from parts.encoder_list import find_encoders, show_encoders, show_more_encoders
from parts.here import Here, open_page
from parts.navigation import lead_to_next
from parts.pictures import pictures
from parts.settings import choose_word, key_of
from parts.work import begin, map_follows, needs, state_of

MOST_SHOWN = 48


def choose_voters(here: Here, found: Sequence[AvailableEncoder]) -> None:
    """Let the user choose which encoders vote."""
    usable = [one.id for one in found if one.spec and one.here]
    voters = study_config(here.workspace, here.study).encoders
    joined = next((voter for voter in voters if len(voter) > 1), ())
    single = [voter[0] for voter in voters if len(voter) == 1]
    with st.form("voters"):
        together = st.pills(
            "Joined: concatenated, with one vote together",
            usable,
            selection_mode="multi",
            default=[name for name in joined if name in usable],
            help="Encoders of different kinds complement each other. Clusters are found on the "
            "joined ones.",
        )
        alone = st.pills(
            "Single: one vote each",
            usable,
            selection_mode="multi",
            default=[name for name in single if name in usable],
            help="The more voters agree on a cell, the more certain its type.",
        )
        st.caption(
            "Clusters are found on the joined encoders or, without any, on the first single one."
        )
        if clicked(st.form_submit_button, "Use these", key="use these", disabled=here.locked):
            keep_voters(here, together, alone)


def keep_voters(here: Here, together: Sequence[str], alone: Sequence[str]) -> None:
    """Keep the choice, and start embedding."""
    single = list(dict.fromkeys([*alone, *(together if len(together) == 1 else [])]))
    chosen = [*([list(together)] if len(together) > 1 else []), *([name] for name in single)]
    if not chosen:
        st.error("Choose at least one encoder.")
    elif here.change_options(encoders=chosen, network="named"):
        if state_of(here, "embed") in ("next", "stale", "failed"):
            begin(here, "embed")
        st.rerun()


def choose_network(here: Here) -> None:
    """Let the user choose whether to use a network trained on another kind of cell."""
    chosen, config = setting("network"), study_config(here.workspace, here.study)
    key = key_of(chosen, config)

    def keep() -> None:
        here.change_options(network=st.session_state[key])

    choose_word(here, chosen, config, on_change=keep)


def show_outcome(here: Here) -> None:
    """Show the outcome of embedding: failures and framing."""
    prepared = load_prepared(here.workspace, here.id)
    if prepared is None:
        return
    for failure in prepared.failures:
        st.error(
            text.plain(f"{failure.encoder} could not be used and has no vote. {failure.reason}"),
            icon=":material/block:",
        )
    voters = ", ".join(voter_name(voter) for voter in prepared.voters)
    st.success(
        f"{prepared.reference.n_cells:,} reference cells and {prepared.query.n_cells:,} query "
        f"cells are embedded. Voters: {text.plain(voters)}.",
        icon=":material/check:",
    )
    st.markdown(f"**What the encoders see.** {text.as_sentences(prepared.framing.reason)}")
    if prepared.nearest:
        st.markdown(f"**Reference sets.** {text.plain(describe_nearest(prepared.nearest))}")


def choose_layout(here: Here) -> None:
    """Let the user choose the layout of the map, if there is a choice."""
    ways = layouts()
    if len(ways) < 2:
        return
    now = layout_of(here.study)
    chosen = st.segmented_control("Layout", ways, default=now, required=True, disabled=here.locked)
    if chosen != now and here.change_options(layout=chosen):
        begin(here, "embed")
        st.rerun()


def group_cells(
    here: Here, way: str, drawn: CellMap, types: Sequence[str], clusters: Clusters | None
) -> tuple[list[str], Mapping[str, str]]:
    """Return the group that each map cell is coloured by, empty for grey, and the colours."""
    if way == "Set":
        return list(drawn.sets), set_colours(drawn.sets)
    role, names = REFERENCE, types
    colours = study_types.colours(here)
    if way == "Cluster":
        role, names = QUERY, clusters.names[clusters.labels]
    cells = zip(drawn.sets, drawn.cells, strict=True)
    groups = [str(names[cell]) if of == role else "" for of, cell in cells]
    if way == "Cluster":
        numbers = [str(number) for number in clusters.names]
        colours = cluster_colours(numbers, group_places(drawn.xy, groups, numbers))
    return groups, colours


def show_map(here: Here) -> None:
    """Show all cells in one plane, and the selected cells."""
    drawn = load_map(here.workspace, here.id)
    sets = {role: here.used(role) for role in (REFERENCE, QUERY)}
    if not all(sets.values()):
        return
    if drawn is None:
        map_follows(here)
        return
    clusters = load_clusters(here.workspace, here.id)
    ways = ["Type", "Set", *(["Cluster"] if clusters else [])]
    with st.container(horizontal=True):
        way = st.segmented_control("Colour by", ways, default="Type", required=True)
        choose_layout(here)
    groups, colours = group_cells(here, way, drawn, sets[REFERENCE].cell_labels, clusters)
    title = {
        "Type": "Reference cells by type; query cells in grey",
        "Set": "Reference and query cells",
        "Cluster": "Query cells by cluster; reference cells in grey",
    }[way]
    figure = map_figure(
        drawn.xy,
        groups,
        colours,
        [f"{role}:{cell}" for role, cell in zip(drawn.sets, drawn.cells, strict=True)],
        title,
        sets=drawn.sets,
        symbols=type_symbols(list(colours)) if way == "Type" else None,
        hover=[f"{role} cell" for role in drawn.sets],
        numbered=way == "Cluster",
        axes=(f"{drawn.layout} 1", f"{drawn.layout} 2"),
    )
    picked = maps.cell_map(here, figure, title, f"map {way}")
    some = len(drawn.cells) < sum(one.n_cells for one in sets.values())
    sample = f" {len(drawn.cells):,} randomly chosen cells are shown." if some else ""
    st.caption(CAPTIONS["map_figure"] + sample)
    show_picked(here, sets, picked)


def show_picked(here: Here, sets: Mapping[str, Any], ids: Sequence[str]) -> None:
    """Show the cells selected on the map."""
    if not ids:
        st.caption("Click a point, or draw a lasso around several, to see the cells themselves.")
        return
    for role, dataset in sets.items():
        cells = [int(one.split(":")[1]) for one in ids if one.startswith(f"{role}:")]
        if not cells:
            continue
        more = f", the first {MOST_SHOWN} are shown" if len(cells) > MOST_SHOWN else ""
        st.markdown(f"**{len(cells):,} {role} cells**{more}")
        titles = [str(dataset.cell_labels[c]) if role == REFERENCE else "query cell" for c in cells]
        pictures(
            here,
            [dataset.cells[cell] for cell in cells[:MOST_SHOWN]],
            titles=titles[:MOST_SHOWN],
            as_seen=True,
            role=role,
        )


here = open_page(
    "Embeddings",
    "An encoder turns each cell image into a list of numbers, its embedding; similar cells get "
    "similar numbers. All later steps work on these numbers.",
)
encoders = find_encoders(str(home()))
with text.expert("Expert: encoders and voters"):
    show_encoders(encoders)
    choose_voters(here, encoders)
    choose_network(here)
    show_more_encoders(encoders)
if needs(here, "embed", "Look at every cell"):
    show_outcome(here)
    show_map(here)
    lead_to_next(here.study, "embeddings")
