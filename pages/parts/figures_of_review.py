"""How far a review is, how fast it goes, and what its answers tell."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from celltransfer_core.evaluation import reliability
from celltransfer_core.evaluation.report import reliability_figure
from celltransfer_core.outputs import describe_concordance, describe_sample, percent
from celltransfer_core.people import (
    BLIND_FROM,
    BLIND_SHARE,
    NotYet,
    Review,
    SampleAccuracy,
    UpdatedVote,
    calibrate,
    cells_needed,
    cohen_kappa,
    count_hits,
    prediction_sets,
    random_sample,
    reader_pairs,
    review_progress,
    sample_accuracy,
)
from celltransfer_core.pipeline import RunResult
from celltransfer_core.plots import CAPTIONS, review_progress_figure
from celltransfer_core.studies import CurrentRun
from parts import maps, text
from parts.desk import look_again
from parts.here import Here
from parts.pictures import pictures

HALF_WIDTH = 0.05
MOST_LISTED = 20


def show_progress(here: Here, current: CurrentRun, left: int) -> None:
    """Tell how far, how fast, and what the answers tell."""
    run, reviews = current.run, current.reviews
    cells, predicted = run.query.cells, run.predicted
    reached = review_progress(cells, predicted, reviews)
    mine = [one for one in reviews if one.reader == here.reader]
    speed = review_progress(cells, predicted, mine).cells_per_minute if mine else np.nan
    blind = sample_accuracy(cells, predicted, reviews, seed=run.config.seed)
    found = blind.overall
    boxes = st.columns(4)
    boxes[0].metric(f"Reviewed of {reached.total:,}", f"{reached.answered:,}")
    boxes[1].metric("Left in this queue", f"{left:,}")
    boxes[2].metric(
        "Your speed",
        "–" if np.isnan(speed) else f"{speed:.0f} / min",
        f"{text.duration(left / speed)} left" if speed > 0 and left else None,
        delta_color="off",
        delta_arrow="off",
    )
    boxes[3].metric(
        "Right, of all cells",
        percent(found.accuracy),
        f"{100 * found.low:.0f} to {100 * found.high:.0f} %" if found.cells else "not known yet",
        delta_color="off",
        delta_arrow="off",
        help="From the blind random sample alone, with its 95 % interval. No cell is judged by a "
        "vote that knows its answer.",
    )
    show_changes(run)
    st.plotly_chart(
        review_progress_figure(reached.outcomes, reached.total),
        key="progress",
        config=maps.CHART,
        alt="How far the review is",
    )
    st.caption(CAPTIONS["review_progress_figure"])
    with st.expander("How often are predictions right?"):
        show_accuracy(blind, reached.total)
        show_hits(run, reviews)
    with st.expander("What is a score worth?"):
        show_worth(run, reviews)
    if pairs := reader_pairs(reviews):
        with st.expander("Where readers differ", expanded=True):
            show_readers(here, reviews, pairs)


def show_changes(run: RunResult) -> None:
    """Tell what the answers have changed."""
    if run.updated is None:
        st.caption(
            ":material/school: No answer has been given yet: the vote is that of the "
            "encoders alone."
        )
        return
    updated = run.updated
    changed = int((updated.vote.winner != updated.ensemble.winner).sum())
    unknown = int(updated.unknown.sum())
    verb = "is" if unknown == 1 else "are"
    more = f" {text.count(unknown, 'cell')} {verb} unlike everything named so far." * bool(unknown)
    if updated.doubted_clusters:
        named = [str(run.clusters.names[position]) for position in updated.doubted_clusters]
        more += f" Look again on the Matches page at {text.possible_slips(named)}."
    typed = text.count(len(updated.annotations.cells), "typed cell")
    confirmed = text.count(len(updated.annotations.clusters), "confirmed cluster")
    st.markdown(
        f":material/school: **{typed}** and **{confirmed}** have changed the type of "
        f"**{changed:,}** of {run.query.n_cells:,} cells.{more}"
    )


def show_hits(run: RunResult, reviews: Sequence[Review]) -> None:
    """Tell how often the doubtful cells of the queue were right, apart from the estimate."""
    right, answered = count_hits(run.query.cells, run.predicted, reviews)
    if answered:
        st.markdown(
            f"Of the **{answered}** cells that were answered with their prediction in sight, the "
            f"vote now has {right} right without knowing their own answer. They were picked "
            "because they are doubtful, so this says nothing of all cells."
        )


def show_worth(run: RunResult, reviews: Sequence[Review]) -> None:
    """Tell what confidence is worth, once there are enough answers."""
    if run.updated is None:
        st.markdown("Scores are not calibrated: no cell has been typed yet.")
        return
    show_calibration(run.updated)
    drawn = random_sample(run.query.cells, reviews, seed=run.config.seed)
    sets = prediction_sets(run.updated, drawn)
    if ready := [name for name in run.types if name not in sets.missing]:
        sizes = sets.holds.sum(axis=1)
        st.markdown(
            f"Sets of types that hold the right one with {100 * sets.coverage:.0f} % are known for "
            f"{text.listed(ready)}; a cell's set has {sizes.mean():.1f} types on average and "
            "stands on the Cells page."
        )
    if sets.missing:
        missing = ", ".join(
            f"{one.missing} more {text.plain(name)}" for name, one in sets.missing.items()
        )
        st.caption(
            f"Sets of types: not yet for every type. Of the blind sample {missing} must be typed."
        )


def show_calibration(updated: UpdatedVote) -> None:
    """Show how often confidence is right, as typed cells tell."""
    found = calibrate(updated)
    if isinstance(found, NotYet):
        st.markdown(f"Scores are not calibrated. {text.plain(str(found))}")
        return
    drawn = reliability(found.typed, found.right)
    maps.figure(reliability_figure({"typed cells": drawn}), "reliability_figure")
    st.caption(
        "Right is what agrees with your answers. Each typed cell's calibrated confidence comes "
        "from the other typed cells, one answer in twenty being taken for a slip: so points a "
        "little under the line are as expected. Mean calibrated confidence over all cells: "
        f"{min(100 * found.confidence.mean(), 99.9):.1f} %."
    )


def show_accuracy(blind: SampleAccuracy, total: int) -> None:
    """Tell what the blind sample says, and what it would take to know better."""
    found = blind.overall
    st.markdown(text.plain(describe_sample(found)))
    likely = found.accuracy if found.cells else 0.5
    need = cells_needed(HALF_WIDTH, accuracy=likely)
    apart = {"unsure": blind.unsure, "artefacts": blind.artefact, "skipped": blind.skipped}
    apart["disputed"] = blind.disputed
    not_counted = ", ".join(f"{count} {name}" for name, count in apart.items() if count)
    if not_counted:
        not_counted = f" Not counted: {text.plain(not_counted)}."
    drawn = math.ceil(total * BLIND_SHARE)
    few = f" That makes {drawn:,} in this query, so the interval stays wider." * (drawn < need)
    st.markdown(
        f"To know it to ± {100 * HALF_WIDTH:.0f} points takes about **{need}** blind cells with an "
        f"answer; there are {found.cells}. After the first {BLIND_FROM} places, every "
        f"{1 / BLIND_SHARE:.0f}th of the queue brings one, whatever its order.{few} "
        f"Doubtful cells among them are asked earlier, and count in their turn.{not_counted}"
    )
    rows = [
        {
            "Predicted type": name,
            "Blind cells": one.cells,
            "Right": one.right,
            "Share right": percent(one.accuracy),
            "95 % interval": f"{100 * one.low:.0f} to {100 * one.high:.0f} %" if one.cells else "",
        }
        for name, one in blind.by_type.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def show_readers(here: Here, reviews: Sequence[Review], pairs: Sequence[tuple[str, str]]) -> None:
    """Tell how far readers agree, and list where they do not."""
    pair = pairs[0]
    if len(pairs) > 1:
        pair = st.selectbox(
            "Readers", pairs, format_func=lambda two: f"{two[0]} and {two[1]}", key="pair"
        )
    found = cohen_kappa(reviews, *pair)
    st.markdown(text.plain(f"{pair[0]} and {pair[1]}: {describe_concordance(found)}"))
    for one in found.disagreements[:MOST_LISTED]:
        with st.container(horizontal=True, vertical_alignment="center"):
            pictures(here, [one.cell], size=64)
            st.markdown(
                f"{text.plain(pair[0])}: **{text.plain(one.first)}**  \n"
                f"{text.plain(pair[1])}: **{text.plain(one.second)}**"
            )
            if here.reader in pair:
                st.button(
                    "Look again",
                    key=f"again {one.cell}",
                    on_click=look_again,
                    args=(here, one.cell),
                    disabled=here.locked,
                )
    if len(found.disagreements) > MOST_LISTED:
        st.caption(f"The first {MOST_LISTED} of {len(found.disagreements):,} are listed.")
