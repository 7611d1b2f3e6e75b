"""Results of an evaluation: figures of every method, and the matches of clusters."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from celltransfer_core.evaluation import OT, Evaluation, Row
from celltransfer_core.evaluation.report import (
    OT_NAMES,
    SIGNIFICANT,
    describe_reading,
    figures,
    identification_table,
    matched_clusters,
    method_name,
    reader_figure,
    reader_table,
    results_table,
)
from celltransfer_core.plots import similarity_heatmap, votes_heatmap
from celltransfer_core.vocabulary import QUERY
from parts import maps, text
from parts.pictures import chip

ALIGNMENTS = {ot: f"{name[:1].upper()}{name[1:]}" for ot, name in OT_NAMES.items()}
FILTERING = {
    "true": "Current matches, with all confirmations",
    "reader": "Correctly named clusters (a simulated reader without errors)",
    "false": "All types of the reference",
}


def show_numbers(found: Evaluation) -> None:
    """Show the result in a few numbers."""
    rows = {row.key: row for row in found.rows}
    best = next(ot for ot in reversed(OT) if ot in found.protocol.ot)
    ceiling = max(
        (row.accuracy for row in found.rows if row.method.startswith("ceiling")), default=np.nan
    )
    shown: list[tuple[str, Row | None, str]] = [
        (
            "Current state",
            rows.get(("ensemble", best, "true")),
            "With the matches of the Matches page.",
        ),
        (
            "Every cluster confirmed",
            rows.get(("ensemble", best, "reader")),
            "With every cluster confirmed correctly.",
        ),
        (
            "Without alignment",
            rows.get(("ensemble", "none", "true")),
            "The same vote on unaligned embeddings.",
        ),
        (
            "Always the most common type",
            rows.get(("majority", "none", "false")),
            "Baseline without any method.",
        ),
    ]
    with st.container(horizontal=True, gap="small"):
        for label, row, explained in shown:
            if row is not None:
                low, high = row.accuracy_interval
                note = (
                    f"{explained} Accuracy, 95 % interval {low:.1f} to {high:.1f}; mean over types "
                    f"{row.balanced_accuracy:.1f} %."
                )
                st.metric(label, f"{row.accuracy:.1f} %", help=note, width="content")
        if not np.isnan(ceiling):
            note = "Nearest neighbours among the query's own labelled cells, by cross-validation."
            st.metric("With the query's labels", f"{ceiling:.1f} %", help=note, width="content")
    st.caption(f"Vote with {OT_NAMES[best]}, over {len(found.scored):,} cells.")
    with text.expert("Expert: how this was measured"):
        for note in found.notes:
            st.markdown(text.plain(note))


def choose_filtering(found: Evaluation) -> str:
    """Let the user choose the filtering whose figures are shown."""
    return st.segmented_control(
        "Types and cluster names",
        [name for name in FILTERING if name in found.protocol.filtering],
        default=found.protocol.filtering[-1] if "true" not in found.protocol.filtering else "true",
        format_func=lambda name: FILTERING[name],
        required=True,
    )


def show_methods(found: Evaluation, filtering: str) -> None:
    """Show the figures of all methods."""
    table = results_table(found)
    yardstick = table["method"].str.startswith(("majority", "ceiling"))
    show_results(table[(table["filtering"] == filtering) | yardstick])
    st.caption(
        "In percent; “from” and “to” are the 95 % interval of the accuracy, the last columns the "
        "recall of each type. Click a column header to sort."
    )
    with text.expert():
        codes = pd.DataFrame({"method": table["method"].map(method_name), "code": table["method"]})
        st.markdown("The name of the method in the files and on the command line.")
        st.dataframe(codes.drop_duplicates(), hide_index=True)
    for number, (name, drawn) in enumerate(figures(found, filtering)):
        maps.figure(drawn, name, f"{name} {number}")


def show_results(table: pd.DataFrame) -> None:
    """Show a table of methods, the most accurate first."""
    sure = table["p_over_none"] < SIGNIFICANT
    recalls = [name for name in table if name.startswith("recall_")]
    shown = pd.DataFrame(
        {
            "method": table["method"].map(method_name),
            "alignment": table["ot"].map(ALIGNMENTS),
            "accuracy": table["accuracy"],
            "from": table["accuracy_low"],
            "to": table["accuracy_high"],
            "mean over types": table["balanced_accuracy"],
            "F1": table["f1"],
            "gain over none": table["gain_over_none"],
            "significant": sure.map({True: "yes", False: ""}),
            **{f"of {name.removeprefix('recall_')}": table[name] for name in recalls},
        }
    ).sort_values("accuracy", ascending=False)
    percent = st.column_config.NumberColumn(format="%.1f")
    numbers = [name for name in shown if shown[name].dtype == float]
    st.dataframe(
        shown,
        hide_index=True,
        placeholder="",
        column_config={
            **dict.fromkeys(numbers, percent),
            "method": st.column_config.TextColumn(pinned=True),
            "gain over none": st.column_config.NumberColumn(
                format="%+.1f",
                help="Accuracy minus that of the same method without alignment, in points.",
            ),
            "significant": st.column_config.TextColumn(
                help=f"Wilcoxon test over the subsets, Holm-corrected, p below {SIGNIFICANT}."
            ),
        },
    )


def show_matches(found: Evaluation, shades: Mapping[str, str]) -> None:
    """Show the matched type and the true type of every cluster."""
    rows = matched_clusters(found)
    judged = [row for row in rows if row.verdict]
    wrong = [row for row in judged if row.verdict == "wrong"]
    cells = sum(row.cells for row in wrong)
    st.markdown(
        f"{len(judged) - len(wrong)} of {len(judged)} clusters are matched to the type of most of "
        f"their cells; the other {len(wrong)} contain {cells:,} cells."
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
                chip(row.matched_type, shades),
                f"{row.score:.2f}",
                chip(row.most_are, shades) if row.most_are else "–",
                {"right": "✓", "wrong": "✗ wrong"}.get(row.verdict, ""),
            )
        )
        + "</tr>"
        for row in sorted(rows, key=lambda row: (row.verdict != "wrong", row.cluster))
    )
    st.html(f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>")
    named = found.named.get("true") or found.named["false"]
    names = named.clusters.names.tolist()
    scores = named.scores[QUERY]
    if named.votes is not None:
        maps.figure(votes_heatmap(named.votes, names, scores.types), "votes_heatmap")
    maps.figure(similarity_heatmap(scores, names), "similarity_heatmap")
    if found.identification:
        show_identification(found)


def show_identification(found: Evaluation) -> None:
    """Show how well shared types were identified."""
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
        "correctly classified as shared or not shared, by type and by cluster (eqs 5 and 24 of "
        "the paper)."
    )


def show_reading(found: Evaluation) -> None:
    """Show the effect that a reader's answers would have."""
    if found.reading is None:
        st.info("Measure again to see what a reader's answers would gain.")
        return
    st.markdown(
        "A simulated reader uses the true types: every cluster is confirmed, then one cell after "
        "another is typed, as on the Review page. This shows what your own answers can gain here."
    )
    maps.figure(reader_figure(found.reading.points), "reader_figure")
    st.caption(text.plain(describe_reading(found.reading)))
    with st.expander("As a table"):
        percent = st.column_config.NumberColumn(format="%.1f")
        table = reader_table(found.reading)
        numbers = [name for name in table if name.startswith(("accuracy", "balanced"))]
        st.dataframe(table, hide_index=True, column_config=dict.fromkeys(numbers, percent))
