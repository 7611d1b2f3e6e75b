"""Payloads of decisions on clusters and cells, as the database stores them.

Cells are stored by their hashes, and clusters by their cells, so that decisions remain valid after
a new run with other clusters (:mod:`celltransfer_core.studies.standing` maps them to clusters).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from celltransfer_core.people.reviews import Review
from celltransfer_core.pipeline.clusters import Clusters
from celltransfer_core.pipeline.edits import shorten_hashes
from celltransfer_core.studies.records import clean_name, one_form
from celltransfer_core.types import Ints
from celltransfer_core.vocabulary import ARTEFACT, NONE_TYPE

Payload = dict[str, Any]


def match_payloads(
    clusters: Clusters,
    cells: Sequence[str],
    answers: Sequence[tuple[int, str | None]],
    types: Sequence[str],
) -> list[Payload]:
    """Build the payloads of answers to clusters (kind ``match``).

    Parameters
    ----------
    clusters : Clusters
    cells : sequence of str, length m
        Hashes of the query's cells.
    answers : sequence of (int, str or None)
        A cluster's position and its type; None takes an earlier answer back. The answers are given
        together and undone together.
    types : sequence of str
        Types of the reference; any other type is marked as new.

    Returns
    -------
    list of dict
    """
    return [
        {
            "cells": shorten_hashes(
                [cells[cell] for cell in np.flatnonzero(clusters.labels == position).tolist()]
            ),
            "type": name,
            "cluster": int(clusters.names[position]),
            "together": len(answers),
            **({} if name in (None, NONE_TYPE, *types) else {"new": True}),
        }
        for position, name in answers
    ]


def name_payload(cells: Sequence[str], inside: Ints, cluster: int, name: str) -> Payload:
    """Build the payload of a cluster's name (kind ``cluster-name``).

    Parameters
    ----------
    cells : sequence of str, length m
        Hashes of the query's cells.
    inside : ndarray of int64
        The cluster's cells.
    cluster : int
        The number of the cluster.
    name : str
        Empty to remove an earlier name.

    Returns
    -------
    dict
    """
    return {
        "cluster": cluster,
        "cells": shorten_hashes([cells[cell] for cell in inside]),
        "name": name.strip(),
    }


def edit_payload(
    key: str,
    cells: Sequence[str],
    moved: Ints,
    to: int | None,
    what: str,
    cluster: int | None = None,
) -> Payload:
    """Build the payload of a move of cells between clusters (kind ``cluster``).

    Parameters
    ----------
    key : str
        Key of the edited clusters: edits apply to these only.
    cells : sequence of str, length m
        Hashes of the query's cells.
    moved : ndarray of int64
        The cells that move.
    to : int or None
        Number of the cluster that they move to; None for a new one.
    what : {"move", "split", "merge"}
    cluster : int, optional
        Number of the cluster that was split or merged.

    Returns
    -------
    dict
    """
    return {
        "key": key,
        "cells": shorten_hashes([cells[cell] for cell in moved]),
        "to": to,
        "what": what,
        "cluster": cluster,
    }


def split_payloads(
    key: str, cells: Sequence[str], inside: Ints, parts: Ints, cluster: int
) -> list[Payload]:
    """Build the payloads of a split of a cluster into parts (kind ``cluster``).

    Parameters
    ----------
    key, cells
        See :func:`edit_payload`.
    inside : ndarray of int64, shape (k,)
        The cluster's cells.
    parts : ndarray of int64, shape (k,)
        Part of each cell. Part 0 keeps the cluster's number; each other part is a new cluster.
    cluster : int
        Number of the cluster.

    Returns
    -------
    list of dict
        Edits that are undone together.
    """
    rest = np.unique(parts[parts > 0]).tolist()
    return [
        {
            **edit_payload(key, cells, inside[parts == part], None, "split", cluster),
            "together": len(rest),
        }
        for part in rest
    ]


def review_payloads(
    answers: Sequence[tuple[str, str | None, bool]],
    reader: str,
    time: str,
    *,
    chance: float | None = None,
) -> list[Payload]:
    """Build the payloads of answers to cells (kind ``review``).

    Parameters
    ----------
    answers : sequence of (str, str or None, bool)
        Hash, answer, and whether the prediction was hidden; None takes back the reader's earlier
        answer for the cell. The answers are given together and undone together.
    reader : str
    time : str
        UTC, ISO 8601.
    chance : float, optional
        Probability with which the queue drew the cells, see
        :attr:`~celltransfer_core.people.reviews.Review.chance`.

    Returns
    -------
    list of dict
    """
    given: Payload = {"reader": clean_name(reader), "time": time, "together": len(answers)}
    if chance is not None:
        given["chance"] = chance
    return [{"cell": cell, "answer": a, "blind": blind, **given} for cell, a, blind in answers]


def brought_payloads(reviews: Sequence[Review], source: str, *, counts: bool) -> list[Payload]:
    """Build the payloads of answers that were given elsewhere (kind ``review``).

    Parameters
    ----------
    reviews : sequence of Review
        Reviews that are imported together and undone together.
    source : str
        Name of the file that they come from.
    counts : bool
        Whether they count like answers given here, as is the case for those of this study's own
        queue; see :attr:`~celltransfer_core.people.reviews.Review.source`.

    Returns
    -------
    list of dict
    """
    given: Payload = {"together": len(reviews), "from": one_form(source)}
    if counts:
        given["counts"] = True
    payloads = []
    for one in reviews:
        chance = {} if one.chance is None or not counts else {"chance": one.chance}
        said = {"cell": one.cell, "answer": one.answer, "blind": one.blind and counts}
        reader = clean_name(one.reader)
        payloads.append({**said, "reader": reader, "time": one.time, **chance, **given})
    return payloads


def aside_payloads(cells: Sequence[str], why: str, reader: str, time: str) -> list[Payload]:
    """Build the payloads of cells that are set aside as artefacts (kind ``review``).

    Parameters
    ----------
    cells : sequence of str
        Hashes. The cells are set aside together and restored together.
    why : str
        What the cells have in common.
    reader, time
        See :func:`review_payloads`.

    Returns
    -------
    list of dict
    """
    answers: list[tuple[str, str | None, bool]] = [(cell, ARTEFACT, False) for cell in cells]
    return [{**one, "aside": why} for one in review_payloads(answers, reader, time)]
