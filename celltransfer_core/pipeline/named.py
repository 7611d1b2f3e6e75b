"""Clusters of the query and their matched types (3.2; A.1, eqs 6–16; A.2, eqs 17–23).

In: prepared sets. Out: the clusters, their similarity to each type, and the matches.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from celltransfer_core.about import __version__
from celltransfer_core.clustering.base import UNASSIGNED, label_the_rest
from celltransfer_core.clustering.louvain import LouvainClustering
from celltransfer_core.clustering.mixture import MixtureClustering
from celltransfer_core.clustering.node_degree import NodeDegreeClustering
from celltransfer_core.config.config import Config
from celltransfer_core.matching.matches import Confirmation, most_alike
from celltransfer_core.matching.plane import refine, tsne_plane
from celltransfer_core.matching.scores import Similarity, reference_similarity, similarity
from celltransfer_core.neighbors.search import nearest
from celltransfer_core.pipeline.cell_votes import cluster_votes
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.contents import check_contents
from celltransfer_core.pipeline.features import Embeddings, representation
from celltransfer_core.pipeline.result import Named, Prepared
from celltransfer_core.runtime.cache import Cache, fingerprint, uncached
from celltransfer_core.types import Float32, Ints
from celltransfer_core.vocabulary import QUERY, REFERENCE

CLUSTER_SAMPLE = 5000
"""Maximum number of cells on which clusters are found; the rest is assigned by k-NN."""


def detect(prepared: Prepared, cache: Cache | None = None) -> Clusters:
    """Find the clusters of the query (A.1).

    Parameters
    ----------
    prepared : Prepared
    cache : Cache, optional
        Stores the clusters under a key of everything that determines them.

    Returns
    -------
    Clusters
    """
    X, config = prepared.cluster_features, prepared.config
    facts = [__version__, CLUSTER_SAMPLE, config.deciding("clusters")]
    key = fingerprint(facts, X)
    return (cache.once if cache else uncached)(key, partial(find_clusters, X, config))


def identify(
    prepared: Prepared, clusters: Clusters, confirmations: Sequence[Confirmation] = ()
) -> Named:
    """Match the clusters of the query to types of the reference (3.2).

    Clusters are matched by the votes of their cells and means or by the scores of A.2, depending on
    ``config.naming``.

    Parameters
    ----------
    prepared : Prepared
    clusters : Clusters
    confirmations : sequence of Confirmation
        Types that a person gave to clusters, by the cluster numbers shown in tables.

    Returns
    -------
    Named

    Raises
    ------
    DataError
        If the confirmations name other types or clusters.
    """
    check_contents(confirmations, clusters, prepared.query.cells)
    scores = score_sets(
        prepared.comparable,
        prepared.reference_types,
        prepared.types,
        clusters,
        prepared.cluster_on,
        prepared.config,
    )
    votes = (
        cluster_votes(prepared, clusters, scores[QUERY])
        if prepared.config.naming == "votes"
        else None
    )
    plane = tsne_plane(scores, seed=prepared.config.seed, votes=votes)
    refinements = tuple(refine(plane, scores[QUERY], votes)) if prepared.extras else None
    reference, query = prepared.compared
    alike = most_alike(reference, prepared.reference_types, query, len(prepared.types))
    return Named(clusters, scores, plane, refinements, alike, (), votes).confirm(confirmations)


def find_clusters(X: Float32, config: Config) -> Clusters:
    """Find clusters in one set (A.1).

    Parameters
    ----------
    X : ndarray of float32, shape (m, d)
    config : Config

    Returns
    -------
    Clusters
        Found on a sample if there are more than :data:`CLUSTER_SAMPLE` cells.
    """
    method: MixtureClustering | LouvainClustering | NodeDegreeClustering
    if config.clusters == "mixture":
        method = MixtureClustering(
            n_clusters=config.n_clusters,
            graph=config.graph,
            sigma=config.sigma,
            random_state=config.seed,
        )
    elif config.clusters == "louvain":
        method = LouvainClustering(
            resolution=config.resolution,
            graph=config.graph,
            sigma=config.sigma,
            random_state=config.seed,
        )
    else:
        method = NodeDegreeClustering(
            graph=config.graph, sigma=config.sigma, random_state=config.seed
        )
    rng = np.random.default_rng([config.seed, 1])
    sample = np.sort(rng.permutation(len(X))[:CLUSTER_SAMPLE])
    method.fit(X[sample])
    labels = np.full(len(X), UNASSIGNED, dtype=np.int64)
    labels[sample] = method.labels_
    labels = label_the_rest(X, labels)
    # A cell outside the sample is as central as the nearest one inside.
    centrality = method.centrality_[nearest(X, X[sample], 1)[1][:, 0]]
    centrality[sample] = method.centrality_
    return Clusters(
        method=config.clusters,
        labels=labels,
        centrality=centrality,
        density=method.density_,
        names=np.arange(method.n_clusters_),
        sigma=method.sigma_,
    )


def score_sets(
    embeddings: Embeddings,
    types: Ints,
    type_names: Sequence[str],
    clusters: Clusters,
    cluster_on: Sequence[str],
    config: Config,
) -> dict[str, Similarity]:
    """Score the clusters of the query and of every extra set against the reference (A.2).

    Parameters
    ----------
    embeddings : mapping
        See :data:`~celltransfer_core.pipeline.features.Embeddings`.
    types : ndarray of int64, shape (n,)
    type_names : sequence of str
    clusters : Clusters
        Clusters of the query.
    cluster_on : sequence of str
        Encoders on which clusters of the extra sets are found.
    config : Config

    Returns
    -------
    dict from set name to Similarity
        The query first, then the reference's own types, then the extra sets.
    """
    reference = embeddings[REFERENCE]
    possible = np.array([name not in config.absent for name in type_names])
    score = partial(
        similarity,
        reference=reference,
        types=types,
        type_names=type_names,
        centred=config.features == "centred",
        possible=possible,
    )
    scores = {QUERY: score(embeddings[QUERY], clusters.labels)}
    scores[REFERENCE] = reference_similarity(
        reference,
        types,
        type_names,
        scores[QUERY].kept,
        centred=config.features == "centred",
        possible=possible,
    )
    for name in embeddings:
        if name not in (QUERY, REFERENCE):
            found = find_clusters(
                representation(embeddings, cluster_on, config, query=name)[1], config
            )
            scores[name] = score(embeddings[name], found.labels)
    return scores
