"""Figures: what they show, that colours part, and that names stay text."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from celltransfer_core.classify import weighted_vote
from celltransfer_core.evaluation import Point, agreement_curve, reliability
from celltransfer_core.evaluation.report import (
    accuracy_figure,
    agreement_worth_figure,
    low_label_figure,
    plots as reports,
    reader_figure,
    reliability_figure,
)
from celltransfer_core.matching import combine_encoders, match_score, tsne_plane
from celltransfer_core.pipeline import Solve, Voter
from celltransfer_core.plots import (
    CAPTIONS,
    agreement_figure,
    composition_figure,
    confusion_figure,
    counts,
    differential_figure,
    disagreement_figure,
    map_figure,
    maps,
    matching,
    review_progress_figure,
    sizes_figure,
    transport_gain_figure,
    transport_quality_figure,
    types_figure,
    votes,
)
from celltransfer_core.plots.colours import (
    CLUSTER_PALETTE,
    NONE_COLOUR,
    PALETTE,
    cluster_colours,
    set_colours,
    text_on,
    type_colours,
    type_symbols,
)
from celltransfer_core.plots.matching import (
    _spread,
    cluster_plane_figure,
    score_plane_figure,
    similarity_heatmap,
)
from celltransfer_core.transport import TransportLog
from celltransfer_core.vocabulary import QUERY, REFERENCE

BLOOD = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
HOSTILE = "<img src=x onerror=alert(1)> <i>x</i> %{z}"

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(colours) -> np.ndarray:
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(colours) -> np.ndarray:
    return linear(colours) @ (0.2126, 0.7152, 0.0722)


def contrast(one: str, other: str) -> float:
    low, high = sorted(luminance([one, other]))
    return (high + 0.05) / (low + 0.05)


def similarity(types=BLOOD, clusters: int = 4):
    cosine = np.random.default_rng(0).normal(0, 0.1, (2, clusters, len(types)))
    cosine[:, np.arange(clusters), np.arange(clusters) % len(types)] += 0.6
    return combine_encoders(
        cosine, np.array([0.3, 0.2]), np.ones(2, dtype=bool), ("colour", f"mine {types[0]}"), types
    )


def voters(names=("colour", "shape")):
    rng = np.random.default_rng(1)
    heard = [
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
    vote = weighted_vote(np.stack([v.probabilities for v in heard]), np.full(len(heard), 0.25))
    return heard, vote


def solves(voter: str = "colour", remarks: tuple[str, ...] = ()):
    logs = [TransportLog(0.1 + d / 100, 5, 0.0, remarks, "auction", 1e-7, 0.1) for d in range(3)]
    return [Solve(voter, 0, draw, 100, 90, log) for draw, log in enumerate(logs)]


def slides(types=BLOOD, names=("slide-1", "slide-2")) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"slide": s, "type": t, "cells": 5, "percent": 20.0, "low": 12.0, "high": 31.0}
            for s in names
            for t in types
        ]
    )


def worth():
    rng = np.random.default_rng(3)
    sure = rng.random(60)
    return sure, rng.random(60) < sure


def every_figure(name: str) -> dict[str, go.Figure]:
    """Draw each figure once, with ``name`` wherever a user can name something."""
    types = (name, *BLOOD)
    colours, symbols = type_colours(types), type_symbols(types)
    score, heard = similarity(types), voters((name, "shape"))
    clusters = [name, 1, 2, 3]
    xy = np.random.default_rng(2).normal(size=(12, 2))
    cells = [types[i % len(types)] for i in range(12)]
    sets = [[REFERENCE, QUERY, name][i % 3] for i in range(12)]
    counts = {kind: number for number, kind in enumerate(types)}
    plane = tsne_plane({QUERY: score, REFERENCE: similarity(types, 6), name: score}, seed=0)
    return {
        "composition_figure": composition_figure(counts, colours),
        "agreement_figure": agreement_figure(np.linspace(0, 1, 30), 0.6),
        "types_figure": types_figure(counts, colours, name),
        "sizes_figure": sizes_figure({QUERY: xy[:, 0], name: xy[:, 1]}, name, name),
        "map_figure": map_figure(
            xy, cells, colours, range(12), name, sets=sets, symbols=symbols, hover=cells
        ),
        "map_figure, numbered": map_figure(
            xy, cells, cluster_colours(types), cells, name, numbered=True, axes=(name, name)
        ),
        "similarity_heatmap": similarity_heatmap(score, clusters, "cosine", encoder=f"mine {name}"),
        "score_plane_figure": score_plane_figure(score, clusters, colours, symbols=symbols),
        "score_plane_figure, one": score_plane_figure(score, clusters, colours, cluster=0),
        "cluster_plane_figure": cluster_plane_figure(plane, colours, clusters=clusters),
        "differential_figure": differential_figure(
            slides(types, (name, "")), colours, after=slides(types, (name,))
        ),
        "confusion_figure": confusion_figure(
            cells, cells[::-1], types, names=(name, "vote"), title=name
        ),
        "disagreement_figure": disagreement_figure(heard[1].choices, [v.name for v in heard[0]]),
        "transport_gain_figure": transport_gain_figure(*heard),
        "transport_quality_figure": transport_quality_figure(solves(name, (name,))),
        "review_progress_figure": review_progress_figure({name: 3, "unsure": 1}, 9),
        "accuracy_figure": accuracy_figure(
            [name, "ensemble"], [50.0, 60.0], [70.0, 55.0], (50.0, 60.0), name
        ),
        "agreement_worth_figure": agreement_worth_figure({name: agreement_curve(*worth())}),
        "reliability_figure": reliability_figure({name: reliability(*worth())}),
        "reader_figure": reader_figure(
            [Point("queue", 0, 70, 60, 70, 60), Point("queue", 20, 90, 80, 85, 75)]
        ),
        "low_label_figure": low_label_figure({name: [(2, 50.0, 3.0), (0, 60.0, 0.0)]}),
    }


FIGURES = every_figure("plain")


def strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from strings(inner, name)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from strings(inner, key)


def as_plain(figure: go.Figure) -> dict[str, Any]:
    return json.loads(figure.to_json())


def heatmap(figure: go.Figure) -> go.Heatmap:
    return next(trace for trace in figure.data if trace.type == "heatmap")


class TestColours:
    def test_they_part_for_every_kind_of_sight(self):
        for kind, matrix in SIGHT.items():
            seen = np.clip(linear(PALETTE) @ matrix.T, 0, 1)
            gamma = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
            lab = rgb2lab(gamma[None])[0]
            distance = deltaE_ciede2000(lab[:, None], lab[None])[np.triu_indices(len(lab), 1)]
            assert distance.min() > (18 if kind == "normal" else 13), kind

    @pytest.mark.parametrize("page", ["#FFFFFF", "#0E1117"])
    def test_they_stand_out_on_light_and_on_dark(self, page):
        for colour in (*PALETTE, NONE_COLOUR, *CLUSTER_PALETTE):
            assert contrast(colour, page) >= 2.9, colour

    def test_text_on_any_of_them_is_readable(self):
        for colour in (*PALETTE, "#FFFFFF", "#000000", "#757575", "#777777"):
            assert contrast(colour, text_on(colour)) >= 4.5

    def test_the_same_in_any_order(self):
        assert type_colours(BLOOD) == type_colours(BLOOD[::-1])

    def test_none_is_grey_and_takes_no_place(self):
        assert type_colours([*BLOOD, "none"]) == type_colours(BLOOD)
        assert type_colours(BLOOD)["none"] == NONE_COLOUR

    def test_up_to_eight_types_colours_alone_are_unique(self):
        types = [f"type {number}" for number in range(8)]
        assert {type_colours(types)[name] for name in types} == set(PALETTE)
        assert {type_symbols(types)[name] for name in types} == {"circle"}

    def test_up_to_24_types_colour_and_symbol_are_unique(self):
        types = [f"type {number}" for number in range(24)]
        colours, symbols = type_colours(types), type_symbols(types)
        assert len({(colours[name], symbols[name]) for name in types}) == 24

    def test_a_new_type_leaves_most_colours_as_they_were(self):
        before = type_colours(BLOOD)
        kept = [
            before[name] == type_colours([*BLOOD, f"{letter} new"])[name]
            for letter in "abcdefghijklmnopqrstuvwxyz"
            for name in BLOOD
        ]
        assert np.mean(kept) > 0.8

    def test_clusters_are_greyer_than_types(self):
        def chroma(colours):
            rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255
            return np.hypot(*rgb2lab(rgb[None])[0, :, 1:].T)

        names = [str(number) for number in range(30)]
        clusters = cluster_colours(names)
        assert list(clusters) == names
        assert chroma(clusters.values()).max() < chroma(PALETTE).min() - 5

    def test_sets_differ(self):
        colours = set_colours([QUERY, REFERENCE, "wbc"])
        assert len(set(colours.values())) == 3
        assert set_colours([QUERY])[QUERY] == colours[QUERY]


class TestEveryFigure:
    @pytest.mark.parametrize("name", FIGURES)
    def test_has_title_axes_and_a_clear_background(self, name):
        layout = FIGURES[name].layout
        assert layout.title.text
        assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
        for axis in (layout.xaxis, layout.yaxis):
            shared = axis.matches is not None  # named below the last of the panels
            assert axis.title.text or axis.visible is False or shared
        assert layout.height

    def test_a_caption_for_each_and_no_other(self):
        figures = {
            name
            for module in (counts, maps, matching, votes, reports)
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if name.endswith(("_figure", "_heatmap")) and not name.startswith("_")
        }
        assert figures == set(CAPTIONS)
        assert figures == {name.split(",")[0] for name in FIGURES}

    @pytest.mark.parametrize(("name", "figure"), every_figure(HOSTILE).items())
    def test_names_stay_text(self, name, figure):
        for key, text in strings(as_plain(figure)):
            if key == "customdata":  # handed back, never shown
                continue
            assert "<img" not in text
            assert "<i>" not in text
            assert "%{z}" not in text
        if name not in ("agreement_figure", "disagreement_figure", "reader_figure"):
            assert "&lt;img src" in figure.to_json()

    def test_names_that_look_like_numbers_or_dates_are_names(self):
        figure = types_figure({"10": 3, "2": 9, "2024-01-01": 1}, {})
        assert list(figure.layout.yaxis.ticktext) == ["2", "10", "2024-01-01"]
        assert list(figure.data[0].y) == [0, 1, 2]

    def test_same_input_same_figure(self):
        again = every_figure("plain")
        for name, figure in FIGURES.items():
            assert figure.to_json() == again[name].to_json(), name


class TestEvaluation:
    def test_gains_and_losses_end_where_the_aligned_accuracy_does(self):
        plain, aligned = [50.0, 60.0], [70.0, 55.0]
        figure = accuracy_figure(["a", "ensemble"], plain, aligned, (50, 62), "fgw")
        kept, gain, loss, interval = figure.data
        np.testing.assert_allclose(np.add(kept.x, gain.x), aligned)
        np.testing.assert_allclose(np.add(kept.x, loss.x), [50, 60])
        assert interval.error_x.array[0] == 7
        assert interval.error_x.arrayminus[0] == 5

    def test_all_labels_come_last(self):
        figure = low_label_figure({"fgw": [(2, 50.0, 3.0), (20, 55.0, 3.0), (0, 60.0, 0.0)]})
        assert list(figure.layout.xaxis.ticktext) == ["2", "20", "all"]
        assert list(figure.data[0].x) == [0, 1, 2]


class TestBars:
    def test_largest_first(self):
        figure = composition_figure({"a": 1, "b": 7}, {"a": "#111111", "b": "#222222"})
        assert list(figure.data[0].x) == [7, 1]
        assert list(figure.data[0].marker.color) == ["#222222", "#111111"]
        assert list(figure.data[0].text) == ["7 (88 %)", "1 (12 %)"]

    def test_few_are_not_none(self):
        assert types_figure({"a": 999, "b": 1}, {}).data[0].text[1] == "1 (&lt;1 %)"

    def test_nothing_yet(self):
        assert len(composition_figure({}, {}).data[0].x) == 0


class TestAgreement:
    def test_all_cells_on_the_right_side(self):
        agreement = np.array([0.1, 0.59, 0.6, 1.0])
        below, above = agreement_figure(agreement, 0.6).data
        assert (sum(below.y), sum(above.y)) == (2, 2)
        assert below.name == "flagged for review (2)"


class TestSizes:
    def test_shares_of_each_set_without_what_was_not_measured(self):
        figure = sizes_figure(
            {QUERY: np.array([1.0, 2.0, np.nan]), REFERENCE: np.arange(10.0)}, "Sizes", "px"
        )
        assert [trace.name for trace in figure.data] == ["reference (10)", "query (2)"]
        for trace in figure.data:
            assert np.sum(trace.y[1:-1:2]) == pytest.approx(100)

    def test_nothing_measured_is_said(self):
        figure = sizes_figure({QUERY: np.full(3, np.nan)}, "Sizes", "px")
        assert figure.layout.annotations[0].text == "Nothing was measured."


class TestMap:
    def test_a_selection_gives_the_ids_back(self):
        xy = np.arange(12.0).reshape(6, 2)
        groups = ["b", "a", "b", "", "a", "b"]
        figure = map_figure(xy, groups, {"a": "#111111"}, [10, 11, 12, 13, 14, 15], "Map")
        found = {
            int(cell): (float(x), float(y))
            for trace in figure.data
            for cell, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
        }
        assert found == {10 + i: (xy[i, 0], xy[i, 1]) for i in range(6)}
        assert {trace.type for trace in figure.data} == {"scattergl"}
        assert figure.layout.dragmode == "lasso"

    def test_reference_hollow_query_filled_and_on_top(self):
        figure = map_figure(
            np.zeros((4, 2)),
            ["a", "a", "a", "b"],
            {"a": "#111111", "b": "#222222"},
            range(4),
            "Map",
            sets=[QUERY, "wbc", REFERENCE, REFERENCE],
            symbols={"a": "diamond", "b": "circle"},
        )
        symbols = [trace.marker.symbol for trace in figure.data]
        assert symbols == ["diamond-open", "circle-open", "triangle-up", "diamond"]
        assert [t.name for t in figure.data if t.showlegend] == ["b", "a"]
        assert "○ reference" in figure.layout.title.text

    def test_clusters_are_named_at_their_medians(self):
        xy = np.array([[0, 0], [1, 1], [9, 2], [5, 5]], dtype=float)
        figure = map_figure(
            xy, ["7", "7", "7", ""], cluster_colours(["7"]), range(4), "Map", numbered=True
        )
        (label,) = figure.layout.annotations
        assert (label.text, label.x, label.y) == ("7", 1, 1)
        assert not figure.layout.showlegend

    def test_twenty_thousand_cells_make_few_traces_and_a_small_page(self):
        rng = np.random.default_rng(0)
        groups = rng.choice(BLOOD, 20_000).tolist()
        sets = rng.choice([QUERY, REFERENCE], 20_000).tolist()
        figure = map_figure(
            rng.normal(size=(20_000, 2)),
            groups,
            type_colours(BLOOD),
            range(20_000),
            "Map",
            sets=sets,
        )
        assert len(figure.data) == 10
        assert sum(len(trace.x) for trace in figure.data) == 20_000
        assert len(figure.to_json()) < 1_500_000


class TestSimilarity:
    def test_each_matrix_as_it_is(self):
        score = similarity()
        for which in ("mean_row", "mean_col", "count_row", "count_col", "score_row", "score_col"):
            shown = heatmap(similarity_heatmap(score, range(4), which))
            np.testing.assert_allclose(shown.z, getattr(score, which))
        shown = heatmap(similarity_heatmap(score, range(4), "cosine", encoder="colour"))
        np.testing.assert_allclose(shown.z, score.cosine[0])

    def test_signed_values_have_zero_in_the_middle(self):
        shown = heatmap(similarity_heatmap(similarity(), range(4), "cosine", encoder="colour"))
        assert shown.zmin == -shown.zmax
        assert (heatmap(similarity_heatmap(similarity(), range(4), "p")).zmin) == 0

    def test_the_best_of_each_cluster_is_framed(self):
        score = similarity()
        figure = similarity_heatmap(score, range(4), "p")
        framed = {
            (round((s.y0 + s.y1) / 2), round((s.x0 + s.x1) / 2)) for s in figure.layout.shapes
        }
        assert framed == set(enumerate(score.p.argmax(axis=1).tolist()))

    def test_along_columns_the_best_of_each_type(self):
        score = similarity()
        figure = similarity_heatmap(score, range(4), "score_col")
        assert {round((s.x0 + s.x1) / 2) for s in figure.layout.shapes} == set(range(len(BLOOD)))

    def test_values_are_written_where_columns_are_few(self):
        few = similarity_heatmap(similarity(), range(4), "p")
        assert [trace.type for trace in few.data] == ["heatmap", "scatter"]
        assert len(few.data[1].text) == 4 * len(BLOOD)
        many = similarity_heatmap(similarity([f"t{i}" for i in range(14)]), range(4), "p")
        assert [trace.type for trace in many.data] == ["heatmap"]

    def test_an_encoder_that_does_not_count_is_said(self):
        cosine = np.full((3, 2, 2), 0.5)
        score = combine_encoders(
            cosine, np.array([0.3, 0.2, 0]), np.array([True, True, False]), "abc", "xy"
        )
        figure = similarity_heatmap(score, range(2), "cosine", encoder="c")
        assert "not counted" in figure.layout.title.text

    def test_what_is_not_there(self):
        with pytest.raises(ValueError, match="no matrix 'other'"):
            similarity_heatmap(similarity(), range(4), "other")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="No encoder 'other'"):
            similarity_heatmap(similarity(), range(4), "cosine", encoder="other")


class TestScorePlane:
    def test_every_pair_and_lines_of_the_same_formula(self):
        score = similarity()
        figure = score_plane_figure(score, range(4), type_colours(BLOOD))
        contour = figure.data[0]
        np.testing.assert_allclose(
            contour.z, match_score(*np.meshgrid(np.array(contour.x), np.array(contour.y)))
        )
        dots = [trace for trace in figure.data[1:] if trace.mode == "markers"]
        pairs = {(x, y) for trace in dots for x, y in zip(trace.x, trace.y, strict=True)}
        assert pairs == set(zip(score.score_row.ravel(), score.score_col.ravel(), strict=True))

    def test_the_best_pair_of_each_cluster_is_labelled(self):
        score = similarity()
        figure = score_plane_figure(score, "abcd", type_colours(BLOOD))
        labels = next(trace for trace in figure.data[1:] if trace.mode == "text")
        for cluster, name in enumerate("abcd"):
            best = BLOOD[score.p[cluster].argmax()]
            assert any(f"</span> {name} {best} " in text for text in labels.text)

    def test_one_cluster_alone_has_all_its_types_labelled(self):
        figure = score_plane_figure(similarity(), range(4), {}, cluster=2)
        labels = next(trace for trace in figure.data[1:] if trace.mode == "text")
        assert len(labels.text) == len(BLOOD)
        assert "cluster 2" in figure.layout.title.text

    def test_labels_do_not_overlap(self):
        wanted = np.array([1.0, 1.0, 1.0, 0.95, -1.0, -1.0])
        places = _spread(wanted, 0.1, (-1.05, 1.05))
        assert np.diff(np.sort(places)).min() >= 0.1 - 1e-9
        assert np.abs(places).max() <= 1.05
        assert _spread(np.array([0.5, -0.5]), 0.1, (-1, 1)).tolist() == [0.5, -0.5]


class TestClusterPlane:
    def test_shape_by_set_and_colour_by_type(self):
        score = similarity()
        plane = tsne_plane({QUERY: score, REFERENCE: similarity(clusters=5), "wbc": score}, seed=0)
        colours = type_colours(BLOOD)
        figure = cluster_plane_figure(plane, colours, clusters="abcd")
        wbc, query, reference = figure.data
        assert len({wbc.marker.symbol, query.marker.symbol, reference.marker.symbol}) == 3
        assert list(query.text) == list("abcd")
        assert list(reference.text) == list(BLOOD)
        assert list(reference.marker.color) == [colours[name] for name in BLOOD]


class TestDifferential:
    def test_intervals_of_every_slide_and_type(self):
        figure = differential_figure(slides(), type_colours(BLOOD))
        assert len(figure.data[0].x) == len(figure.layout.shapes) == 10
        assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} == {(12, 31)}
        assert len(set(figure.data[0].y)) == 10

    def test_before_and_after_review(self):
        after = slides().assign(percent=25.0)
        before, later = differential_figure(slides(), {}, after=after).data
        assert (before.marker.symbol, later.marker.symbol) == ("circle-open", "circle")
        assert set(later.x) == {25.0}

    def test_nothing_typed_yet(self):
        figure = differential_figure(slides().head(0), {})
        assert figure.layout.annotations[0].text == "No cell has been typed yet."


class TestConfusion:
    def test_counts_and_shares_of_rows(self):
        first, second = ["a", "a", "a", "b"], ["a", "a", "b", "none"]
        figure = confusion_figure(first, second, ["a", "b"], names=("vote", "match"))
        shown = heatmap(figure)
        np.testing.assert_allclose(shown.z[0], [200 / 3, 100 / 3, 0])
        np.testing.assert_allclose(shown.z[1], [0, 0, 100])
        assert np.isnan(np.array(shown.z[2], dtype=float)).all()
        assert list(figure.layout.xaxis.ticktext) == ["a", "b", "none"]
        assert "50 %" in figure.layout.title.text
        assert "2 cells" in shown.hovertext[0][0]


class TestVoters:
    def test_shares_on_which_two_agree(self):
        choices = np.array([[0, 1, 2, 0], [0, 1, 2, 1], [1, 0, 0, 0]])
        shown = heatmap(disagreement_figure(choices, ["a", "b", "c"]))
        expected = [[np.nan, 75, 25], [75, np.nan, 0], [25, 0, np.nan]]
        np.testing.assert_allclose(np.array(shown.z, dtype=float), expected)

    def test_one_voter_alone(self):
        assert disagreement_figure(np.zeros((1, 5), dtype=np.int64), ["a"]).data

    def test_a_long_name_keeps_its_end(self):
        names = [f"dinobloom+swin+convnext:{end}" for end in ("centre", "fgw")]
        figure = disagreement_figure(np.zeros((2, 5), dtype=np.int64), names)
        assert [text[-4:] for text in figure.layout.yaxis.ticktext] == ["ntre", ":fgw"]

    def test_what_transport_changes(self):
        heard, vote = voters()
        figure = transport_gain_figure(heard, vote)
        unaligned, aligned = figure.data
        agree = 100 * (vote.choices == vote.winner).mean(axis=1)
        np.testing.assert_allclose(unaligned.x, agree[[0, 2]])
        np.testing.assert_allclose(aligned.x, agree[[1, 3]])
        changed = 100 * (vote.choices[0] != vote.choices[1]).mean()
        assert figure.layout.annotations[0].text == f"{changed:.0f} % changed"

    def test_without_aligned_voters_nothing_changes(self):
        heard, _ = voters()
        half = heard[::2]
        vote = weighted_vote(np.stack([v.probabilities for v in half]), np.full(2, 0.5))
        figure = transport_gain_figure(half, vote)
        assert len(figure.data[1].x) == 0
        assert not figure.layout.annotations


class TestTransportQuality:
    def test_three_panels_and_a_remark(self):
        figure = transport_quality_figure([*solves(), *solves("shape", ("did not converge",))])
        error, objective, iterations = figure.data
        assert min(error.y) > 0  # a logarithmic axis has no zero
        np.testing.assert_allclose(objective.y, [0.1, 0.11, 0.12] * 2)
        assert set(iterations.y) == {5}
        assert list(error.marker.symbol) == ["circle"] * 3 + ["x"] * 3
        assert "did not converge" in error.hovertext[-1]
        assert len(set(error.x)) == 6

    def test_no_transport_is_said(self):
        figure = transport_quality_figure(())
        assert figure.layout.annotations[0].text == "No transport was solved in this run."


class TestReviewProgress:
    def test_parts_and_what_is_left(self):
        figure = review_progress_figure({"accepted": 4, "changed": 0, "unsure": 1}, 9)
        assert [(t.name, t.x[0]) for t in figure.data] == [
            ("accepted (4)", 4),
            ("unsure (1)", 1),
            ("left (4)", 4),
        ]
        assert figure.layout.title.text == "Reviewed: 5 of 9 cells"
