"""Classify: how cells are typed, the work itself, and what came out."""

import math
import os
from collections.abc import Mapping
from typing import Any

import common
import maps
import numpy as np
import streamlit as st
import words

from celltransfer_core.config import PAPER, PRESETS, Config
from celltransfer_core.matching import confirmed_share
from celltransfer_core.outputs import differential_table
from celltransfer_core.pipeline import RunResult, estimate_run, sides
from celltransfer_core.plots import (
    agreement_figure,
    composition_figure,
    confusion_figure,
    differential_figure,
    disagreement_figure,
    transport_gain_figure,
    transport_quality_figure,
)
from celltransfer_core.studies import (
    Study,
    load_current,
    load_named,
    load_prepared,
    load_run,
    states,
    study_config,
)
from celltransfer_core.vocabulary import QUERY

# What no preset decides: it stays whatever preset is chosen.
OWN = ("encoders", "cluster_encoder", "keep", "seed", "flag_threshold")

CHOICES: Mapping[str, tuple[str, Mapping[str, tuple[str, str]]]] = {
    "alignment": (
        "Alignment: is the reference carried over to the query's look?",
        {
            "fgw": (
                "Optimal transport",
                (
                    "Moves reference cells onto query cells so that alike cells meet and groups "
                    "keep their shape (fused Gromov-Wasserstein). Every encoder votes both with "
                    "and without it."
                ),
            ),
            "centre": (
                "Means only",
                "Shifts each set to a common middle. Quick; it cannot follow a change of shape.",
            ),
            "none": ("None", "Voters without transport alone."),
        },
    ),
    "weights": (
        "How many cells of each type are drawn from the reference",
        {
            "matches": (
                "As your matches say",
                (
                    "Types get the share that their clusters have in the query. Unequal shares are "
                    "what transport stumbles on."
                ),
            ),
            "uniform": ("At random", "As the paper has it."),
        },
    ),
    "filtering": (
        "Types that no cluster is matched to",
        {
            "auto": (
                "Leave them out",
                (
                    "No cell can be typed as one of them: fewer false finds. A rare type that "
                    "hides in another's cluster is lost unless it is kept on the Matches page."
                ),
            ),
            "none": ("Keep them", "Each keeps a share of 3 % at least."),
        },
    ),
    "features": (
        "What is compared",
        {
            "centred": (
                "Differences from each set's own mean",
                "Takes the stain's and the microscope's overall look away first.",
            ),
            "raw": ("Embeddings as they are", "As the paper has it."),
        },
    ),
    "classifier": (
        "Classifier",
        {
            "knn": (
                "Nearest neighbours",
                (
                    "The most alike reference cells vote; how many is chosen cell by cell. You can "
                    "look at them on the Cells page."
                ),
            ),
            "linear": ("Linear probe", "A straight border between types, learned once."),
        },
    ),
    "class_weight": (
        "What a neighbour counts",
        {
            "balanced": (
                "The more, the fewer of its type are drawn",
                "A rare type, of which few are, is heard as well as a common one.",
            ),
            "none": ("Like any other", "As the paper has it."),
        },
    ),
    "vote_weights": (
        "What a voter's word counts",
        {
            "confirmed": (
                "Evenly; transport as far as matches are confirmed",
                (
                    "Transport to wrong proportions does harm, to right ones good: its voters "
                    "count for the share of cells whose clusters you confirmed."
                ),
            ),
            "prior": (
                "By how it does on the reference",
                "And by how well both sets mix. As the paper has it.",
            ),
            "equal": ("Evenly", "Every voter the same."),
        },
    ),
}

space = common.workspace()
here = common.title(
    "Classify",
    "Every query cell gets a type: each encoder votes, with and without alignment, and the vote "
    "tells how far they agree.",
)
locked = bool(here.signed)


def preset_of(study: Study) -> str:
    """Name the preset that a study starts from."""
    name = study.options.get("preset", "default")
    return name if name in PRESETS else "default"


def own_choices(config: Config, preset: str) -> list[str]:
    """List the options that differ from a preset's."""
    return [n for n in (*CHOICES, "draws") if getattr(config, n) != getattr(PRESETS[preset], n)]


def take_preset(name: str) -> None:
    """Take all of a preset's choices, those of other pages too."""
    kept = {option: here.options[option] for option in OWN if option in here.options}
    preset = {} if name == "default" else {"preset": name}
    common.say(space.set_options, here.id, {**kept, **preset})


def show_preset(config: Config) -> None:
    """Tell which preset is in force, and offer the other."""
    preset = preset_of(here)
    changed = own_choices(config, preset)
    name = "As measured best" if preset == "default" else "As in the paper"
    more = f", with {len(changed)} of your own" if changed else ""
    left, right = st.columns([3, 2], vertical_alignment="center")
    left.markdown(f"**Choices: {name}{more}.** The first of each is what measured best.")
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        for other, label in (("default", "What measured best"), ("paper", "The paper's preset")):
            if other != preset or changed:
                st.button(
                    label,
                    key=f"preset {other}",
                    on_click=take_preset,
                    args=(other,),
                    disabled=locked,
                    help="Whole images, their own colours and node-degree clusters too: cells are "
                    "embedded and matched anew. Your words are carried over."
                    if other == "paper"
                    else "Framing, colours and clusters go back to it as well.",
                )


def show_choices(config: Config) -> None:
    """Show how cells are typed, and let it be changed."""
    show_preset(config)
    with st.form("choices", border=False):
        chosen: dict[str, Any] = {}
        columns = st.columns(2, gap="large")
        for number, (option, (label, values)) in enumerate(CHOICES.items()):
            with columns[number % 2]:
                chosen[option] = st.radio(
                    label,
                    list(values),
                    index=list(values).index(getattr(config, option)),
                    format_func=lambda value, values=values, option=option: (
                        values[value][0] + (" (the paper's)" if paper_s(option, value) else "")
                    ),
                    captions=[says for _, says in values.values()],
                    key=f"{option} {getattr(config, option)}",  # follows what others choose
                    disabled=locked,
                )
        chosen["draws"] = st.number_input(
            "Draws from the reference",
            1,
            20,
            min(config.draws, 20),
            key=f"draws {config.draws}",
            help="Each draw is transported by itself, and all are pooled. More draws steady the "
            "vote and take longer.",
            disabled=locked,
        )
        st.caption("A change of what is compared also finds clusters anew.")
        if st.form_submit_button("Use these choices", icon=":material/check:", disabled=locked):
            keep(chosen)


def paper_s(option: str, value: str) -> bool:
    """Tell whether a value that is not the default is the paper's."""
    paper: str = getattr(PAPER, option)
    return value == paper != getattr(PRESETS["default"], option)


def keep(chosen: Mapping[str, Any]) -> None:
    """Keep what differs from the preset."""
    preset = PRESETS[preset_of(here)]
    rest = {name: value for name, value in here.options.items() if name not in chosen}
    own = {name: value for name, value in chosen.items() if value != getattr(preset, name)}
    if common.say(space.set_options, here.id, {**rest, **own}):
        st.rerun()


def show_plan(config: Config) -> None:
    """Tell what will run and how long it may take."""
    found = load_named(space, here.id)
    prepared = load_prepared(space, here.id)
    if found is None or prepared is None:
        st.caption("Steps before this one are missing; they run first.")
        return
    matches = found[0].matches
    kept = config.kept_types(matches, prepared.types)
    usable = int(np.isin(prepared.reference.cell_labels, kept).sum())
    workers = os.cpu_count() or 1
    plan = estimate_run(
        config,
        len(prepared.voters),
        usable,
        prepared.query.n_cells,
        sources=len(prepared.reference.sources),
        workers=workers,
    )
    transports = (
        f" {plan.transports} transports of {plan.source:,} reference onto up to "
        f"{plan.target:,} query cells."
        if plan.transports
        else ""
    )
    st.markdown(
        f"**What runs:** {plan.voters} voters on {prepared.query.n_cells:,} query cells, "
        f"against {usable:,} reference cells of {len(kept)} types.{transports} "
        f"About **{about(plan.seconds)}** on this machine, cells being embedded already."
    )
    share = confirmed_share(matches)
    if share == 0:
        st.warning(
            "No match is confirmed yet: voters with transport have no say, and proportions rest "
            "on proposals. A few minutes on the Matches page are worth more than any choice here.",
            icon=":material/priority_high:",
        )
        st.page_link(common.PAGES["matches"], icon=":material/arrow_back:")
    elif share < 1:
        st.caption(f"{100 * share:.0f} % of the cells are in clusters that a person confirmed.")


def about(seconds: float) -> str:
    """Write a guess of a time, no finer than it is."""
    if seconds < 90:
        return f"{10 * math.ceil(seconds / 10)} seconds"
    minutes = seconds / 60
    return f"{round(minutes)} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def show_numbers(run: RunResult) -> None:
    """Tell the outcome in a few numbers."""
    confirmed = sum(match.confirmed for match in run.matches)
    flagged = int(run.flagged.sum())
    told = {
        "Query cells": (f"{run.query.n_cells:,}", None),
        "Types found": (f"{len(set(run.predicted))} of {len(run.types)}", None),
        "Clusters confirmed": (f"{confirmed} of {len(run.matches)}", None),
        "Mean agreement": (
            f"{run.vote.agreement.mean():.2f}",
            (
                "The share of the vote that a cell's type won. No measure of how often it is "
                "right: for that, review some cells."
            ),
        ),
        "Flagged": (f"{flagged:,}", f"{100 * flagged / run.query.n_cells:.1f} % of the cells."),
    }
    with st.container(horizontal=True, gap="small"):
        for label, (value, note) in told.items():
            st.metric(label, value, help=note, width="content")


def show_types(run: RunResult, shades: Mapping[str, str]) -> None:
    """Show how many cells each type got, overall and on every slide."""
    names, counts = np.unique(run.predicted, return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    maps.figure(
        composition_figure({**dict.fromkeys(run.types, 0), **found}, dict(shades)),
        "composition_figure",
    )
    if run.filtered:
        left = ", ".join(words.plain(name) for name in run.filtered)
        st.caption(f"Filtered out, so no cell can be one: {left}.")
    table = differential_table(run)
    maps.figure(differential_figure(table, dict(shades)), "differential_figure")
    if run.query.slide is None:
        st.caption(
            "All cells are counted as one slide: a metadata.csv with the columns file and slide "
            "(Data page) gives one count a slide."
        )
    with st.expander("As a table"):
        percent: Any = st.column_config.NumberColumn(format="%.1f %%")
        st.dataframe(
            table,
            hide_index=True,
            column_config={
                "percent": percent,
                "low": st.column_config.NumberColumn("from", format="%.1f %%"),
                "high": st.column_config.NumberColumn("to", format="%.1f %%"),
            },
        )


def keep_threshold() -> None:
    """Keep the threshold; nothing is computed anew."""
    value = round(st.session_state["threshold"], 2)
    if common.say(space.set_options, here.id, {**here.options, "flag_threshold": value}):
        st.session_state["pulse"] = space.pulse(here.id)


def show_agreement(run: RunResult) -> None:
    """Show how far voters agree, and from where on cells are flagged."""
    st.session_state["threshold"] = float(run.config.flag_threshold)  # whoever set it
    st.slider(
        "Flag cells with less agreement than",
        0.0,
        1.0,
        step=0.01,
        key="threshold",
        on_change=keep_threshold,
        disabled=locked,
        help="Flagged cells come first in review. Cells of clusters that fit no type are always "
        "flagged. Nothing is computed anew.",
    )
    maps.figure(agreement_figure(run.vote.agreement, run.config.flag_threshold), "agreement_figure")


def show_voters(run: RunResult) -> None:
    """Show where voters part."""
    names = [voter.name for voter in run.voters]
    if len(names) < 2:
        st.info("There is one voter only: nobody to compare it with.")
        return
    # What people taught the vote has voters of its own, which speak in some cells alone.
    maps.figure(disagreement_figure(run.vote.choices[: len(names)], names), "disagreement_figure")
    left, right = st.columns(2)
    sayings = ["The vote", *names]
    first = left.selectbox("Compare", sayings, key="first")
    second = right.selectbox("with", sayings, index=1, key="second")
    if first == second:
        st.info("Choose two different ones.")
        return

    def opinion(who: str) -> list[str]:
        chosen = run.vote.winner if who == "The vote" else run.vote.choices[names.index(who)]
        return [run.types[number] for number in chosen]

    maps.figure(
        confusion_figure(opinion(first), opinion(second), run.types, names=(first, second)),
        "confusion_figure",
    )


def show_alignment(run: RunResult) -> None:
    """Show what transport did, and how well it went."""
    if not sides(run.voters)[1]:
        st.info("This run has no aligned voters: choose an alignment above to have some.")
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
            st.warning(words.plain(remark))


def show_run(run: RunResult) -> None:
    """Show what came out."""
    shades = common.colours(here.id)
    show_numbers(run)
    kinds = {
        "types": "Types and slides",
        "agreement": "Agreement",
        "voters": "Voters",
        "alignment": "With and without transport",
    }
    kind = st.segmented_control(
        "What to look at",
        list(kinds),
        default="types",
        format_func=kinds.get,
        key="kind",
        required=True,
        label_visibility="collapsed",
    )
    if kind == "types":
        show_types(run, shades)
    elif kind == "agreement":
        show_agreement(run)
    elif kind == "voters":
        show_voters(run)
    else:
        show_alignment(run)
    if run.taught:
        changed = int((run.taught.vote.winner != run.taught.ensemble.winner).sum())
        st.caption(
            f":material/school: {words.count(len(run.taught.words.clusters), 'confirmed cluster')} "
            f"and {words.count(len(run.taught.words.cells), 'typed cell')} have taught the vote: "
            f"{changed:,} cells have another type than the encoders alone would give them."
        )
    for failure in run.failures:
        st.error(words.plain(f"{failure.encoder} had no vote. {failure.reason}"))


config_now = study_config(space, here)
lesson = load_current(space, here.id)
latest = lesson.run if lesson else load_run(space, here.id, stale=True)
done = states(space, here.id)["classify"] == "done"
with st.expander("How cells are typed", icon=":material/tune:", expanded=latest is None):
    show_choices(config_now)
if not done and space.pooled(here.id, QUERY):
    show_plan(config_now)
if common.needs(here, "classify", "Type every cell"):
    show_run(latest)
    words.following("cells", "Go on: look at the cells")
elif latest is not None:
    st.header("The last result")
    st.caption(
        ":material/history: It was made before the last changes to the matches, the clusters, the "
        "choices or the images, and stays here until cells are typed anew."
    )
    show_run(latest)
