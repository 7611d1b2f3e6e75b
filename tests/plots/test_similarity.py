import numpy as np
import pytest

from celltransfer_core.matching import combine_encoders
from celltransfer_core.plots import similarity_heatmap, votes_heatmap
from tests.plots.samples import BLOOD, heatmap, make_scores


class TestSimilarity:
    def test_each_matrix_as_it_is(self, score):
        for which in ("mean_row", "mean_col", "count_row", "count_col", "score_row", "score_col"):
            shown = heatmap(similarity_heatmap(score, range(4), which))
            np.testing.assert_allclose(shown.z, getattr(score, which))
        shown = heatmap(similarity_heatmap(score, range(4), "cosine", encoder="colour"))
        np.testing.assert_allclose(shown.z, score.cosine[0])

    def test_signed_values_have_zero_in_the_middle(self, score):
        shown = heatmap(similarity_heatmap(score, range(4), "cosine", encoder="colour"))
        assert shown.zmin == -shown.zmax
        assert (heatmap(similarity_heatmap(score, range(4), "p")).zmin) == 0

    def test_the_best_of_each_cluster_is_framed(self, score):
        figure = similarity_heatmap(score, range(4), "p")
        framed = {
            (round((s.y0 + s.y1) / 2), round((s.x0 + s.x1) / 2)) for s in figure.layout.shapes
        }
        assert framed == set(enumerate(score.p.argmax(axis=1).tolist()))

    def test_along_columns_the_best_of_each_type(self, score):
        figure = similarity_heatmap(score, range(4), "score_col")
        assert {round((s.x0 + s.x1) / 2) for s in figure.layout.shapes} == set(range(len(BLOOD)))

    def test_values_are_written_where_columns_are_few(self, score):
        few = similarity_heatmap(score, range(4), "p")
        assert [trace.type for trace in few.data] == ["heatmap", "scatter"]
        assert len(few.data[1].text) == 4 * len(BLOOD)
        many = similarity_heatmap(make_scores([f"t{i}" for i in range(14)]), range(4), "p")
        assert [trace.type for trace in many.data] == ["heatmap"]

    def test_an_encoder_that_does_not_count_is_said(self):
        cosine = np.full((3, 2, 2), 0.5)
        score = combine_encoders(
            cosine, np.array([0.3, 0.2, 0]), np.array([True, True, False]), "abc", "xy"
        )
        figure = similarity_heatmap(score, range(2), "cosine", encoder="c")
        assert "not counted" in figure.layout.title.text

    def test_what_is_not_there(self, score):
        with pytest.raises(ValueError, match="no matrix 'other'"):
            similarity_heatmap(score, range(4), "other")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no encoder 'other'"):
            similarity_heatmap(score, range(4), "cosine", encoder="other")

    def test_votes_are_shares_and_the_most_of_each_cluster_are_framed(self):
        votes = np.array([[0.7, 0.2, 0.1], [0.1, 0.0, 0.9]])
        figure = votes_heatmap(votes, [4, 7], ["a", "b", "c"])
        shown = heatmap(figure)
        assert (shown.zmin, shown.zmax) == (0, 1)
        np.testing.assert_array_equal(shown.z, votes)
        assert [(round(s.x0 + 0.42), round(s.y0 + 0.38)) for s in figure.layout.shapes] == [
            (0, 0),
            (2, 1),
        ]
