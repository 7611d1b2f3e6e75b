"""Captions of the figures, on the pages and in the reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

CAPTIONS: dict[str, str] = {
    "accuracy_figure": (
        "Accuracy of every encoder without alignment (grey), and how much alignment adds (blue) "
        "or removes (striped). The last bar is the vote of the ensemble; the line on it is its 95 "
        "% interval, or in a mean of pairs their standard deviation."
    ),
    "agreement_worth_figure": (
        "If you trust the cells with the highest agreement and review the rest: how many of the "
        "trusted cells are right, and how many of all errors are among the cells you review. The "
        "dotted line shows what reviewing random cells would find."
    ),
    "error_matrix_figure": (
        "Rows are true types, columns predicted types. Cells on the diagonal are right; all "
        "others are errors. Shades are shares of a row, or of a column."
    ),
    "reliability_figure": (
        "How many cells with a given confidence are right. On the diagonal confidence equals "
        "accuracy; below it the vote is overconfident. The number in brackets is the average "
        "distance between the two."
    ),
    "reader_figure": (
        "What answers gain: a reader confirms every cluster, then types one cell after another. "
        "The queue is that of the Review page, including its blind sample; margin takes the cell "
        "whose two best types are closest. Solid lines count all cells, dotted lines those "
        "without an answer."
    ),
    "low_label_figure": (
        "The ensemble's accuracy with few labelled reference cells per type; bars show the "
        "standard deviation over repeated draws."
    ),
    "composition_figure": (
        "How many query cells each type got. Percentages are shares of all query cells."
    ),
    "agreement_figure": (
        "A cell's agreement is the share of the vote for its type. Cells left of the dashed line "
        "are flagged for review until enough cells are typed; then confidence decides."
    ),
    "types_figure": (
        "How many cells of each type the set contains. Types with few cells are learned less well."
    ),
    "sizes_figure": (
        "How large the images or nuclei are, as shares of each set. If the curves lie apart, the "
        "sets were taken at different scales."
    ),
    "map_figure": (
        "Every point is a cell; cells that look similar to the encoder lie close together. "
        "Distances between separate groups and the values of the axes have no meaning."
    ),
    "similarity_heatmap": (
        "Every row is a cluster of the query, every column a type of the reference: the higher "
        "the number, the more similar they are. These are the paper's measures of a cluster's "
        "mean (A.2); by default clusters are named by these and by the votes of their cells."
    ),
    "votes_heatmap": (
        "Every row is a cluster of the query, every column a type of the reference: the number is "
        "the share of the cluster's votes for the type. Proposals are based on it."
    ),
    "score_plane_figure": (
        "Every point is a pair of a cluster and a type. Far right: the type fits this cluster "
        "best; far up: the cluster fits this type best. The closer to the upper right corner, the "
        "more certain the match by the paper's scores (A.2); grey lines join equal scores."
    ),
    "cluster_plane_figure": (
        "Every point is a whole cluster, placed by its similarity to the reference's types, which "
        "are named. Check a query cluster whose neighbours have another type than its own. The "
        "values of the axes have no meaning."
    ),
    "differential_figure": ("The share of each type, with its 95 % interval."),
    "confusion_figure": (
        "How two votes on the same cells compare, in cells; shades are shares of a row. Cells off "
        "the diagonal are typed differently by the two; neither is known to be right."
    ),
    "disagreement_figure": (
        "The share of cells to which two voters give the same type. A voter that agrees with "
        "hardly any other uses different features of the cells, or learns little from them."
    ),
    "transport_gain_figure": (
        "How far each encoder agrees with the final vote without transport (hollow) and with it "
        "(filled); the number is the share of cells whose type transport changed. The encoder "
        "takes part in that vote, so this shows the effect of transport, not which is right."
    ),
    "transport_quality_figure": (
        "Every point is one transport. A marginal error near 0 means that all cells were "
        "transported completely; the objective can only be compared between solves of one "
        "encoder."
    ),
    "drift_figure": (
        "How far each added slide differs from the cells that trained the classifier, in the order "
        "of arrival. The dotted line at 1 is how far the training slides differ from one another; "
        "where there are too few slides, how far half of their cells lie from the mean. Slides "
        "with fewer than 20 cells are taken together as others."
    ),
    "between_slides_figure": (
        "How far each slide differs from the other slides of the query. The dotted line at 1 is "
        "how far these differ from one another; where there are only three slides, how far half "
        "of their cells lie from the mean."
    ),
    "review_progress_figure": "The answers on the cells of the queue, and how many remain.",
}
"""How to read each figure, by the name of the function that draws it."""


def caption_of(name: str, figure: go.Figure) -> str:
    """Return how to read one figure, with only what applies to it.

    Parameters
    ----------
    name : str
        Key of :data:`CAPTIONS`.
    figure : plotly Figure
        Drawn by the function of that name.

    Returns
    -------
    str
    """
    notes = (figure.layout.meta or {}).get("notes", ())
    return " ".join([CAPTIONS[name], *notes])
