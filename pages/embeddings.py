"""Encoders: which there are, which vote, how it went, and a map of all cells."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import common
import maps
import numpy as np
import pandas as pd
import streamlit as st
import words
from streamlit.runtime.uploaded_file_manager import UploadedFile

from celltransfer_core.config import voter_name
from celltransfer_core.encoders import (
    AvailableEncoder,
    EncoderSpec,
    add_encoder,
    available_encoders,
)
from celltransfer_core.pipeline import layouts
from celltransfer_core.plots import CAPTIONS, cluster_colours, map_figure, set_colours, type_symbols
from celltransfer_core.runtime import home
from celltransfer_core.studies import (
    layout_of,
    load_clusters,
    load_map,
    load_prepared,
    start,
    states,
    study_config,
)
from celltransfer_core.vocabulary import QUERY, REFERENCE

MOST_SHOWN = 48

space = common.workspace()
here = common.title(
    "Embeddings",
    "An encoder looks at a cell and writes down numbers; cells that look alike get alike numbers. "
    "Everything after this step works on these numbers.",
)


@st.cache_data(ttl=30, show_spinner="Looking for encoders…")
def known(folder: str) -> tuple[AvailableEncoder, ...]:  # noqa: ARG001
    """List the encoders there are; a user's own are opened to see if they work."""
    return available_encoders()


def show_encoders(found: Sequence[AvailableEncoder]) -> None:
    """Show what there is to know of each encoder."""
    rows = {
        one.id: {
            "What it is": one.spec.name,
            "Trained on": trained_on(one.spec),
            "Numbers": str(one.spec.dim),
            "Licence": one.spec.licence,
            "Source": one.spec.source,
        }
        for one in found
        if one.spec and one.here
    }
    # A user's own encoder says of itself what it likes.
    st.table(pd.DataFrame.from_dict(rows, orient="index").map(words.plain))
    st.caption(
        "**Trained on**: an encoder that has seen your own images in its training looks better on "
        "them than it will on others. Only you can know whether it has."
    )
    for one in found:
        if one.problem:
            st.warning(words.plain(f"{one.id}: {one.problem}"))


def trained_on(spec: EncoderSpec) -> str:
    """Say what an encoder has seen."""
    overlap = f"; among them {spec.overlap}" if spec.overlap else ""
    return f"{spec.trained_on or 'not stated'}{overlap}"


def more_encoders(found: Sequence[AvailableEncoder]) -> None:
    """Tell of encoders that can be fetched, and take one that somebody brought."""
    rows = {
        one.id: {
            "What it is": one.spec.name,
            "Trained on": trained_on(one.spec),
            "Size": f"{one.spec.size_mb:,} MB",
            "Licence": one.spec.licence,
        }
        for one in found
        if one.spec and not one.here
    }
    st.markdown("**Published encoders that are not here yet**")
    st.dataframe(pd.DataFrame.from_dict(rows, orient="index"), height=240)
    st.markdown("To download one, or to take in weights that you brought in a file:")
    st.code(
        "python -m celltransfer_core encoders fetch ID\n"
        "python -m celltransfer_core encoders add ID FILE",
        language="sh",
    )
    st.markdown("**Your own, as an ONNX file**")
    files = st.file_uploader(
        "Drop NAME.onnx and NAME.json here",
        type=["onnx", "json"],
        accept_multiple_files=True,
        help="The guide “Bring your own encoder” on the Help page says what the JSON holds.",
    )
    if files and st.button("Add this encoder", icon=":material/add:"):
        take_in(files)


def take_in(files: Sequence[UploadedFile]) -> None:
    """Check an encoder that was dropped, and keep it."""
    models = [file for file in files if file.name.lower().endswith(".onnx")]
    if len(models) != 1 or len(files) != 2:
        st.error("Drop two files together: NAME.onnx, and NAME.json that describes it.")
        return
    name = Path(models[0].name).stem
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            suffix = ".onnx" if file is models[0] else ".json"
            (Path(folder) / f"model{suffix}").write_bytes(file.getbuffer())
        if common.say(add_encoder, name, Path(folder) / "model.onnx"):
            known.clear()
            st.toast(f"{name} is here and can vote.")
            st.rerun()


def choose(found: Sequence[AvailableEncoder]) -> None:
    """Let somebody choose who votes."""
    usable = [one.id for one in found if one.spec and one.here]
    voters = study_config(space, here).encoders
    joined = next((voter for voter in voters if len(voter) > 1), ())
    single = [voter[0] for voter in voters if len(voter) == 1]
    with st.form("voters"):
        together = st.pills(
            "Joined: look at cells together and have one vote",
            usable,
            selection_mode="multi",
            default=[name for name in joined if name in usable],
            help="Unlike encoders help each other. Clusters are found on the joined ones.",
        )
        alone = st.pills(
            "Single: each has a vote of its own",
            usable,
            selection_mode="multi",
            default=[name for name in single if name in usable],
            help="The more voters agree on a cell, the surer its type.",
        )
        st.caption("Clusters are found on the joined encoders, or on the first single one.")
        if st.form_submit_button("Use these", disabled=bool(here.signed)):
            save(together, alone)


def save(together: Sequence[str], alone: Sequence[str]) -> None:
    """Keep the choice, and begin to embed."""
    single = list(dict.fromkeys([*alone, *(together if len(together) == 1 else [])]))
    chosen = [*([list(together)] if len(together) > 1 else []), *([name] for name in single)]
    if not chosen:
        st.error("Choose at least one encoder.")
        return
    options = {**here.options, "encoders": chosen}
    if common.say(space.set_options, here.id, options):
        if states(space, here.id)["embed"] in ("next", "stale", "failed"):
            common.say(start, space, here.id, "embed")
        st.rerun()


def show_outcome() -> None:
    """Tell how embedding went: failures, framing."""
    prepared = load_prepared(space, here.id)
    if prepared is None:
        return
    for failure in prepared.failures:
        st.error(
            words.plain(f"{failure.encoder} could not be used and has no vote. {failure.reason}"),
            icon=":material/block:",
        )
    voters = ", ".join(voter_name(voter) for voter in prepared.voters)
    reason = f"{prepared.framing.reason[:1].upper()}{prepared.framing.reason[1:]}."
    st.success(
        f"{prepared.reference.n_cells:,} reference and {prepared.query.n_cells:,} query cells are "
        f"embedded. Voters: {words.plain(voters)}.",
        icon=":material/check:",
    )
    st.markdown(f"**What encoders were shown.** {words.plain(reason)}")


def choose_layout() -> None:
    """Let somebody choose how the map is laid out, where there is a choice."""
    ways = layouts()
    if len(ways) < 2:
        return
    now = layout_of(here)
    chosen = st.segmented_control(
        "Laid out by", ways, default=now, required=True, disabled=bool(here.signed)
    )
    if chosen != now and common.say(space.set_options, here.id, {**here.options, "layout": chosen}):
        common.say(start, space, here.id, "embed")
        st.rerun()


def show_map() -> None:
    """Show all cells in one plane, and those that were picked."""
    shown = load_map(space, here.id)
    sets = {role: space.pooled(here.id, role) for role in (REFERENCE, QUERY)}
    if shown is None or not all(sets.values()):
        return
    clusters = load_clusters(space, here.id)
    ways = ["Type", "Set", *(["Cluster"] if clusters else [])]
    with st.container(horizontal=True):
        way = st.segmented_control("Colour by", ways, default="Type", required=True)
        choose_layout()
    of_reference = np.array(shown.sets) == REFERENCE
    types = sets[REFERENCE].cell_labels
    if way == "Set":
        groups, colours = list(shown.sets), set_colours(shown.sets)
    elif way == "Cluster":
        numbers = clusters.names[clusters.labels]
        groups = [
            "" if known else str(numbers[cell])
            for known, cell in zip(of_reference, shown.cells, strict=True)
        ]
        colours = cluster_colours([str(number) for number in clusters.names])
    else:
        groups = [
            str(types[cell]) if known else ""
            for known, cell in zip(of_reference, shown.cells, strict=True)
        ]
        colours = common.colours(here.id)
    title = {
        "Type": "Reference cells by type; query cells in grey",
        "Set": "Reference and query cells",
        "Cluster": "Query cells by cluster; reference cells in grey",
    }[way]
    figure = map_figure(
        shown.xy,
        groups,
        colours,
        [f"{role}:{cell}" for role, cell in zip(shown.sets, shown.cells, strict=True)],
        title,
        sets=shown.sets,
        symbols=type_symbols(list(colours)) if way == "Type" else None,
        hover=[f"{role} cell" for role in shown.sets],
        numbered=way == "Cluster",
        axes=(f"{shown.layout} 1", f"{shown.layout} 2"),
    )
    picked = maps.cell_map(here.id, figure, title, f"map {way}")
    most = len(shown.cells) < sum(one.n_cells for one in sets.values())
    sample = f" {len(shown.cells):,} cells drawn at random are shown." if most else ""
    st.caption(CAPTIONS["map_figure"] + sample)
    show_picked(picked)


def show_picked(ids: Sequence[str]) -> None:
    """Show the cells that were picked on the map."""
    if not ids:
        st.caption("Click a point, or draw a lasso around some, to see the cells themselves.")
        return
    for role in (REFERENCE, QUERY):
        cells = [int(one.split(":")[1]) for one in ids if one.startswith(f"{role}:")]
        if not cells:
            continue
        dataset = space.pooled(here.id, role)
        more = f", the first {MOST_SHOWN} are shown" if len(cells) > MOST_SHOWN else ""
        st.markdown(f"**{len(cells):,} {role} cells**{more}")
        titles = [str(dataset.cell_labels[c]) if role == REFERENCE else "query cell" for c in cells]
        common.pictures(
            here.id,
            [dataset.cells[cell] for cell in cells[:MOST_SHOWN]],
            titles=titles[:MOST_SHOWN],
            role=role,
        )


found = known(str(home()))
with st.expander("Encoders, and who votes", expanded=load_map(space, here.id) is None):
    show_encoders(found)
    choose(found)
with st.expander("More encoders"):
    more_encoders(found)
if common.needs(here, "embed", "Look at every cell"):
    show_outcome()
    show_map()
    words.following("clusters", "Go on to clusters")
