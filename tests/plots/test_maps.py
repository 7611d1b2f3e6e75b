import numpy as np

from celltransfer_core.plots import cluster_colours, group_places, map_figure
from celltransfer_core.plots.labels import label_size
from celltransfer_core.plots.maps import PLANE
from celltransfer_core.vocabulary import QUERY, REFERENCE
from tests.plots.samples import BLOOD


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

    def test_clusters_are_named_beside_their_medians_and_cover_no_other_name(self):
        rng = np.random.default_rng(0)
        names = [f"{number} · granular cells" for number in range(12)]
        groups = [*(names * 20), ""]
        xy = rng.normal(size=(len(groups), 2))  # all medians lie close together
        figure = map_figure(xy, groups, cluster_colours(names), range(241), "Map", numbered=True)
        assert not figure.layout.showlegend
        labels = figure.layout.annotations
        assert [label.text for label in labels] == names
        frame = np.array([figure.layout.xaxis.range, figure.layout.yaxis.range]).T
        px = np.array(PLANE) / (frame[1] - frame[0])
        at = [(n.ax, n.ay) if n.showarrow else (n.x, n.y) for n in labels]
        apart = np.abs(np.array(at)[:, None] - np.array(at)[None]) * px
        sizes = np.array([label_size(label.text) for label in labels])
        over = (sizes[:, None] + sizes[None]) / 2 - apart > 0.5
        assert over.all(axis=2).sum() == len(labels)  # each with itself
        medians = group_places(xy, groups, names)
        tips = [(n.x, n.y) for n in labels if n.showarrow]
        led = [place for n, place in zip(labels, medians, strict=True) if n.showarrow]
        np.testing.assert_allclose(tips, led)

    def test_a_cluster_alone_is_named_at_its_median(self):
        xy = np.array([[0, 0], [1, 1], [9, 2], [5, 5]], dtype=float)
        figure = map_figure(
            xy, ["7", "7", "7", ""], cluster_colours(["7"]), range(4), "Map", numbered=True
        )
        (label,) = figure.layout.annotations
        assert (label.text, round(label.x, 6), round(label.y, 6)) == ("7", 1, 1)
        assert not label.showarrow

    def test_twenty_thousand_cells_make_few_traces_and_a_small_page(self, colours):
        rng = np.random.default_rng(0)
        groups = rng.choice(BLOOD, 20_000).tolist()
        sets = rng.choice([QUERY, REFERENCE], 20_000).tolist()
        figure = map_figure(
            rng.normal(size=(20_000, 2)),
            groups,
            colours,
            range(20_000),
            "Map",
            sets=sets,
        )
        assert len(figure.data) == 10
        assert sum(len(trace.x) for trace in figure.data) == 20_000
        assert len(figure.to_json()) < 1_500_000
