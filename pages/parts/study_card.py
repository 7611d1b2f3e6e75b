"""Card of one study: description, progress and actions."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.studies import ROLES, Study, Workspace
from parts import text
from parts.clicks import clicked
from parts.here import attempt, open_workspace
from parts.navigation import close_study, go, next_step
from parts.study_file import offer_file

MOST_TAGS = 12
TICKED = "studies ticked"
"""Session key of the studies that are ticked for comparison, in the order of ticking."""


def images(study: Study) -> str:
    """Describe how many images a study has, by role."""
    counts = open_workspace().count_files(study.id)
    counted = [f"{counts[role]:,} {role} images" for role in ROLES if role in counts]
    return ", ".join(counted) or "no images yet"


def rename(study: Study) -> None:
    """Offer to rename a study."""
    with st.form(f"rename {study.id}", border=False):
        name = st.text_input("New name", study.name, max_chars=120)
        if clicked(st.form_submit_button, "Rename", key=f"save name {study.id}") and attempt(
            open_workspace().rename, study.id, name
        ):
            st.rerun()


def duplicate(study: Study) -> None:
    """Copy a study; this takes a while with many images."""
    with st.spinner("Copying…"):
        went = attempt(open_workspace().duplicate, study.id, f"Copy of {study.name}"[:120])
    if went:
        st.rerun()


def share(study: Study) -> None:
    """Show the address that opens this study."""
    st.markdown("Anyone who can reach this server can open this study at")
    base = (st.context.url or "").split("?")[0].rsplit("/", 1)[0]
    st.code(f"{base}/?study={study.id}", language=None)


def delete(study: Study) -> None:
    """Delete a study; it can be restored."""
    if attempt(open_workspace().delete, study.id):
        st.session_state["deleted"] = study.id
        if st.session_state.get("study") == study.id:
            close_study()
        st.rerun()


def tag(space: Workspace, study: Study, suggested: Sequence[str]) -> None:
    """Let the user set tags, with some to choose from."""
    key = f"tags {study.id}"
    given = list(study.tags or ())
    st.session_state[key] = given

    def keep() -> None:
        attempt(space.tag, study.id, st.session_state[key])

    st.multiselect(
        "Tags",
        list(dict.fromkeys((*given, *suggested))),
        placeholder="for example: microscope: Axio, or any word",
        accept_new_options=True,
        max_selections=MOST_TAGS,
        key=key,
        on_change=keep,
        help="Used to find the study: its microscope, its stain, the site of the sample, or "
        "any word. Type a new one and press Enter.",
    )


def archive(space: Workspace, study: Study) -> None:
    """Archive a study, or list it again."""
    label, icon = ("Unarchive", "unarchive") if study.archived else ("Archive", "archive")
    call = space.take_out if study.archived else space.archive
    if clicked(st.button, label, key=f"archive {study.id}", icon=f":material/{icon}:") and attempt(
        call, study.id
    ):
        st.rerun()


def ticked() -> list[str]:
    """Return the studies that are ticked."""
    return st.session_state.setdefault(TICKED, [])


def tick(study: Study) -> None:
    """Offer to tick a study for comparison."""
    key = f"tick {study.id}"
    st.session_state[key] = study.id in ticked()

    def keep() -> None:
        chosen = [one for one in ticked() if one != study.id]
        st.session_state[TICKED] = [*chosen, study.id][-2:] if st.session_state[key] else chosen

    st.checkbox(
        f"Compare {text.plain(study.name)}",
        key=key,
        on_change=keep,
        label_visibility="collapsed",
        help="Tick two studies to compare them, or one to compare its runs.",
    )


def show_study(study: Study, suggested: Sequence[str]) -> None:
    """Show one study and its actions; ``suggested`` are tags to choose from."""
    space = open_workspace()
    is_open = st.session_state.get("study") == study.id
    step = next_step(study)
    with st.container(border=True):
        box, summary, buttons = st.columns([0.25, 5.75, 4], vertical_alignment="center")
        with box:
            tick(study)
        with summary:
            marks = ":blue-badge[open]" if is_open else ""
            marks += " :violet-badge[synthetic cells]" if study.drawn else ""
            marks += " :green-badge[signed off]" if study.signed else ""
            marks += " :orange-badge[archived]" if study.archived else ""
            marks += "".join(f" :gray-badge[{text.plain(one)}]" for one in study.tags or ())
            st.markdown(f"**{text.plain(study.name)}** {marks}")
            st.markdown(text.plain(f"{step.state[:1].upper()}{step.state[1:]}"))
            signed = f" · signed {text.when(study.signed)}" if study.signed else ""
            st.caption(
                f"{images(study)} · {text.size(space.size(study.id))} on disk · "
                f"changed {text.when(study.changed)}{signed}"
            )
        with buttons.container(horizontal=True, horizontal_alignment="right"):
            label = "Continue" if is_open else "Open"
            if clicked(st.button, label, key=f"open {study.id}", help=step.task):
                go(step.page, study.id)
            with st.popover("More", key=f"more {study.id}"):
                show_more(space, study, suggested)


def show_more(space: Workspace, study: Study, suggested: Sequence[str]) -> None:
    """Offer the less frequent actions on a study."""
    if study.signed:
        st.caption("Signed off: it can be read, tagged and duplicated.")
    else:
        rename(study)
    tag(space, study, suggested)
    with st.container(horizontal=True):
        if clicked(st.button, "Duplicate", key=f"copy {study.id}", icon=":material/content_copy:"):
            duplicate(study)
        archive(space, study)
        if clicked(st.button, "Delete", key=f"delete {study.id}", icon=":material/delete:"):
            delete(study)
    offer_file(space, study)
    share(study)
