import numpy as np

from celltransfer_core.classify import weighted_vote
from celltransfer_core.plots import (
    agreement_figure,
    confusion_figure,
    disagreement_figure,
    transport_gain_figure,
    transport_quality_figure,
)
from tests.plots.samples import heatmap, make_solves, make_voters


class TestAgreement:
    def test_all_cells_on_the_right_side(self):
        agreement = np.array([0.1, 0.59, 0.6, 1.0])
        below, above = agreement_figure(agreement, 0.6).data
        assert (sum(below.y), sum(above.y)) == (2, 2)
        assert below.name == "under the threshold (2)"  # confidence may flag others


class TestConfusion:
    def test_counts_and_shares_of_rows(self):
        first, second = ["a", "a", "a", "b"], ["a", "a", "b", "none"]
        figure = confusion_figure(first, second, ["a", "b"], names=("vote", "match"))
        shown = heatmap(figure)
        np.testing.assert_allclose(shown.z[0], [200 / 3, 100 / 3, 0])
        np.testing.assert_allclose(shown.z[1], [0, 0, 100])
        assert np.isnan(np.array(shown.z[2], dtype=float)).all()
        assert list(figure.layout.xaxis.ticktext) == ["a", "b", "none"]
        assert "same type: 50.0 %" in figure.layout.title.text
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
        voters, vote = make_voters()
        figure = transport_gain_figure(voters, vote)
        unaligned, aligned = figure.data
        agree = 100 * (vote.choices == vote.winner).mean(axis=1)
        np.testing.assert_allclose(unaligned.x, agree[[0, 2]])
        np.testing.assert_allclose(aligned.x, agree[[1, 3]])
        changed = 100 * (vote.choices[0] != vote.choices[1]).mean()
        assert figure.layout.annotations[0].text == f"{changed:.1f} % changed"

    def test_without_aligned_voters_nothing_changes(self):
        voters, _ = make_voters()
        half = voters[::2]
        vote = weighted_vote(np.stack([v.probabilities for v in half]), np.full(2, 0.5))
        figure = transport_gain_figure(half, vote)
        assert len(figure.data[1].x) == 0
        assert not figure.layout.annotations


class TestTransportQuality:
    def test_three_panels_and_a_remark(self):
        figure = transport_quality_figure(
            [*make_solves(), *make_solves("shape", ("did not converge",))]
        )
        error, objective, iterations = figure.data
        assert min(error.y) > 0  # a logarithmic axis has no zero
        np.testing.assert_allclose(objective.y, [0.1, 0.11, 0.12] * 2)
        assert set(iterations.y) == {5}
        assert list(error.marker.symbol) == ["circle"] * 3 + ["x"] * 3
        assert "did not converge" in error.hovertext[-1]
        assert len(set(error.x)) == 6

    def test_no_transport_is_said(self):
        figure = transport_quality_figure(())
        assert figure.layout.annotations[0].text == "No transport was computed in this run."
