"""Manifests: what a run started from and what it did, as JSON types.

A manifest contains no folders, and no times except those of decisions, so that the same inputs give
the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from celltransfer_core.about import __version__
from celltransfer_core.config.config import SETTINGS
from celltransfer_core.data.dataset import Dataset, PixelScale
from celltransfer_core.outputs.expectation import expected_fields
from celltransfer_core.people.reviews import Review
from celltransfer_core.people.updated import KINDS, UpdatedVote
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.expected import expected_accuracy
from celltransfer_core.pipeline.result import Prepared, RunResult
from celltransfer_core.pipeline.sources import NearestSets
from celltransfer_core.runtime.versions import versions
from celltransfer_core.types import Ints
from celltransfer_core.vocabulary import QUERY, REFERENCE


def manifest(
    result: RunResult,
    reviews: Sequence[Review] = (),
    said: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Describe a run so that it can be repeated and checked.

    Parameters
    ----------
    result : RunResult
    reviews : sequence of Review
        In the order they were made; the expected accuracy is estimated from them.
    said : sequence of mapping
        Who said which types the query may hold, and when: type, state, reader, time.

    Returns
    -------
    dict
        JSON types only; contains no folders, and no times except those of decisions, so that the
        same inputs give the same bytes.
    """
    solves = result.solves
    scores = result.scores[QUERY]
    return {
        **inputs_manifest(result),
        "clusters": {
            "method": result.clusters.method,
            "sigma": _rounded(result.clusters.sigma),
            "found": len(result.clusters.names),
            "density": [_rounded(value) for value in result.clusters.density],
        },
        "matching": {
            "signal_to_noise": dict(
                zip(scores.encoders, (_rounded(value) for value in scores.snr), strict=True)
            ),
            "encoders_used": [
                name for name, kept in zip(scores.encoders, scores.kept, strict=True) if kept
            ],
            "confirmed": sum(match.confirmed for match in result.matches),
        },
        "expected_accuracy": expected_fields(expected_accuracy(result, reviews)),
        **({"said_of_types": [dict(one) for one in said]} if said else {}),
        "filtered_types": dict(result.filtered),
        **({"look_like_ruled_out": _counts(result.ruled_out)} if result.ruled_out else {}),
        "kept_types": list(result.types),
        "expected_proportions": [_rounded(value) for value in result.proportions],
        "alignment": {
            "parts": result.parts,
            "solves": len(solves),
            "iterations_most": max((solve.log.iterations for solve in solves), default=0),
            "marginal_error_most": _rounded(
                max((solve.log.marginal_error for solve in solves), default=0.0)
            ),
            "remarks": [
                {"voter": s.voter, "part": s.part, "draw": s.draw, "remark": remark}
                for s in solves
                for remark in s.log.remarks
            ],
        },
        **({"taught": _update_manifest(result.updated, result.clusters)} if result.updated else {}),
        "voters": [
            {
                "voter": voter.name,
                "weight": _rounded(voter.weight),
                "reference_accuracy": _rounded(voter.accuracy),
                "mixing": _rounded(voter.mixing),
            }
            for voter in result.voters
        ],
        "versions": versions(),
    }


def _counts(cells: Mapping[str, Ints]) -> dict[str, int]:
    return {name: len(some) for name, some in cells.items()}


def _update_manifest(updated: UpdatedVote, clusters: Clusters) -> dict[str, Any]:
    return {
        "clusters": len(updated.annotations.clusters),
        "cells": len(updated.annotations.cells),
        "weights_of_the_taught": dict(
            zip(KINDS[1:-1], (_rounded(value) for value in updated.weights[-3:]), strict=True)
        ),
        "unknown_above": _rounded(updated.unknown_above),
        "doubted_clusters": [
            int(clusters.names[position]) for position in updated.doubted_clusters
        ],
    }


def inputs_manifest(of: Prepared | RunResult) -> dict[str, Any]:
    """Describe what a run starts from: sets, options, framing, encoders.

    Parameters
    ----------
    of : Prepared or RunResult

    Returns
    -------
    dict
        JSON types only; see :func:`manifest`.
    """
    return {
        "celltransfer": __version__,
        "config": {
            name: setting.written(getattr(of.config, name)) for name, setting in SETTINGS.items()
        },
        "seed": of.config.seed,
        "inputs": {
            REFERENCE: _describe_set(of.reference),
            QUERY: _describe_set(of.query),
            **{name: _describe_set(extra) for name, extra in of.extras.items()},
        },
        "framing": {
            "framed": of.framing.framed,
            "reason": of.framing.reason,
            "left_whole": {
                name: [
                    of.framing.crops[name].dataset.first_file[cell]
                    for cell in np.flatnonzero(~nuclei.found)
                ]
                for name, nuclei in of.framing.nuclei.items()
            },
        },
        **({"nearest": _describe_nearest(of.nearest)} if of.nearest else {}),
        "encoders": [
            {
                "id": encoder.id,
                "version": encoder.version,
                "dim": encoder.dim,
                "licence": encoder.licence,
                "trained_on": encoder.trained_on,
            }
            for encoder in of.encoders
        ],
        "failures": [asdict(failure) for failure in of.failures],
    }


def _describe_nearest(nearest: NearestSets) -> dict[str, Any]:
    shares = {name: _rounded(share) for name, share in nearest.shares.items()}
    return {"shares": shares, "alone": nearest.alone, "lacking_types": list(nearest.lacking)}


def _describe_set(dataset: Dataset) -> dict[str, Any]:
    described: dict[str, Any] = {
        "fingerprint": dataset.fingerprint,
        "files": len(dataset.files),
        "cells": dataset.n_cells,
        "left_out": [asdict(remark) for remark in dataset.left_out],
        "notes": [asdict(remark) for remark in dataset.notes],
        "duplicates": [list(group) for group in dataset.duplicates],
    }
    if dataset.labels is not None:
        names, counts = np.unique(dataset.cell_labels, return_counts=True)
        described["types"] = dict(zip(names.tolist(), counts.tolist(), strict=True))
    if scales := _describe_scales(dataset):
        described["scales"] = scales
    return described


def _describe_scales(dataset: Dataset) -> list[dict[str, Any]]:
    """List grey scale and pixel size of each set that was pooled; empty if none is known."""
    sources = [dataset.sources[number] for number in dataset.cell_sources]
    counts = Counter(zip(sources, dataset.cell_scales, strict=True))
    if all(scale == PixelScale() for _, scale in counts):
        return []
    described = [
        {"source": source, "cells": cells, **_told(scale)}
        for (source, scale), cells in counts.items()
    ]
    return sorted(described, key=str)


def _told(scale: PixelScale) -> dict[str, Any]:
    """Describe a scale; properties that few sets have are included only if known."""
    rare = ("numbers", "channels", "background")
    return {name: value for name, value in asdict(scale).items() if value or name not in rare}


def _rounded(value: float) -> float | None:
    # Rounded as the tables are; JSON has no NaN.
    return round(float(value), 6) if np.isfinite(value) else None


def without_names(described: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the names of files from a manifest.

    Parameters
    ----------
    described : mapping
        From :func:`manifest`.

    Returns
    -------
    dict
        Lists of files are replaced by their lengths.
    """
    lists = ("left_out", "notes", "duplicates")
    inputs = {
        name: {key: len(value) if key in lists else value for key, value in one.items()}
        for name, one in described["inputs"].items()
    }
    whole = {name: len(files) for name, files in described["framing"]["left_whole"].items()}
    return {
        **described,
        "inputs": inputs,
        "framing": {**described["framing"], "left_whole": whole},
    }
