import numpy as np
import pytest

from celltransfer_core.plots import (
    composition_figure,
    differential_figure,
    review_progress_figure,
    sizes_figure,
    types_figure,
)
from celltransfer_core.vocabulary import QUERY, REFERENCE
from tests.plots.samples import BLOOD, make_slides


class TestBars:
    def test_largest_first(self):
        figure = composition_figure({"a": 1, "b": 7}, {"a": "#111111", "b": "#222222"})
        assert list(figure.data[0].x) == [7, 1]
        assert list(figure.data[0].marker.color) == ["#222222", "#111111"]
        assert list(figure.data[0].text) == ["7 (87.5 %)", "1 (12.5 %)"]

    def test_few_are_not_none(self):
        assert types_figure({"a": 9_999, "b": 1}, {}).data[0].text[1] == "1 (&lt;0.1 %)"

    def test_very_many_types_are_no_list(self):
        counts = {f"type {number}": 1 + number for number in range(300)}
        figure = types_figure(counts, {})
        assert figure.layout.height < 1500
        assert list(figure.data[0].x) == list(range(300, 260, -1))
        rest = sum(range(1, 261))
        assert f"the 40 largest of 300 types; the others have {rest:,} cells" in (
            figure.layout.title.text
        )

    def test_nothing_yet(self):
        assert len(composition_figure({}, {}).data[0].x) == 0


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
        assert figure.layout.annotations[0].text == "Nothing has been measured."


class TestDifferential:
    def test_intervals_of_every_slide_and_type(self, colours):
        figure = differential_figure(make_slides(), colours)
        assert len(figure.data[0].x) == len(figure.layout.shapes) == 10
        assert {(shape.x0, shape.x1) for shape in figure.layout.shapes} == {(12, 31)}
        assert len(set(figure.data[0].y)) == 10

    def test_a_single_slide_has_a_row_for_each_type(self, colours):
        figure = differential_figure(make_slides(names=("",)), colours)
        assert list(figure.layout.yaxis.ticktext) == list(BLOOD)
        assert list(figure.data[0].y) == list(range(len(BLOOD)))
        assert figure.layout.yaxis.title.text == "type"
        assert figure.layout.xaxis.title.text == "% of all cells"
        assert not figure.layout.annotations
        named = differential_figure(make_slides(names=("slide-1",)), colours)
        assert "Differential count of slide-1" in named.layout.title.text

    def test_before_and_after_review(self):
        after = make_slides().assign(percent=25.0)
        before, later = differential_figure(make_slides(), {}, after=after).data
        assert (before.marker.symbol, later.marker.symbol) == ("circle-open", "circle")
        assert set(later.x) == {25.0}

    def test_nothing_typed_yet(self):
        figure = differential_figure(make_slides().head(0), {})
        assert figure.layout.annotations[0].text == "No cell has been typed yet."


class TestReviewProgress:
    def test_parts_and_what_is_left(self):
        figure = review_progress_figure({"accepted": 4, "changed": 0, "unsure": 1}, 9)
        assert [(t.name, t.x[0]) for t in figure.data] == [
            ("accepted (4)", 4),
            ("unsure (1)", 1),
            ("left (4)", 4),
        ]
        assert figure.layout.title.text == "Reviewed: 5 of 9 cells"
