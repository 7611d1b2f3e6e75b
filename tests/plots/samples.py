"""Figures drawn once each, and small results to draw them from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from celltransfer_core.classify import weighted_vote
from celltransfer_core.evaluation import Point, agreement_curve, reliability
from celltransfer_core.evaluation.report import (
    accuracy_figure,
    agreement_worth_figure,
    error_matrix_figure,
    low_label_figure,
    reader_figure,
    reliability_figure,
)
from celltransfer_core.matching import combine_encoders, tsne_plane
from celltransfer_core.pipeline import FIGURES, SlideDrift, Solve, Voter
from celltransfer_core.plots import (
    agreement_figure,
    between_slides_figure,
    cluster_colours,
    cluster_plane_figure,
    composition_figure,
    confusion_figure,
    differential_figure,
    disagreement_figure,
    drift_figure,
    map_figure,
    review_progress_figure,
    score_plane_figure,
    similarity_heatmap,
    sizes_figure,
    transport_gain_figure,
    transport_quality_figure,
    type_colours,
    type_symbols,
    types_figure,
    votes_heatmap,
)
from celltransfer_core.transport import TransportLog
from celltransfer_core.vocabulary import QUERY, REFERENCE

BLOOD = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")


def make_scores(types=BLOOD, clusters: int = 4):
    cosine = np.random.default_rng(0).normal(0, 0.1, (2, clusters, len(types)))
    cosine[:, np.arange(clusters), np.arange(clusters) % len(types)] += 0.6
    return combine_encoders(
        cosine, np.array([0.3, 0.2]), np.ones(2, dtype=bool), ("colour", f"mine {types[0]}"), types
    )


def make_voters(names=("colour", "shape")):
    rng = np.random.default_rng(1)
    voters = [
        Voter(
            (name,),
            alignment,
            0.25,
            1.0,
            1.0,
            rng.dirichlet(np.ones(3), 40),
            np.zeros((40, 1), dtype=np.int64),
            np.zeros((40, 1), dtype=np.float32),
        )
        for name in names
        for alignment in ("centre", "fgw")
    ]
    vote = weighted_vote(np.stack([v.probabilities for v in voters]), np.full(len(voters), 0.25))
    return voters, vote


def make_solves(voter: str = "colour", remarks: tuple[str, ...] = ()):
    logs = [TransportLog(0.1 + d / 100, 5, 0.0, remarks, "auction", 1e-7, 0.1) for d in range(3)]
    return [Solve(voter, 0, draw, 100, 90, log) for draw, log in enumerate(logs)]


def make_slides(types=BLOOD, names=("slide-1", "slide-2")) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"slide": s, "type": t, "cells": 5, "percent": 20.0, "low": 12.0, "high": 31.0}
            for s in names
            for t in types
        ]
    )


def make_drift(slide: str) -> list[SlideDrift]:
    return [SlideDrift(kind, slide, 40, 0.1 * at, 0.15) for at, kind in enumerate(FIGURES)]


def make_trusted():
    rng = np.random.default_rng(3)
    sure = rng.random(60)
    return sure, rng.random(60) < sure


def every_figure(name: str) -> dict[str, go.Figure]:
    """Draw each figure once, with ``name`` wherever a user can name something."""
    types = (name, *BLOOD)
    colours, symbols = type_colours(types), type_symbols(types)
    score, (voters, vote) = make_scores(types), make_voters((name, "shape"))
    clusters = [name, 1, 2, 3]
    xy = np.random.default_rng(2).normal(size=(12, 2))
    cells = [types[i % len(types)] for i in range(12)]
    sets = [[REFERENCE, QUERY, name][i % 3] for i in range(12)]
    counts = {kind: number for number, kind in enumerate(types)}
    plane = tsne_plane({QUERY: score, REFERENCE: make_scores(types, 6), name: score}, seed=0)
    return {
        "composition_figure": composition_figure(counts, colours),
        "agreement_figure": agreement_figure(np.linspace(0, 1, 30), 0.6),
        "types_figure": types_figure(counts, colours, name),
        "between_slides_figure": between_slides_figure(make_drift(name)),
        "drift_figure": drift_figure({name: make_drift(name), "July": make_drift("")}),
        "sizes_figure": sizes_figure({QUERY: xy[:, 0], name: xy[:, 1]}, name, name),
        "map_figure": map_figure(
            xy, cells, colours, range(12), name, sets=sets, symbols=symbols, hover=cells
        ),
        "map_figure, numbered": map_figure(
            xy, cells, cluster_colours(types), cells, name, numbered=True, axes=(name, name)
        ),
        "similarity_heatmap": similarity_heatmap(score, clusters, "cosine", encoder=f"mine {name}"),
        "votes_heatmap": votes_heatmap(np.full((4, len(types)), 1 / len(types)), clusters, types),
        "score_plane_figure": score_plane_figure(score, clusters, colours, symbols=symbols),
        "score_plane_figure, one": score_plane_figure(score, clusters, colours, cluster=0),
        "cluster_plane_figure": cluster_plane_figure(plane, colours, clusters=clusters),
        "differential_figure": differential_figure(
            make_slides(types, (name, "")), colours, after=make_slides(types, (name,))
        ),
        "confusion_figure": confusion_figure(
            cells, cells[::-1], types, names=(name, "vote"), title=name
        ),
        "disagreement_figure": disagreement_figure(vote.choices, [voter.name for voter in voters]),
        "transport_gain_figure": transport_gain_figure(voters, vote),
        "transport_quality_figure": transport_quality_figure(make_solves(name, (name,))),
        "review_progress_figure": review_progress_figure({name: 3, "unsure": 1}, 9),
        "accuracy_figure": accuracy_figure(
            [name, "ensemble"], [50.0, 60.0], [70.0, 55.0], (50.0, 60.0), name
        ),
        "error_matrix_figure": error_matrix_figure(np.array(cells), np.array(cells[::-1]), types),
        "agreement_worth_figure": agreement_worth_figure({name: agreement_curve(*make_trusted())}),
        "reliability_figure": reliability_figure({name: reliability(*make_trusted())}),
        "reader_figure": reader_figure(
            [Point("queue", 0, 70, 60, 70, 60), Point("queue", 20, 90, 80, 85, 75)]
        ),
        "low_label_figure": low_label_figure({name: [(2, 50.0, 3.0), (0, 60.0, 0.0)]}),
    }


def heatmap(figure: go.Figure) -> go.Heatmap:
    return next(trace for trace in figure.data if trace.type == "heatmap")
