import numpy as np

from celltransfer_core.matching import match_score, tsne_plane
from celltransfer_core.plots import cluster_plane_figure, score_plane_figure
from celltransfer_core.plots.planes import spread_labels
from celltransfer_core.vocabulary import QUERY, REFERENCE
from tests.plots.samples import BLOOD, make_scores


class TestScorePlane:
    def test_every_pair_and_lines_of_the_same_formula(self, score, colours):
        figure = score_plane_figure(score, range(4), colours)
        contour = figure.data[0]
        np.testing.assert_allclose(
            contour.z, match_score(*np.meshgrid(np.array(contour.x), np.array(contour.y)))
        )
        dots = [trace for trace in figure.data[1:] if trace.mode == "markers"]
        pairs = {(x, y) for trace in dots for x, y in zip(trace.x, trace.y, strict=True)}
        assert pairs == set(zip(score.score_row.ravel(), score.score_col.ravel(), strict=True))

    def test_the_best_pair_of_each_cluster_is_labelled(self, score, colours):
        figure = score_plane_figure(score, "abcd", colours)
        labels = next(trace for trace in figure.data[1:] if trace.mode == "text")
        for cluster, name in enumerate("abcd"):
            best = BLOOD[score.p[cluster].argmax()]
            assert any(f"</span> {name} {best} " in text for text in labels.text)

    def test_one_cluster_alone_has_all_its_types_labelled(self, score):
        figure = score_plane_figure(score, range(4), {}, cluster=2)
        labels = next(trace for trace in figure.data[1:] if trace.mode == "text")
        assert len(labels.text) == len(BLOOD)
        assert "cluster 2" in figure.layout.title.text

    def test_labels_do_not_overlap(self):
        wanted = np.array([1.0, 1.0, 1.0, 0.95, -1.0, -1.0])
        places = spread_labels(wanted, 0.1, (-1.05, 1.05))
        assert np.diff(np.sort(places)).min() >= 0.1 - 1e-9
        assert np.abs(places).max() <= 1.05
        assert spread_labels(np.array([0.5, -0.5]), 0.1, (-1, 1)).tolist() == [0.5, -0.5]


class TestClusterPlane:
    def test_shape_by_set_and_colour_by_type(self, score, colours):
        plane = tsne_plane({QUERY: score, REFERENCE: make_scores(clusters=5), "wbc": score}, seed=0)
        figure = cluster_plane_figure(plane, colours, clusters="abcd")
        wbc, query, reference = figure.data
        assert len({wbc.marker.symbol, query.marker.symbol, reference.marker.symbol}) == 3
        assert list(query.text) == list("abcd")
        assert [label.text for label in figure.layout.annotations] == list(BLOOD)
        assert list(reference.marker.color) == [colours[name] for name in BLOOD]
