"""Captions of the figures, on the pages and in the reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

CAPTIONS: dict[str, str] = {
    "accuracy_figure": (
        "Accuracy of every encoder without alignment (grey), and what aligning adds (blue) or "
        "takes away (striped). The last bar is the ensemble's vote; the line on it is its 95 % "
        "interval, or in a mean of pairs their standard deviation."
    ),
    "agreement_worth_figure": (
        "If you trust the cells of highest agreement and review the rest: how many of the trusted "
        "are right, and how many of all errors are among those you review. The dotted line is what "
        "reviewing at random would catch."
    ),
    "error_matrix_figure": (
        "Rows are true types, columns predicted ones. On the diagonal the method is right; "
        "everything beside it is an error. Shades are shares of a row, or of a column."
    ),
    "reliability_figure": (
        "Of cells with a given confidence, how many are right. On the diagonal confidence means "
        "what it says; below it the vote is too sure of itself. In brackets stands how far the two "
        "are apart on average."
    ),
    "reader_figure": (
        "What answers are worth: a reader confirms every cluster, then types cell after cell. The "
        "queue is the one of the Review page, its blind sample included; margin takes the cell "
        "whose two best types are closest. Full lines count all cells, dotted ones those that "
        "nobody typed."
    ),
    "low_label_figure": (
        "The ensemble's accuracy with few labelled reference cells a type; bars show the standard "
        "deviation over repeated draws."
    ),
    "composition_figure": (
        "How many query cells each type got. Percentages are shares of all query cells."
    ),
    "agreement_figure": (
        "Each cell's agreement is the share of the vote that its type won. Cells left of the "
        "dashed line are flagged for you to look at until enough cells are typed; then confidence "
        "decides."
    ),
    "types_figure": (
        "How many cells of each type the set holds. Types with few cells are learned less well."
    ),
    "sizes_figure": (
        "How large the images or nuclei are, as shares of each set. Curves that lie apart mean "
        "that the sets were taken at different scales."
    ),
    "map_figure": (
        "Every point is a cell; cells that look alike to the encoder lie close together. Distances "
        "between far groups, and the axes' values, mean nothing."
    ),
    "similarity_heatmap": (
        "Every row is a cluster of the query, every column a type of the reference: the higher the "
        "number, the more alike they are. These are the paper's measures of a cluster's mean "
        "(A.2); by default clusters are named by these and the votes of their cells."
    ),
    "votes_heatmap": (
        "Every row is a cluster of the query, every column a type of the reference: the number is "
        "the share of its votes that the cluster gives to the type. Proposals rest on it."
    ),
    "score_plane_figure": (
        "Every point is a cluster and a type. Far right: of all types it is the one for this "
        "cluster; far up: of all clusters this is the one for the type. The nearer to the upper "
        "right corner, the surer the match by the paper's scores (A.2); grey lines join equal ones."
    ),
    "cluster_plane_figure": (
        "Every point is a whole cluster, placed by how it resembles the reference's types, which "
        "are named. A query cluster whose neighbours are of another type than its own deserves a "
        "look. The axes' values mean nothing."
    ),
    "differential_figure": ("The share of each type, with its 95 % interval."),
    "confusion_figure": (
        "How two opinions on the same cells compare, in cells; shades are shares of a row. Cells "
        "off the diagonal are typed differently by the two; neither is known to be right."
    ),
    "disagreement_figure": (
        "The share of cells to which two voters give the same type. A voter that agrees with "
        "hardly any other sees something else in the cells, or little at all."
    ),
    "transport_gain_figure": (
        "How far each encoder agrees with the final vote without transport (hollow) and with it "
        "(filled); the number is the share of cells whose type transport changed. It takes part "
        "in that vote itself, so this shows what transport does, not who is right."
    ),
    "transport_quality_figure": (
        "Every point is one transport. A marginal error near 0 means that all cells were carried "
        "as told; the objective compares solves of one encoder only."
    ),
    "drift_figure": (
        "How far each slide that was added lies from the cells that taught the types, in the order "
        "in which they came. 1, the dotted line, is as far as the slides that taught lie from one "
        "another; of too few slides, as far as half of their cells lie from the mean."
    ),
    "review_progress_figure": "What came out for the cells of the queue, and how many are left.",
}
"""How to read each figure, by the name of the function that draws it."""


def caption_of(name: str, figure: go.Figure) -> str:
    """Return how to read one figure: of what it shows, and of nothing else.

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
