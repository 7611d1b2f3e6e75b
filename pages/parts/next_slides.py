"""Use a finished study for the next slides: as a reference, or as a classifier."""

from pathlib import Path

import streamlit as st

from celltransfer_core.errors import CellTransferError
from celltransfer_core.outputs import write_model, write_reference_zip
from celltransfer_core.studies import (
    MAX_NAME,
    FinishedStudy,
    Study,
    add_finished,
    finished_run,
    finished_studies,
)
from celltransfer_core.types import Progress
from parts import text
from parts.clicks import clicked
from parts.here import Here, attempt
from parts.navigation import go
from parts.takeaways import Takeaways, offer_prepared


def offer_next_slides(files: Takeaways) -> None:
    """Offer the types of this study to the next study, and to other machines."""
    here = files.here
    st.header("Type the next slides")
    st.markdown(
        "The answers given here can be used for the next slides of the same microscope: as a "
        "**reference** of its own domain, beside the original reference, or as a **classifier** "
        "that types cells without a reference."
    )
    try:
        finished_run(here.workspace, here.id)
    except CellTransferError as error:
        st.caption(text.sentence(error))
        return
    finished = FinishedStudy(here.workspace, files.tables)
    if clicked(
        st.button,
        "Use as a reference",
        key="use as reference",
        icon=":material/school:",
        help="Creates a new study with the typed cells of this one as a reference. Cells that "
        "nobody answered are included if their confidence is high enough. No image is "
        "copied.",
    ):
        begin_with(here)

    def write_folder(path: Path, progress: Progress) -> None:
        chosen = finished.reference_cells()
        write_reference_zip(chosen, path, finished.manifest, finished.read, progress=progress)

    def write_classifier(path: Path, progress: Progress) -> None:
        progress("classifier", 0, 1)
        write_model(finished.classifier(), path)

    with st.container(horizontal=True):
        offer_prepared(files, "reference", ".zip", "reference as a folder", write_folder)
        offer_prepared(files, "classifier", ".zip", "classifier", write_classifier)
    st.caption(
        "The folder contains the original image files with all their metadata, and how each type "
        "was decided; it names no reader. The classifier contains no images and no names: `python "
        "-m celltransfer_core predict --model FILE --query DIR --out DIR` types the next cells "
        "with it."
    )


def begin_with(here: Here) -> None:
    """Create a study with the typed cells of this one as a reference, and go to its images."""
    made = here.workspace.create(f"After {here.study.name}"[:MAX_NAME])
    if attempt(add_finished, here.workspace, made.id, here.id):
        go("data", made.id)
    here.workspace.delete(made.id)


def offer_finished(here: Here) -> None:
    """Offer the typed cells of a finished study as a further reference set."""
    if not st.toggle("Use a finished study", key="take finished"):
        return
    others = {one.id: one for one in finished_studies(here.workspace) if one.id != here.id}
    if not others:
        st.caption("No other study is finished: sign one off first.")
        return

    def named(study: str) -> str:
        return _told(others[study])

    with st.form("finished", border=False):
        chosen = st.selectbox("Study", [*others], format_func=named)
        if clicked(st.form_submit_button, "Use it", key="take study") and attempt(
            add_finished, here.workspace, here.id, chosen
        ):
            st.rerun()


def _told(study: Study) -> str:
    signed = f", signed off on {study.signed[:10]}" if study.signed else ""
    return f"{study.name}{signed}"
