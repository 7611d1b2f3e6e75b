"""Types that no cluster is matched to, and the query cells most similar to them."""

import streamlit as st

from celltransfer_core.outputs import describe_nearest
from celltransfer_core.studies import decisions_now, expected_types, load_prepared
from celltransfer_core.vocabulary import NONE_TYPE
from parts import text
from parts.matched import Matched
from parts.one_cluster import show_reference
from parts.pictures import chip, pictures
from parts.sample import offer_way_back

PICTURE = 84  # px
HEIGHT = 190  # px of the gallery next to it


def show_filtered(matched: Matched) -> None:
    """Show which types are left out, and the cells most similar to them."""
    config = matched.config
    ruled_out = [name for name in matched.left_out() if name in config.absent]
    left_out = [name for name in matched.left_out() if name not in ruled_out]
    of_clusters = {match.matched_type for match in matched.matches}
    prepared = load_prepared(matched.here.workspace, matched.here.id)
    st.header("Types without a cluster")
    lacking = prepared is not None and prepared.nearest is not None and prepared.nearest.lacking
    if lacking:
        st.markdown(text.plain(describe_nearest(prepared.nearest, config.absent)))
    if config.filtering == "none":
        others = " other" if ruled_out else ""
        st.markdown(f"Filtering is switched off: every{others} type of the reference takes part.")
    elif not lacking and not ruled_out and not left_out and not {*config.always_kept} - of_clusters:
        st.markdown("None: every type of the reference takes part.")
    if left_out:
        st.markdown(
            "No cluster is matched to these types. Types that are not kept are left out: **no "
            "query cell can get one of them**. But cells of a rare type may be hidden in the "
            "cluster of another type. Look at the query cells most similar to each; if one of "
            "them is of the type, keep it."
        )
    for name in matched.types:
        if name in left_out or (name in config.always_kept and name not in of_clusters):
            show_without_cluster(matched, name, kept=name not in left_out)
    show_not_in_it(matched, ruled_out)
    count_others(matched)


def show_not_in_it(matched: Matched, names: list[str]) -> None:
    """Show the types that were ruled out and by whom, and offer to allow them again."""
    here = matched.here
    said = expected_types(here.workspace, here.id).said
    for name in names:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.html(f"<div style='font-weight:650'>{chip(name, matched.shades)}</div>", width=200)
            by = said[name]
            st.markdown(
                ":gray-badge[:material/block: absent from this sample], according to "
                f"{text.plain(by.who)}, {text.when(by.at)}",
                width="stretch",
            )
            offer_way_back(here, name, key=f"way back {name}")


def count_others(matched: Matched) -> None:
    """Count the cells of clusters that match none of the reference's types, or new ones."""
    none = [match for match in matched.matches if match.matched_type == NONE_TYPE]
    new = [match for match in matched.matches if match.matched_type in matched.new_types]
    if none:
        cells = sum(match.cells for match in none)
        st.markdown(
            f"**{cells:,} cells** in {len(none)} {'cluster' if len(none) == 1 else 'clusters'} "
            "match none of the types. The reference is not aligned to them; each still gets the "
            "nearest type and is flagged."
        )
    if new:
        cells = sum(match.cells for match in new)
        st.markdown(
            f"**{cells:,} cells** are of types that readers added and the reference lacks "
            f"({text.listed(matched.new_types)}): the reference is not aligned to them; your "
            "answers and their neighbours type them."
        )


def show_without_cluster(matched: Matched, name: str, *, kept: bool) -> None:
    """Show the query cells most similar to a type, and offer to keep it or leave it out."""
    here = matched.here
    alike = matched.named.alike[matched.types.index(name)]
    with st.container(border=True):
        head, button = st.columns([3, 2], vertical_alignment="center")
        with head:
            st.html(f"<div style='font-weight:650'>{chip(name, matched.shades)}</div>")
            if kept:
                snapshot = here.workspace.snapshot(here.id)
                decisions = decisions_now(here.workspace, snapshot, "keep")
                kept_by = [one for one in decisions if one.payload["type"] == name]
                by = ""
                if kept_by:
                    by = f" by {text.plain(kept_by[-1].who)}, {text.when(kept_by[-1].at)}"
                st.markdown(
                    f":green-badge[:material/check: kept]{by}. It is included, with at least 3 % "
                    "of the drawn reference cells."
                )
        with button, st.container(horizontal_alignment="right"):
            st.button(
                "Leave out" if kept else f"Keep {text.plain(name)}",
                key=f"keep {name}",
                icon=":material/filter_alt:" if kept else ":material/filter_alt_off:",
                on_click=keep,
                args=(matched, name, not kept),
                disabled=here.locked,
            )
        mine, theirs = st.columns(2, gap="medium")
        with mine:
            st.caption("Query cells most similar to it: is one of them of this type?")
            of_cluster = [matched.label(position) for position in matched.clusters.labels[alike]]
            pictures(
                here,
                [matched.query.cells[cell] for cell in alike],
                titles=[f"query cell of cluster {label}" for label in of_cluster],
                size=PICTURE,
            )
        with theirs:
            show_reference(matched, name, HEIGHT, key=f"without cluster {name}")


def keep(matched: Matched, name: str, kept: bool) -> None:
    """Keep a type that no cluster is matched to, or leave it out again."""
    matched.here.decide("keep", {"type": name, "kept": kept})
