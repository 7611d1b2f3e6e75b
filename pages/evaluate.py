"""Evaluate page: accuracy of every method, if the query has labels."""

from pathlib import Path

import streamlit as st

from celltransfer_core.evaluation import OT
from celltransfer_core.evaluation.report import LABELS_USED
from celltransfer_core.studies import (
    evaluation_path,
    load_evaluation,
    protocol_of,
    study_labels,
)
from celltransfer_core.vocabulary import QUERY, REFERENCE, and_more
from parts import text
from parts.clicks import clicked
from parts.errors_shown import choose_prediction, show_errors
from parts.here import Here, open_page
from parts.measured import (
    ALIGNMENTS,
    choose_filtering,
    show_matches,
    show_methods,
    show_numbers,
    show_reading,
)
from parts.methods_compared import show_comparison
from parts.navigation import lead_on
from parts.study_types import colours, has_labels, reference_types
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
    """Let the user choose what is measured."""
    protocol = protocol_of(here.study)
    with st.expander("What is measured", icon=":material/tune:"), st.form("protocol", border=False):
        ot = st.multiselect(
            "Alignments",
            list(OT),
            list(protocol.ot),
            format_func=lambda name: ALIGNMENTS[name],
            help="Each is compared with no alignment. Optimal transport takes longest.",
        )
        probes = st.multiselect(
            "Classifiers to compare with nearest neighbours",
            list(EXTRA),
            [name for name in EXTRA if name in protocol.methods],
            format_func=lambda name: EXTRA[name],
            help="Trained on at most 5,000 cells; this takes minutes.",
        )
        few = st.checkbox(
            f"How few labelled reference cells are enough ({', '.join(map(str, FEW))} per type)",
            bool(protocol.low_label),
            help="Repeats everything three times for each number of cells.",
        )
        if clicked(st.form_submit_button, "Set", key="set settings", disabled=here.locked):
            methods = [m for m in protocol.methods if m.removeprefix("ensemble-") not in EXTRA]
            methods += [m for name in probes for m in (name, f"ensemble-{name}")]
            chosen = {
                "ot": [name for name in OT if name in ot],
                "methods": methods,
                "low_label": FEW if few else (),
            }
            if not ot:
                st.error("Choose at least one alignment.")
            elif here.change_options(evaluation=chosen):
                st.rerun()


def show_files(folder: Path) -> None:
    """Offer tables and the report."""
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
    st.caption(
        "The table of every cell contains file names and true types: be careful whom you give "
        "it to."
    )


def say_what_is_missing(here: Here) -> None:
    """Say why nothing can be measured, and how to fix it."""
    if here.pooled(REFERENCE) is None or here.pooled(QUERY) is None:
        st.info("Add images first: a reference with known types, and a query.")
    elif names := sorted(set(study_labels(here.workspace, here.id).tolist()) - {""}):
        st.info(
            f"No type of the query ({text.plain(and_more(names))}) is a type of the reference "
            f"({text.plain(and_more(reference_types(here)))}), so nothing can be measured. Give "
            "both the same names: types can be renamed on the Data page."
        )
    else:
        st.info(
            "The true types of the query are not known, so nothing can be measured. If you know "
            "them, add the query again with them: one folder per type, or a table `labels.csv` "
            "with the columns `file` and `label`. Only this page reads them."
        )
    lead_on("data", "Go to Data")


here = open_page(
    "How accurate each method is on cells whose types are known.",
    "How right every method is on cells whose types are known.",
)
if not has_labels(here.workspace, here.id):
    say_what_is_missing(here)
    st.stop()
st.warning(f"{LABELS_USED} All other pages ignore them.", icon=":material/visibility:")
choose(here)
path = evaluation_path(here.workspace, here.id)
found = load_evaluation(here.workspace, here.id)
if path is None:
    say_what_is_missing(here)
elif not at_work(here, done=found is not None) and found is None:
    if any(path.parent.glob("evaluate-*.joblib")):
        st.info("Something has changed since the last evaluation.")
    st.markdown(
        "Every encoder and the vote are scored without and with alignment, once with the current "
        "matches and once with correctly named clusters. A few hundred cells take a few minutes."
    )
    offer_work(here, "evaluate", "Measure")
if path is not None and found is not None:
    show_numbers(found)
    filtering = choose_filtering(found)
    best = next(ot for ot in reversed(OT) if ot in found.protocol.ot)
    methods, errors, why, matches, reading, files = st.tabs(
        ["Methods", "Errors", "Compare two methods", "Matches", "A person's answers", "Files"]
    )
    with methods:
        show_methods(found, filtering)
    with errors:
        method = choose_prediction(found, "Method", "method", filtering, ("ensemble", best))
        show_errors(here, found, colours(here), method)
    with why:
        show_comparison(found, filtering)
    with matches:
        show_matches(found, colours(here))
    with reading:
        show_reading(found)
    with files:
        show_files(path.with_suffix(""))
