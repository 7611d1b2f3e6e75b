"""Evaluate: how right every method is, where the query's own labels tell."""

from collections.abc import Mapping
from pathlib import Path

import common
import maps
import numpy as np
import pandas as pd
import streamlit as st
import words

from celltransfer_core.evaluation import OT, Evaluation, Row
from celltransfer_core.evaluation.report import (
    LABELS_USED,
    OT_NAMES,
    SIGNIFICANT,
    describe_reading,
    figures,
    identification_table,
    matched_clusters,
    reader_figure,
    reader_table,
    results_table,
)
from celltransfer_core.plots import similarity_heatmap
from celltransfer_core.studies import evaluation_path, load_evaluation, protocol_of
from celltransfer_core.vocabulary import QUERY

ALIGNMENTS = {ot: f"{name[:1].upper()}{name[1:]}" for ot, name in OT_NAMES.items()}
FILTERING = {
    "true": "As matched, and as people confirmed",
    "reader": "As a reader who never errs would name the clusters",
    "false": "Keep every type of the reference",
}
EXTRA = {"linear": "Linear probe", "nmtune": "NMTune"}
FEW = (2, 5, 10, 20, 50)

space = common.workspace()
here = common.title(
    "Evaluate",
    "How right every method is on these cells, for their types came with them.",
)
st.warning(
    f"{LABELS_USED} Every other page works as if they were not there.", icon=":material/visibility:"
)


def choose() -> None:
    """Offer what is measured."""
    protocol = protocol_of(here)
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
        if st.form_submit_button("Set", disabled=bool(here.signed)):
            methods = [m for m in protocol.methods if m.removeprefix("ensemble-") not in EXTRA]
            methods += [m for name in probes for m in (name, f"ensemble-{name}")]
            chosen = {
                "ot": [name for name in OT if name in ot],
                "methods": methods,
                "low_label": FEW if few else (),
            }
            if not ot:
                st.error("Choose one alignment at least.")
            elif common.say(space.set_options, here.id, {**here.options, "evaluation": chosen}):
                st.rerun()


def show_numbers(found: Evaluation) -> None:
    """Tell the outcome in a few numbers."""
    rows = {row.key: row for row in found.rows}
    best = next(ot for ot in reversed(OT) if ot in found.protocol.ot)
    ceiling = max(
        (row.accuracy for row in found.rows if row.method.startswith("ceiling")), default=np.nan
    )
    told: list[tuple[str, Row | None, str]] = [
        ("As it stands", rows.get(("ensemble", best, "true")), "Matches as on the Matches page."),
        (
            "Every cluster confirmed",
            rows.get(("ensemble", best, "reader")),
            "What confirming all clusters, rightly, would bring.",
        ),
        (
            "Without alignment",
            rows.get(("ensemble", "none", "true")),
            "The same vote on the embeddings as they are.",
        ),
        ("Always the commonest type", rows.get(("majority", "none", "false")), "No method at all."),
    ]
    with st.container(horizontal=True, gap="small"):
        for label, row, says in told:
            if row is not None:
                low, high = row.accuracy_interval
                note = (
                    f"{says} Accuracy, 95 % interval {low:.1f} to {high:.1f}; mean over types "
                    f"{row.balanced_accuracy:.1f} %."
                )
                st.metric(label, f"{row.accuracy:.1f} %", help=note, width="content")
        if not np.isnan(ceiling):
            note = "Nearest neighbours among the query's own labelled cells, by cross-validation."
            st.metric("With the query's labels", f"{ceiling:.1f} %", help=note, width="content")
    st.caption(
        f"Of the vote with {OT_NAMES[best]}. " + " ".join(words.plain(note) for note in found.notes)
    )


def show_methods(found: Evaluation) -> None:
    """Show the figures of all methods."""
    filtering = st.segmented_control(
        "Types and names of clusters",
        [name for name in FILTERING if name in found.protocol.filtering],
        default=found.protocol.filtering[-1] if "true" not in found.protocol.filtering else "true",
        format_func=lambda name: FILTERING[name],
        required=True,
    )
    table = results_table(found)
    yardstick = table["method"].str.startswith(("majority", "ceiling"))
    table = table[(table["filtering"] == filtering) | yardstick]
    sure = table["p_over_none"] < SIGNIFICANT
    recalls = [name for name in table if name.startswith("recall_")]
    shown = pd.DataFrame(
        {
            "method": table["method"],
            "alignment": table["ot"].map(ALIGNMENTS),
            "accuracy": table["accuracy"],
            "from": table["accuracy_low"],
            "to": table["accuracy_high"],
            "mean over types": table["balanced_accuracy"],
            "F1": table["f1"],
            "over none": table["gain_over_none"],
            "more than noise": sure.map({True: "yes", False: ""}),
            **{f"of {name.removeprefix('recall_')}": table[name] for name in recalls},
        }
    ).sort_values("accuracy", ascending=False)
    percent = st.column_config.NumberColumn(format="%.1f")
    numbers = [name for name in shown if shown[name].dtype == float]
    st.dataframe(
        shown,
        hide_index=True,
        column_config={
            **dict.fromkeys(numbers, percent),
            "method": st.column_config.TextColumn(pinned=True),
            "over none": st.column_config.NumberColumn(
                format="%+.1f", help="Accuracy over the same method without alignment, in points."
            ),
            "more than noise": st.column_config.TextColumn(
                help=f"Wilcoxon over the subsets, Holm-corrected, p under {SIGNIFICANT}."
            ),
        },
    )
    st.caption(
        "In percent; from and to are the 95 % interval of the accuracy, the last columns the share "
        "of each type's cells that were found. A click on a head sorts."
    )
    for number, (name, drawn) in enumerate(figures(found, filtering)):
        maps.figure(drawn, name, f"{name} {number}")


def show_matches(found: Evaluation, shades: Mapping[str, str]) -> None:
    """Show what every cluster was matched to, and what it is."""
    rows = matched_clusters(found)
    judged = [row for row in rows if row.verdict]
    wrong = [row for row in judged if row.verdict == "wrong"]
    cells = sum(row.cells for row in wrong)
    st.markdown(
        f"{len(judged) - len(wrong)} of {len(judged)} clusters are matched to the type of most of "
        f"their cells; the other {len(wrong)} hold {cells:,} cells."
    )
    heads = "".join(
        f"<th style='text-align:left;padding:.2em .9em'>{name}</th>"
        for name in ("Cluster", "Cells", "Matched type", "Score", "Most of its cells", "")
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td style='padding:.2em .9em'>{value}</td>"
            for value in (
                row.cluster,
                row.cells,
                common.chip(row.matched_type, shades),
                f"{row.score:.2f}",
                common.chip(row.most_are, shades) if row.most_are else "–",
                {"right": "✓", "wrong": "✗ wrong"}.get(row.verdict, ""),
            )
        )
        + "</tr>"
        for row in sorted(rows, key=lambda row: (row.verdict != "wrong", row.cluster))
    )
    st.html(f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>")
    named = found.named.get("true") or found.named["false"]
    names = named.clusters.names.tolist()
    maps.figure(similarity_heatmap(named.scores[QUERY], names), "similarity_heatmap")
    if found.identification:
        st.subheader("Shared types found")
        table = identification_table(found)
        table["correction"] = table["correction"].map({False: "before", True: "after"})
        percent = st.column_config.NumberColumn(format="%.1f")
        st.dataframe(
            table.drop(columns="n_clusters"),
            hide_index=True,
            column_config={
                "correction": "t-SNE vote",
                "accuracy": percent,
                "global_accuracy": st.column_config.NumberColumn("by type", format="%.1f"),
                "cluster_accuracy": st.column_config.NumberColumn("by cluster", format="%.1f"),
                "found": "types found",
            },
        )
        st.caption(
            "How well the types that both sets share are found in random subsets: share of types "
            "rightly said to be shared or not, by type and by cluster (eqs 5 and 24 of the paper)."
        )


def show_reading(found: Evaluation) -> None:
    """Show what a person's answers would be worth."""
    if found.reading is None:
        st.info("Measure again to see what a person's answers are worth.")
        return
    st.markdown(
        "A reader is played with the true types: every cluster is confirmed, then cell after cell "
        "is typed, as on the Review page. This is what your own answers can bring here."
    )
    maps.figure(reader_figure(found.reading.points), "reader_figure")
    st.caption(words.plain(describe_reading(found.reading)))
    with st.expander("As a table"):
        percent = st.column_config.NumberColumn(format="%.1f")
        table = reader_table(found.reading)
        numbers = [name for name in table if name.startswith(("accuracy", "balanced"))]
        st.dataframe(table, hide_index=True, column_config=dict.fromkeys(numbers, percent))


def show_files(folder: Path) -> None:
    """Offer tables and report."""
    offered = {
        "results.html": "Report",
        "results.csv": "All figures (CSV)",
        "results.md": "Tables (Markdown)",
        "predictions.csv": "Every cell (CSV)",
        "reader.csv": "A person's answers (CSV)",
        "manifest.json": "Manifest",
    }
    with st.container(horizontal=True):
        for name, label in offered.items():
            if (folder / name).is_file():
                st.download_button(
                    label,
                    (folder / name).read_bytes,
                    name,
                    icon=":material/download:",
                    on_click="ignore",
                )
    st.caption("Names of files and true types stand in the table of every cell: mind who gets it.")


choose()
path = evaluation_path(space, here.id)
found = load_evaluation(space, here.id)
if path is None:
    st.info("Add images first: a reference with known types, and a query.")
    st.page_link(common.PAGES["data"], icon=":material/upload:")
elif not common.at_work(here, done=found is not None) and found is None:
    if any(path.parent.glob("evaluate-*.joblib")):
        st.info("Something has changed since it was last measured.")
    st.markdown(
        "Every encoder and the vote are scored without alignment and with it, with the clusters as "
        "they are matched and as they ought to be. A few hundred cells take a few minutes."
    )
    common.begin(here, "evaluate", "Measure")
if path is not None and found is not None:
    show_numbers(found)
    methods, matches, reading, files = st.tabs(
        ["Methods", "Matches", "A person's answers", "Files"]
    )
    with methods:
        show_methods(found)
    with matches:
        show_matches(found, common.colours(here.id))
    with reading:
        show_reading(found)
    with files:
        show_files(path.with_suffix(""))
