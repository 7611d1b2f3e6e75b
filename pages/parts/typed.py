"""Results of the vote: types, agreement, voters, transport."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from celltransfer_core.config import setting
from celltransfer_core.outputs import (
    describe_composition,
    describe_flags,
    differential_table,
    missing_transport,
    voter_label,
    with_estimates,
)
from celltransfer_core.people import USUAL_COUNTS, Review
from celltransfer_core.pipeline import RunResult, infer_run
from celltransfer_core.plots import (
    agreement_figure,
    composition_figure,
    confusion_figure,
    differential_figure,
    disagreement_figure,
    transport_gain_figure,
    transport_quality_figure,
)
from parts import maps, study_types, text
from parts.expected import show_expected
from parts.full_list import show_full_list
from parts.here import Here

KINDS = {
    "types": "Types and slides",
    "agreement": "Certainty",
    "expert": "Expert",
}
EXPERT = {
    "voters": "Where voters differ",
    "alignment": "With and without transport",
}


def show_run(here: Here, run: RunResult, reviews: Sequence[Review] = ()) -> None:
    """Show the results."""
    show_numbers(run)
    show_expected(run, reviews)
    kind = choose_kind("kind", KINDS)
    if kind == "types":
        show_types(run, study_types.colours(here), reviews)
    elif kind == "agreement":
        show_agreement(here, run)
    elif choose_kind("expert", EXPERT) == "voters":
        show_voters(run)
    else:
        show_alignment(run)
    if run.updated:
        annotations = run.updated.annotations
        changed = int((run.updated.vote.winner != run.updated.ensemble.winner).sum())
        given = {"confirmed cluster": annotations.clusters, "typed cell": annotations.cells}
        told = [text.count(len(ones), what) for what, ones in given.items() if len(ones)]
        st.caption(
            f":material/school: {' and '.join(told)} updated the vote: "
            f"{changed:,} cells have another type than the encoders alone would give them."
        )
    for failure in run.failures:
        st.error(text.plain(f"{failure.encoder} had no vote. {failure.reason}"))


def choose_kind(key: str, kinds: Mapping[str, str]) -> str:
    """Let the user choose which results to show."""
    return st.segmented_control(
        "What to look at",
        list(kinds),
        default=next(iter(kinds)),
        format_func=kinds.get,
        key=key,
        required=True,
        label_visibility="collapsed",
    )


def show_numbers(run: RunResult) -> None:
    """Show the result in a few numbers."""
    confirmed = sum(match.confirmed for match in run.matches)
    flagged = int((run.flags.flagged & ~run.flags.typed).sum())
    numbers = {
        "Query cells": (f"{run.query.n_cells:,}", None),
        "Types found": (f"{len(set(run.predicted))} of {len(run.types)}", None),
        "Clusters confirmed": (f"{confirmed} of {len(run.matches)}", None),
        "Mean agreement": (
            f"{run.vote.agreement.mean():.2f}",
            (
                "The share of the vote for a cell's type. It is not the accuracy; the expected "
                "accuracy is shown below."
            ),
        ),
        "Flagged": (
            f"{flagged:,}",
            (
                f"{100 * flagged / run.query.n_cells:.1f} % of the cells; nobody has answered them "
                "yet."
            ),
        ),
    }
    with st.container(horizontal=True, gap="small"):
        for label, (value, note) in numbers.items():
            st.metric(label, value, help=note, width="content")
    st.markdown(f":material/flag: {text.plain(describe_flags(run.flags))}")


def show_types(run: RunResult, colours: Mapping[str, str], reviews: Sequence[Review]) -> None:
    """Show how many cells each type has, overall and on each slide."""
    names, counts = np.unique(run.predicted, return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    maps.figure(
        composition_figure({**dict.fromkeys(run.types, 0), **found}, dict(colours)),
        "composition_figure",
    )
    if absent := [name for name in run.filtered if name in run.config.absent]:
        st.caption(f"Absent from this sample, as set on the Data page: {text.listed(absent)}.")
    if left := [name for name in run.filtered if name not in absent]:
        st.caption(f"Filtered out, so no cell can get this type: {text.listed(left)}.")
    if run.filtered:
        show_full_list("All types that are filtered out", list(run.filtered))
    inference = infer_run(run, reviews)
    table = differential_table(run, inference=inference)
    maps.figure(differential_figure(with_estimates(table), dict(colours)), "differential_figure")
    st.markdown(text.plain(describe_composition(inference)))
    if run.query.slide is None:
        st.caption(
            "All cells are counted as one slide: a metadata.csv with the columns file and slide "
            "(Data page) gives one count per slide."
        )
    with st.expander("As a table"):
        columns = {"percent": "counted", "low": "from", "high": "to"}
        columns |= {"estimate_low": "corrected: from", "estimate_high": "to "}
        columns |= {"estimate": "best estimate"}
        shares: dict[str, Any] = {
            name: st.column_config.NumberColumn(label, format="%.1f %%")
            for name, label in columns.items()
        }
        counts = {
            f"count_{count}_{end}": st.column_config.NumberColumn(f"in {count} cells: {word}")
            for count in USUAL_COUNTS
            for end, word in (("low", "least"), ("high", "most"))
        }
        slides = {} if run.query.slide is not None else {"slide": None, "patient": None}
        st.dataframe(
            table,
            hide_index=True,
            column_config={**shares, **counts, **slides, "drawn": "answers on drawn cells"},
        )
        st.caption(
            "Counted: the result of the vote, with the 95 % interval of counting alone. "
            "Corrected: by the answers on randomly drawn cells, with the 95 % interval of "
            "counting and typing. In 100 and 200 cells: the range that a manual count may give "
            "(Rümke); a count outside it is not explained by chance."
        )


def keep_limit(here: Here, name: str) -> None:
    """Save a threshold of flags; nothing is recomputed."""
    if here.change_options(**{name: round(st.session_state[name], 3)}):
        here.mark_seen()


def show_agreement(here: Here, run: RunResult) -> None:
    """Show how far voters agree, and the threshold below which cells are flagged."""
    for column, name in zip(st.columns(2), ("flag_error", "flag_threshold"), strict=True):
        limit = setting(name)
        st.session_state[name] = float(getattr(run.config, name))  # set by any reader
        column.slider(
            limit.label,
            *limit.shown,
            step=0.005 if name == "flag_error" else 0.01,
            format="percent" if name == "flag_error" else None,
            key=name,
            on_change=keep_limit,
            args=(here, name),
            disabled=here.locked,
            help=limit.note,
        )
    maps.figure(agreement_figure(run.vote.agreement, run.config.flag_threshold), "agreement_figure")


def show_voters(run: RunResult) -> None:
    """Show where voters disagree."""
    names = [voter_label(voter) for voter in run.voters]
    if len(names) < 2:
        st.info("There is only one voter, so there is nothing to compare.")
        return
    # A vote updated with answers has additional voters, which vote only in some cells.
    maps.figure(disagreement_figure(run.vote.choices[: len(names)], names), "disagreement_figure")
    left, right = st.columns(2)
    every = ["The vote", *names]
    first = left.selectbox("Compare", every, key="first")
    second = right.selectbox("with", every, index=1, key="second")
    if first == second:
        st.info("Choose two different ones.")
        return

    def types_of(who: str) -> list[str]:
        chosen = run.vote.winner if who == "The vote" else run.vote.choices[names.index(who)]
        return [run.types[number] for number in chosen]

    maps.figure(
        confusion_figure(types_of(first), types_of(second), run.types, names=(first, second)),
        "confusion_figure",
    )


def show_alignment(run: RunResult) -> None:
    """Show the effect and the quality of transport."""
    if not run.aligned:
        st.info(missing_transport(run))
        return
    maps.figure(transport_gain_figure(run.voters, run.vote), "transport_gain_figure")
    if run.solves:
        maps.figure(transport_quality_figure(run.solves), "transport_quality_figure")
        remarks = sorted({remark for solve in run.solves for remark in solve.log.remarks})
        worst = max(solve.log.marginal_error for solve in run.solves)
        steps = [solve.log.iterations for solve in run.solves]
        st.markdown(
            f"{len(run.solves)} transports; {min(steps)} to {max(steps)} iterations; largest "
            f"marginal error {worst:.1e}."
        )
        for remark in remarks:
            st.warning(text.plain(remark))
