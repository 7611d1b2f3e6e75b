"""All studies: open, rename, duplicate, delete, share."""

import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import RECENT, ROLES, Study
from parts import text
from parts.clicks import clicked
from parts.here import attempt, open_workspace
from parts.navigation import begin_study, close_study, go, lead_to_next, next_step
from parts.reader import reader_name, when_named

AGES = {0: "at any time", 7: "more than a week ago", 30: "more than a month ago"}

space = open_workspace()
st.title("Studies")
st.caption("A study holds a reference, a query, and every decision about them.")


def images(study: Study) -> str:
    """Tell how many images a study has, by what they are for."""
    counts = space.count_files(study.id)
    counted = [f"{counts[role]:,} {role} images" for role in ROLES if role in counts]
    return ", ".join(counted) or "no images yet"


def rename(study: Study) -> None:
    """Offer another name."""
    with st.form(f"rename {study.id}", border=False):
        name = st.text_input("New name", study.name, max_chars=120)
        if clicked(st.form_submit_button, "Rename", key=f"save name {study.id}") and attempt(
            space.rename, study.id, name
        ):
            st.rerun()


def duplicate(study: Study) -> None:
    """Copy a study; very many images take a while."""
    with st.spinner("Copying…"):
        went = attempt(space.duplicate, study.id, f"Copy of {study.name}"[:120])
    if went:
        st.rerun()


def share(study: Study) -> None:
    """Show the address that opens this study."""
    st.markdown("Whoever can reach this server opens this study at")
    base = (st.context.url or "").split("?")[0].rsplit("/", 1)[0]
    st.code(f"{base}/?study={study.id}", language=None)


def delete(study: Study) -> None:
    """Put a study out of sight; it can be brought back."""
    if attempt(space.delete, study.id):
        st.session_state["deleted"] = study.id
        if st.session_state.get("study") == study.id:
            close_study()
        st.rerun()


def restore(study: Study) -> None:
    """Bring a deleted study back."""
    if attempt(space.restore, study.id):
        st.session_state.pop("deleted", None)
        st.rerun()


def show(study: Study) -> None:
    """Show one study and what can be done with it."""
    is_open = st.session_state.get("study") == study.id
    step = next_step(study)
    with st.container(border=True):
        summary, buttons = st.columns([3, 2], vertical_alignment="center")
        with summary:
            marks = ":blue-badge[open]" if is_open else ""
            marks += " :violet-badge[drawn cells]" if study.drawn else ""
            marks += " :green-badge[signed off]" if study.signed else ""
            st.markdown(f"**{text.plain(study.name)}** {marks}")
            st.markdown(text.plain(f"{step.state[:1].upper()}{step.state[1:]}"))
            signed = f" · signed {text.when(study.signed)}" if study.signed else ""
            st.caption(
                f"{images(study)} · {text.size(space.size(study.id))} on disk · "
                f"changed {text.when(study.changed)}{signed}"
            )
        with buttons.container(horizontal=True, horizontal_alignment="right"):
            label = "Go on" if is_open else "Open"
            if clicked(st.button, label, key=f"open {study.id}", help=step.task):
                go(step.page, study.id)
            with st.popover("More", key=f"more {study.id}"):
                if study.signed:
                    st.caption("Signed off: it can be read and duplicated.")
                else:
                    rename(study)
                if clicked(
                    st.button, "Duplicate", key=f"copy {study.id}", icon=":material/content_copy:"
                ):
                    duplicate(study)
                if clicked(st.button, "Delete", key=f"delete {study.id}", icon=":material/delete:"):
                    delete(study)
                share(study)


def sweep(age: int, who: str) -> None:
    """Delete for good; the page tells what was freed."""
    if not who:
        when_named(lambda name: sweep(age, name))
        return
    try:
        st.session_state["swept"] = space.sweep(age, who=who)
    except CellTransferError as error:
        st.session_state["not swept"] = str(error)


@st.dialog("Delete for good?")
def delete_for_good(age: int) -> None:
    """Ask once more, then delete what was deleted long enough ago."""
    found = space.sweepable(age)
    st.markdown(
        f"**{text.count(found.studies, 'deleted study', 'deleted studies')}** with all results and "
        f"decisions, and images that no other study has: **{text.size(found.size)}**, what is "
        "computed of them, and the workspace's own backups of them. This cannot be undone. Backups "
        "that you made elsewhere keep them."
    )
    if st.button(
        "Delete for good",
        key="sweep",
        type="primary",
        icon=":material/delete_forever:",
        on_click=sweep,
        args=(age, reader_name()),
    ):
        st.rerun()


def offer_sweep() -> None:
    """Offer to free what deleted studies take on disk."""
    age = st.selectbox(
        "Delete for good those that were deleted", list(AGES), format_func=AGES.get, key="age"
    )
    found = space.sweepable(age)
    studies = text.count(found.studies, "study", "studies")
    if clicked(
        st.button,
        f"Delete {studies} for good ({text.size(found.size)})",
        key="sweep deleted",
        icon=":material/delete_forever:",
        disabled=not (found.studies or found.size),
    ):
        delete_for_good(age)


gone = space.studies(deleted=True)
if problem := st.session_state.pop("not swept", ""):
    st.error(text.sentence(problem))
if swept := st.session_state.pop("swept", None):
    st.success(
        f"Deleted {text.count(swept.studies, 'study', 'studies')} for good: "
        f"{text.size(swept.size)} are free again."
        + f" {text.size(swept.waiting)} of images that came in just now go with the next one, in "
        f"{RECENT // 60} minutes." * bool(swept.waiting),
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

every = space.studies()
if not every:
    st.info("There is no study yet. Begin one above, or open the demo on the Start page.")
for one in every:
    show(one)
    if st.session_state.get("study") == one.id:
        lead_to_next(one, "studies")

if gone:
    with st.expander(f"Deleted studies ({len(gone)})"):
        for one in gone:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(text.plain(one.name))
                if clicked(st.button, "Restore", key=f"restore {one.id}"):
                    restore(one)
        offer_sweep()
if erased := space.erasures():
    with st.expander(f"Deleted for good ({len(erased)})"):
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
        st.caption("How much was deleted, never what: no names of studies or images are kept.")
