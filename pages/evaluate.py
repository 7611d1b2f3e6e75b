"""Evaluate: how right every method is, where the query's own labels tell."""

from pathlib import Path

import streamlit as st

from celltransfer_core.evaluation import OT
from celltransfer_core.evaluation.report import LABELS_USED
from celltransfer_core.studies import evaluation_path, load_evaluation, protocol_of
from parts.here import Here, open_page
from parts.measured import ALIGNMENTS, show_matches, show_methods, show_numbers, show_reading
from parts.study_types import colours
from parts.work import at_work, offer_work

EXTRA = {"linear": "Linear probe", "nmtune": "NMTune"}
FEW = (2, 5, 10, 20, 50)

OFFERED = {
    "results.html": "Report",
    "results.csv": "All figures (CSV)",
    "results.md": "Tables (Markdown)",
    "predictions.csv": "Every cell (CSV)",
    "reader.csv": "A person's answers (CSV)",
    "manifest.json": "Manifest",
}


def choose(here: Here) -> None:
    """Offer what is measured."""
    protocol = protocol_of(here.study)
    with st.expander("What is measured", icon=":material/tune:"), st.form("protocol", border=False):
        ot = st.multiselect(
            "Alignments",
            list(OT),
            list(protocol.ot),
            format_func=lambda name: ALIGNMENTS[name],
            help="Each beside none at all. Optimal transport takes longest.",
        )
        probes = st.multiselect(
            "Classifiers beside the nearest neighbours",
            list(EXTRA),
            [name for name in EXTRA if name in protocol.methods],
            format_func=lambda name: EXTRA[name],
            help="Trained on 5,000 cells at most; they take minutes.",
        )
        few = st.checkbox(
            f"How few labelled reference cells would do ({', '.join(map(str, FEW))} a type)",
            bool(protocol.low_label),
            help="Everything three times over for each number of cells.",
        )
        if st.form_submit_button("Set", disabled=here.locked):
            methods = [m for m in protocol.methods if m.removeprefix("ensemble-") not in EXTRA]
            methods += [m for name in probes for m in (name, f"ensemble-{name}")]
            chosen = {
                "ot": [name for name in OT if name in ot],
                "methods": methods,
                "low_label": FEW if few else (),
            }
            if not ot:
                st.error("Choose one alignment at least.")
            elif here.change_options(evaluation=chosen):
                st.rerun()


def show_files(folder: Path) -> None:
    """Offer tables and report."""
    with st.container(horizontal=True):
        for name, label in OFFERED.items():
            if (folder / name).is_file():
                st.download_button(
                    label,
                    (folder / name).read_bytes,
                    name,
                    icon=":material/download:",
                    on_click="ignore",
                )
    st.caption("Names of files and true types stand in the table of every cell: mind who gets it.")


here = open_page(
    "Evaluate",
    "How right every method is on these cells, for their types came with them.",
)
st.warning(
    f"{LABELS_USED} Every other page works as if they were not there.", icon=":material/visibility:"
)
choose(here)
path = evaluation_path(here.workspace, here.id)
found = load_evaluation(here.workspace, here.id)
if path is None:
    st.info("Add images first: a reference with known types, and a query.")
    st.page_link("data.py", icon=":material/upload:")
elif not at_work(here, done=found is not None) and found is None:
    if any(path.parent.glob("evaluate-*.joblib")):
        st.info("Something has changed since it was last measured.")
    st.markdown(
        "Every encoder and the vote are scored without alignment and with it, with the clusters as "
        "they are matched and as they ought to be. A few hundred cells take a few minutes."
    )
    offer_work(here, "evaluate", "Measure")
if path is not None and found is not None:
    show_numbers(found)
    methods, matches, reading, files = st.tabs(
        ["Methods", "Matches", "A person's answers", "Files"]
    )
    with methods:
        show_methods(found)
    with matches:
        show_matches(found, colours(here))
    with reading:
        show_reading(found)
    with files:
        show_files(path.with_suffix(""))
