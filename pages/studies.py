"""Studies page: find, open, compare, import and delete studies; more is on their cards."""

from collections.abc import Mapping, Sequence

import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import RECENT, Study, find_studies, suggested_tags
from parts import text
from parts.clicks import clicked
from parts.comparison import SIDES
from parts.here import attempt, open_workspace
from parts.navigation import begin_study, lead_to_next
from parts.reader import reader_name, when_named
from parts.study_card import show_study, ticked
from parts.study_file import bring_study
from parts.study_filters import filter_of, show_chips, show_filter

AGES = {0: "at any time", 7: "more than a week ago", 30: "more than a month ago"}

space = open_workspace()
st.title("Studies")
st.caption("A study holds a reference, a query, and every decision about them.")


def restore(study: Study) -> None:
    """Restore a deleted study."""
    if attempt(space.restore, study.id):
        st.session_state.pop("deleted", None)
        st.rerun()


def sweep(age: int, who: str) -> None:
    """Delete permanently; the page says how much space was freed."""
    if not who:
        when_named(lambda name: sweep(age, name))
        return
    try:
        st.session_state["swept"] = space.sweep(age, who=who)
    except CellTransferError as error:
        st.session_state["not swept"] = str(error)


@st.dialog("Delete permanently?")
def delete_for_good(age: int) -> None:
    """Ask again, then permanently delete studies that were deleted long enough ago."""
    found = space.sweepable(age)
    st.markdown(
        f"**{text.count(found.studies, 'deleted study', 'deleted studies')}** with all results and "
        f"decisions, and the images that no other study uses: **{text.size(found.size)}**, with "
        "everything computed from them and the workspace's own backups of them. This cannot be "
        "undone. Backups that you made elsewhere keep them."
    )
    if st.button(
        "Delete permanently",
        key="sweep",
        type="primary",
        icon=":material/delete_forever:",
        on_click=sweep,
        args=(age, reader_name()),
    ):
        st.rerun()


def offer_sweep() -> None:
    """Offer to free the disk space of deleted studies."""
    age = st.selectbox(
        "Permanently delete studies that were deleted", list(AGES), format_func=AGES.get, key="age"
    )
    found = space.sweepable(age)
    studies = text.count(found.studies, "study", "studies")
    if clicked(
        st.button,
        f"Permanently delete {studies} ({text.size(found.size)})",
        key="sweep deleted",
        icon=":material/delete_forever:",
        disabled=not (found.studies or found.size),
    ):
        delete_for_good(age)


def offer_comparison(names: Mapping[str, str]) -> None:
    """Offer to compare what is ticked: two studies, or the runs of one."""
    chosen = [one for one in ticked() if one in names]
    if not chosen:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        named = " and ".join(f"**{text.plain(names[one])}**" for one in chosen)
        st.markdown(f"{named} ticked." if len(chosen) > 1 else f"{named} ticked: tick another, or")
        label = "Compare them" if len(chosen) > 1 else "Compare its runs"
        if clicked(st.button, label, key="compare", icon=":material/compare_arrows:"):
            sides = dict(zip(SIDES, (chosen * 2)[:2], strict=True))
            st.switch_page("compare.py", query_params=sides)


def list_studies(every: Sequence[Study]) -> None:
    """List the studies that match the filter."""
    wanted = filter_of()
    archived = sum(bool(one.archived) for one in every)
    show_filter(space, wanted, archived)
    found = find_studies(space, wanted)
    listed = len(every) if wanted.archived else len(every) - archived
    show_chips(wanted, len(found), listed)
    offer_comparison({one.id: one.name for one in every})
    if not found:
        st.info(
            "No study matches all filters. Remove a filter above."
            if listed
            else "All studies are archived: show them with the switch above."
        )
    suggested = suggested_tags(space)
    for one in found:
        show_study(one, suggested)
        if st.session_state.get("study") == one.id:
            lead_to_next(one, "studies")


gone = space.studies(deleted=True)
if problem := st.session_state.pop("not swept", ""):
    st.error(text.sentence(problem))
if swept := st.session_state.pop("swept", None):
    st.success(
        f"Permanently deleted {text.count(swept.studies, 'study', 'studies')}: "
        f"{text.size(swept.size)} freed."
        + f" Another {text.size(swept.waiting)} of images that were just added can be freed "
        f"in {RECENT // 60} minutes." * bool(swept.waiting),
        icon=":material/check:",
    )
latest = next((study for study in gone if study.id == st.session_state.get("deleted")), None)
if latest:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{text.plain(latest.name)}** was deleted.")
        if clicked(st.button, "Undo", icon=":material/undo:", key="undo"):
            restore(latest)

with st.form("new", border=True):
    entry, button = st.columns([2, 1], vertical_alignment="bottom")
    new = entry.text_input("Name of a new study", max_chars=120)
    if clicked(
        button.form_submit_button,
        "New study",
        key="new study",
        icon=":material/add:",
        width="stretch",
    ):
        attempt(begin_study, new)
bring_study(space)

every = space.studies()
if not every:
    st.info("There are no studies yet. Create one above, or open the demo on the Start page.")
else:
    list_studies(every)

if gone:
    with st.expander(f"Deleted studies ({len(gone)})"):
        for one in gone:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(text.plain(one.name))
                if clicked(st.button, "Restore", key=f"restore {one.id}"):
                    restore(one)
        offer_sweep()
if erased := space.erasures():
    with st.expander(f"Permanently deleted ({len(erased)})"):
        rows = [
            {
                "When": text.when(one.at),
                "By": one.who,
                "Studies": one.studies,
                "Decisions": one.decisions,
                "Images": one.images,
                "Freed": text.size(one.size),
            }
            for one in erased
        ]
        st.dataframe(rows, hide_index=True)
        st.caption("Only how much was deleted; no names of studies or images are kept.")
