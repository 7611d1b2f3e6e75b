"""What holds for every figure: titles, axes, captions, and names that stay text."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from celltransfer_core.evaluation.report import (
    accuracy_figure,
    error_matrix,
    low_label_figure,
    plots as evaluation_plots,
)
from celltransfer_core.plots import (
    CAPTIONS,
    counts,
    drift,
    maps,
    planes,
    similarity,
    types_figure,
    votes,
)
from tests.plots.samples import every_figure

HOSTILE = "<img src=x onerror=alert(1)> <i>x</i> %{z}"
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
        modules = (counts, drift, maps, planes, similarity, votes, evaluation_plots, error_matrix)
        figures = {
            name
            for module in modules
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if name.endswith(("_figure", "_heatmap")) and function.__module__ == module.__name__
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
