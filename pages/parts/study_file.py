"""A study as one file: download, and import from another workspace."""

import re
from pathlib import Path
from typing import BinaryIO

import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import (
    Study,
    Workspace,
    export_path,
    export_study,
    import_study,
    preparation,
    start_preparation,
)
from celltransfer_core.types import Progress
from celltransfer_core.web import file_url
from parts import text
from parts.clicks import clicked
from parts.navigation import open_study
from parts.takeaways import follow

_BROUGHT = "studies brought"
_MOST = 2_000  # MB of a file that the browser sends


def offer_file(space: Workspace, study: Study) -> None:
    """Offer a study as one file: prepared on a click, then sent from disk."""
    path = export_path(space, study.id, "study", ".zip", space.pulse(study.id), study.tags)
    state = preparation(path)

    def write(target: Path, progress: Progress) -> None:
        export_study(space, study.id, target, progress=progress)

    if path.is_file() and state is None:
        name = re.sub(r"[^A-Za-z0-9]+", "-", study.name).strip("-").lower() or "study"
        st.link_button(
            f"Save the file ({text.size(path.stat().st_size)})",
            file_url(space, study.id, path, f"{name}.study.zip"),
            icon=":material/download:",
        )
    elif state is not None and not state.problem:
        follow(path, "file")
    else:
        if state is not None:
            st.error(text.sentence(state.problem))
        if clicked(
            st.button,
            "As one file",
            key=f"file {study.id}",
            icon=":material/folder_zip:",
            help="Images, settings, decisions with reader and time, and results; for another "
            "workspace or as a backup.",
        ):
            start_preparation(path, write)
            st.rerun()


def bring_study(space: Workspace) -> None:
    """Import a file from another workspace, and describe what was imported."""
    number = st.session_state.get(_BROUGHT, 0)  # a new dialog is closed and has no file yet
    with st.popover("Import a study", icon=":material/upload_file:", key=f"bring {number}"):
        file = st.file_uploader(
            "Study file",
            "zip",
            key=f"study file {number}",
            max_upload_size=_MOST,
            help="A file written by *As one file* or `study export`. It is checked completely "
            "and imported as a whole or not at all.",
        )
        st.caption(
            f"Files larger than {text.size(_MOST * 1e6)}: `study import FILE` on the server."
        )
        if clicked(st.button, "Import it", key="bring study", disabled=file is None):
            _take(space, file)
    if came := st.session_state.pop("study came", None):
        st.success(f"**{text.plain(came[0])}** is imported: {came[1]}", icon=":material/check:")


def _take(space: Workspace, file: BinaryIO) -> None:
    bar = st.progress(0.0, text="Checking…")

    def progress(_: str, done: int, total: int) -> None:
        bar.progress(done / max(total, 1), text=f"{done:,} of {total:,} images")

    try:
        found = import_study(space, file, progress=progress)
    except CellTransferError as error:
        bar.empty()
        st.error(text.sentence(error))
        return
    st.session_state[_BROUGHT] = st.session_state.get(_BROUGHT, 0) + 1
    st.session_state["study came"] = (found.study.name, found.told)
    open_study(found.study.id)
    st.rerun()
