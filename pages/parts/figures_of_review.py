"""Progress and speed of a review, and the results of its answers."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from celltransfer_core.evaluation import reliability
from celltransfer_core.evaluation.report import reliability_figure
from celltransfer_core.outputs import (
    describe_accuracy,
    describe_concordance,
    describe_flags,
    describe_left_out,
    describe_reclassification,
    describe_share,
    interval,
    percent,
)
from celltransfer_core.people import (
    BLIND_FROM,
    BLIND_SHARE,
    ESTIMATED_FROM,
    Concordance,
    Inference,
    NotYet,
    Review,
    UpdatedVote,
    calibrate,
    cohen_kappa,
    count_hits,
    draws_needed,
    prediction_sets,
    random_sample,
    reader_pairs,
    reclassification,
    review_progress,
)
from celltransfer_core.pipeline import RunResult, infer_run
from celltransfer_core.plots import CAPTIONS, review_progress_figure
from celltransfer_core.studies import CurrentRun
from parts import maps, text
from parts.desk import look_again
from parts.expected import show_expected
from parts.here import Here
from parts.must_find import show_must_find
from parts.pictures import pictures

HALF_WIDTH = 0.05
MOST_LISTED = 20


def show_progress(here: Here, current: CurrentRun, left: int) -> None:
    """Show progress, speed, and the results of the answers."""
    run, reviews = current.run, current.reviews
    cells, predicted = run.query.cells, run.predicted
    reached = review_progress(cells, predicted, reviews)
    mine = [one for one in reviews if one.reader == here.reader]
    speed = review_progress(cells, predicted, mine).cells_per_minute if mine else np.nan
    inference = infer_run(run, reviews)
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
    show_headline(boxes[3], inference)
    show_changes(run)
    show_expected(run, reviews, inference)
    st.markdown(f":material/flag: {text.plain(describe_flags(run.flags))}")
    show_must_find(run, inference)
    st.plotly_chart(
        review_progress_figure(reached.outcomes, reached.total),
        key="progress",
        config=maps.CHART,
        alt="Progress of the review",
    )
    st.caption(CAPTIONS["review_progress_figure"])
    with st.expander("How often are predictions right?"):
        show_accuracy(inference, reached.total)
        show_hits(run, reviews)
        changed = reclassification(cells, predicted, reviews)
        st.markdown(text.plain(describe_reclassification(changed)))
    with st.expander("How reliable are the scores?"):
        show_worth(run, reviews)
    if pairs := reader_pairs(reviews):
        with st.expander("Where readers differ", expanded=True):
            show_readers(here, reviews, pairs)


def show_headline(box: DeltaGenerator, inference: Inference) -> None:
    """Show the accuracy of predictions, the interval first, or what is missing to estimate it."""
    if inference.missing_blind and inference.most_blind < ESTIMATED_FROM:
        box.metric("Accuracy, all cells", "Too few cells", help=describe_accuracy(inference))
        return
    if more := inference.missing_blind:
        box.metric(
            "Accuracy, all cells",
            "Not yet",
            f"{more} more blind cells",
            delta_color="off",
            delta_arrow="off",
            help=f"It needs {ESTIMATED_FROM} blind cells. After the first {BLIND_FROM} places, "
            f"every {1 / BLIND_SHARE:.0f}th cell of the queue is one.",
        )
        return
    found = inference.right()
    box.metric(
        "Accuracy, all cells",
        interval(found.low, found.high),
        f"best estimate {percent(found.value)}",
        delta_color="off",
        delta_arrow="off",
        help="The 95 % interval, from all answers on randomly drawn cells. No cell is judged "
        "by a vote that has used its answer.",
    )


def show_changes(run: RunResult) -> None:
    """Show what the answers have changed."""
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
    more = f" {text.count(unknown, 'cell')} {verb} unlike all cells named so far." * bool(unknown)
    if updated.doubted_clusters:
        named = [str(run.clusters.names[position]) for position in updated.doubted_clusters]
        more += f" On the Matches page, check {text.possible_slips(named)}."
    typed = text.count(len(updated.annotations.cells), "typed cell")
    confirmed = text.count(len(updated.annotations.clusters), "confirmed cluster")
    st.markdown(
        f":material/school: **{typed}** and **{confirmed}** have changed the type of "
        f"**{changed:,}** of {run.query.n_cells:,} cells.{more}"
    )


def show_hits(run: RunResult, reviews: Sequence[Review]) -> None:
    """Show how often doubtful cells of the queue were right, separately from the estimate."""
    right, answered = count_hits(run.query.cells, run.predicted, reviews)
    if answered:
        st.markdown(
            f"Of the **{answered}** cells that were answered with the prediction shown, the vote "
            f"now gets {right} right when it does not use their own answer. Uncertain cells are "
            "shown more often than others, so this is not the accuracy over all cells."
        )


def show_worth(run: RunResult, reviews: Sequence[Review]) -> None:
    """Show how reliable confidence is, once there are enough answers."""
    if run.updated is None:
        st.markdown("Scores are not calibrated: no cell has been typed by a reader yet.")
        return
    show_calibration(run.updated)
    drawn = random_sample(run.query.cells, reviews, seed=run.config.seed)
    sets = prediction_sets(run.updated, drawn)
    if ready := [name for name in run.types if name not in sets.missing]:
        sizes = sets.holds.sum(axis=1)
        st.markdown(
            f"Sets of types that contain the right one with {100 * sets.coverage:.0f} % "
            f"probability are available for {text.listed(ready)}; a cell's set has "
            f"{sizes.mean():.1f} types on average and is shown on the Cells page."
        )
    if sets.missing:
        missing = ", ".join(
            f"{one.missing} more {text.plain(name)}" for name, one in sets.missing.items()
        )
        st.caption(
            "Sets of types: not yet available for every type. The blind sample still needs "
            f"answers: {missing}."
        )


def show_calibration(updated: UpdatedVote) -> None:
    """Show the calibration of confidence, measured on typed cells."""
    found = calibrate(updated)
    if isinstance(found, NotYet):
        st.markdown(f"Scores are not calibrated. {text.plain(str(found))}")
        return
    drawn = reliability(found.typed, found.right)
    maps.figure(reliability_figure({"typed cells": drawn}), "reliability_figure")
    st.caption(
        "A prediction counts as right if it agrees with your answer. The calibrated confidence of "
        "each typed cell comes from the other typed cells, and assumes that one answer in twenty "
        "is wrong; points slightly below the line are therefore expected. Mean calibrated "
        f"confidence over all cells: {min(100 * found.confidence.mean(), 99.9):.1f} %."
    )


def show_accuracy(inference: Inference, total: int) -> None:
    """Show the estimate from drawn cells, how to improve it, and which answers do not count."""
    st.markdown(text.plain(f"{describe_accuracy(inference)} {describe_left_out(inference.tally)}"))
    found, tally = inference.right(), inference.tally
    if found.draws >= ESTIMATED_FROM:
        need = draws_needed(found, total, HALF_WIDTH)
        st.markdown(
            f"A precision of ± {100 * HALF_WIDTH:.0f} points needs about **{need:,}** answers on "
            f"randomly drawn cells, judging from the {tally.drawn:,} so far."
            if need > found.draws
            else f"It is known to within ± {100 * HALF_WIDTH:.0f} points."
        )
    if inference.missing_blind:
        return
    rows = []
    for number, name in enumerate(inference.types):
        among = inference.winner == number
        one = inference.right(among)
        if among.any():
            rows.append(
                {
                    "Predicted type": name,
                    "Cells": int(among.sum()),
                    "Answers on drawn cells": one.draws,
                    "Share correct (95 % interval)": describe_share(one),
                }
            )
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def show_readers(here: Here, reviews: Sequence[Review], pairs: Sequence[tuple[str, str]]) -> None:
    """Show how far readers agree, and list where they do not."""
    pair = pairs[0]
    if len(pairs) > 1:
        pair = st.selectbox(
            "Readers", pairs, format_func=lambda two: f"{two[0]} and {two[1]}", key="pair"
        )
    found = cohen_kappa(reviews, *pair)
    st.markdown(text.plain(f"{pair[0]} and {pair[1]}: {describe_concordance(found)}"))
    show_kappas(found, pair)
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


def show_kappas(found: Concordance, pair: tuple[str, str]) -> None:
    """Show how far two readers agree on each type."""
    if found.cells:
        rows = [
            {
                "Type": name,
                pair[0]: one.first,
                pair[1]: one.second,
                "Both": one.both,
                "Cohen's κ": None if math.isnan(one.kappa) else one.kappa,
            }
            for name, one in found.by_type.items()
        ]
        column = st.column_config.NumberColumn(format="%.2f")
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={"Cohen's κ": column})
