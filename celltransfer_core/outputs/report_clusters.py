"""Parts of the report on clusters: their matches and similarities (A.2), and the map of cells."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import numpy as np

from celltransfer_core.matching.matches import Match
from celltransfer_core.matching.plane import ClusterPlane
from celltransfer_core.matching.scores import Similarity
from celltransfer_core.outputs.page import Page
from celltransfer_core.pipeline.edits import central_first
from celltransfer_core.pipeline.maps import CellMap
from celltransfer_core.pipeline.result import RunResult, type_names
from celltransfer_core.plots.colours import type_symbols
from celltransfer_core.plots.maps import map_figure
from celltransfer_core.plots.planes import cluster_plane_figure, score_plane_figure
from celltransfer_core.plots.similarity import similarity_heatmap, votes_heatmap
from celltransfer_core.types import Float64, Progress
from celltransfer_core.vocabulary import NONE_TYPE, QUERY, REFERENCE

_PER_CLUSTER = 6
_PER_TYPE = 4
_MOST_CLUSTERS = 80  # with pictures, the largest first; more make the file slow to open


def add_matches(page: Page, result: RunResult, progress: Progress) -> None:
    """Add the clusters with their matches, and pictures of their cells.

    Parameters
    ----------
    page : Page
    result : RunResult
    progress : callable

    Raises
    ------
    ImageError
        If an image no longer exists.
    """
    page.heading("Clusters and their types")
    colours = "in original colours" if page.original else "as the encoders see them"
    by_votes = result.cluster_votes is not None
    score = "the share of its votes for the type" if by_votes else "how similar the two are"
    page.text(
        "Each cluster of query cells is matched to one type. Its most central cells are shown "
        f"beside reference cells of that type, all {colours}. The score is {score}."
    )
    query, reference = result.framing.crops[QUERY], result.framing.crops[REFERENCE]
    order = np.argsort(-result.clusters.sizes, kind="stable").tolist()
    examples: dict[str, str] = {}
    rows = []
    for done, cluster in enumerate(order):
        match = result.matches[cluster]
        name = match.matched_type
        shown = done < _MOST_CLUSTERS
        if shown and name not in examples:
            typed = np.flatnonzero(result.reference.cell_labels == name)
            examples[name] = page.pictures(reference, typed[:_PER_TYPE].tolist(), name)
        middle = central_first(result.clusters, cluster)[:_PER_CLUSTER].tolist()
        title = f"cell of cluster {result.clusters.names[cluster]}"
        rows.append(
            (
                f"{result.clusters.names[cluster]}",
                f"{match.cells:,}",
                page.pictures(query, middle, title) if shown else "",
                _told(page, match),
                examples[name] if shown else "",
            )
        )
        progress("report", done + 1, len(order))
    page.table(("Cluster", "Cells", "Most central", "Matched type, score", "Reference"), rows)
    _add_types_without_cluster(page, result)


def _told(page: Page, match: Match) -> str:
    """Describe a cluster's match, who confirmed it, and the runner-up type."""
    name = "none of these" if match.matched_type == NONE_TYPE else match.matched_type
    reason = f"confirmed by {match.by}" if match.confirmed else match.reason or "proposed"
    return (
        f"{page.chip(name)} {match.score:.2f}<br><span class=quiet>{html.escape(reason)}<br>"
        f"next: {html.escape(match.runner_up)} {match.runner_up_score:.2f}</span>"
    )


def _add_types_without_cluster(page: Page, result: RunResult) -> None:
    """Add the query cells most similar to each type that no cluster is matched to."""
    matched = {match.matched_type for match in result.matches}
    query, reference = result.framing.crops[QUERY], result.framing.crops[REFERENCE]
    rows, out = [], ("left out", "ruled out by a person")
    for name, alike in zip(type_names(result.reference), result.alike, strict=True):
        kept = name in result.config.always_kept
        if name in matched or not (kept or name in result.filtered):
            continue
        typed = np.flatnonzero(result.reference.cell_labels == name)
        rows.append(
            (
                page.chip(name),
                "kept by a person" if kept else out[name in result.config.absent],
                page.pictures(query, alike.tolist(), f"query cell most similar to {name}"),
                page.pictures(reference, typed[:_PER_TYPE].tolist(), name),
            )
        )
    if rows:
        page.text(
            "No cluster is matched to these types. No cell can get a type that is left out; cells "
            "of a rare type may still be hidden in the cluster of another type."
        )
        page.table(("Type", "Status", "Most similar query cells", "Reference"), rows)


def add_similarities(
    page: Page,
    score: Similarity,
    plane: ClusterPlane,
    clusters: Sequence[object],
    votes: Float64 | None = None,
) -> None:
    """Add the basis of matches: votes, and similarity of clusters and types (A.2; Figs 4, 9, 11).

    Parameters
    ----------
    page : Page
    score : Similarity
        Similarity scores of the query.
    plane : ClusterPlane
    clusters : sequence of int or str
        Names of the query's clusters.
    votes : ndarray of float64, shape (C, T), optional
        Share of votes that each cluster gives to each type, if clusters are named by votes.
    """
    if votes is not None:
        page.figure("votes_heatmap", votes_heatmap(votes, clusters, score.types))
    page.figure("similarity_heatmap", similarity_heatmap(score, clusters))
    for encoder in score.encoders:
        page.figure(
            "similarity_heatmap",
            similarity_heatmap(score, clusters, "cosine", encoder=encoder),
        )
    symbols = type_symbols(list(page.colours))
    page.figure(
        "score_plane_figure", score_plane_figure(score, clusters, page.colours, symbols=symbols)
    )
    page.figure(
        "cluster_plane_figure",
        cluster_plane_figure(plane, page.colours, clusters=clusters),
    )


def add_map(page: Page, result: RunResult, plane: CellMap) -> None:
    """Add the map of cells, coloured by type for the reference and by predicted type for the query.

    Parameters
    ----------
    page : Page
    result : RunResult
    plane : CellMap
    """
    labels = result.reference.cell_labels
    of_cell: dict[str, Callable[[int], str]] = {
        REFERENCE: lambda cell: str(labels[cell]),
        QUERY: lambda cell: result.predicted[cell],
    }
    groups = [of_cell[s](c) for s, c in zip(plane.sets, plane.cells.tolist(), strict=True)]
    page.figure(
        "map_figure",
        map_figure(
            plane.xy,
            groups,
            page.colours,
            list(range(len(groups))),
            "Reference cells by type, query cells by predicted type",
            sets=plane.sets,
            symbols=type_symbols(list(page.colours)),
            hover=[f"{s}: {group}" for s, group in zip(plane.sets, groups, strict=True)],
        ),
    )
