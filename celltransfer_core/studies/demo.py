"""The demo study: synthetic cells in a workspace, with some decisions and reviews.

Each step is skipped if its work is there already, and takes one transaction. If a process is
killed while it makes the demo, the next visitor or job finishes it with the same result.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import threading
from collections import Counter
from pathlib import Path

import numpy as np

from celltransfer_core.demo.sets import draw_demo, plan_query
from celltransfer_core.demo.styles import QUERY_STYLE, REFERENCE_STYLE, REFERENCE_TYPES, Style
from celltransfer_core.people.queue import sample_order
from celltransfer_core.pipeline.edits import shorten_hashes
from celltransfer_core.pipeline.result import Named
from celltransfer_core.studies.records import Role, Study
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import Progress, silent
from celltransfer_core.vocabulary import UNSURE

PER_TYPE, QUERY_CELLS = 20, 104
"""Number of synthetic cells: small, because a visitor waits for them."""

DEMO_NAME = "Demo: drawn cells"

DEMO_READER = "Demo reader"
"""The name under which the demo's decisions and reviews are stored."""

_SETS: dict[Role, str] = {"reference": "Drawn reference", "query": "Drawn query"}
_STYLES: dict[Role, Style] = {"reference": REFERENCE_STYLE, "query": QUERY_STYLE}

_opening = threading.Lock()
_READY_REVIEWS = 12
_SECONDS_EACH = 4


def open_demo(workspace: Workspace) -> Study:
    """Find the demo study, or create it; the first job on it draws its cells.

    Parameters
    ----------
    workspace : Workspace

    Returns
    -------
    Study
        The oldest demo; a deleted demo is restored rather than creating a new one.

    Raises
    ------
    OutputError
        If the workspace cannot be written to.
    """
    with _opening:  # simultaneous first visitors get the same demo
        for deleted in (False, True):
            drawn = [study for study in workspace.studies(deleted=deleted) if study.drawn]
            if drawn:
                found = min(drawn, key=lambda study: study.created)
                workspace.restore(found.id)
                break
        else:
            found = workspace.create(DEMO_NAME, drawn=True)
        there = {image_set.role for image_set in workspace.sets(found.id)}
        for role, name in _SETS.items():
            if role not in there:
                workspace.add_set(found.id, role, name)
        return workspace.study(found.id)


def fill_demo(workspace: Workspace, study: str, progress: Progress = silent) -> None:
    """Draw the cells of the demo study, unless it has some already.

    Parameters
    ----------
    workspace : Workspace
    study : str
    progress : callable

    Raises
    ------
    OutputError
        If the workspace cannot be written to.
    """
    empty = [role for role in _STYLES if not workspace.pooled(study, role)]
    if not empty:
        return
    progress("drawing the cells", 0, 1)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "demo"
        draw_demo(folder, reference_per_type=PER_TYPE, query_cells=QUERY_CELLS)
        for role in empty:
            files = sorted(path for path in (folder / role).rglob("*") if path.is_file())
            for image_set in workspace.sets(study, role)[:1]:
                # The cells come last: their presence shows that the set is complete.
                workspace.change_set(image_set.id, um_per_px=_STYLES[role].um_per_px)
                workspace.receive(
                    image_set.id,
                    [(p.relative_to(folder / role).as_posix(), p.read_bytes()) for p in files],
                )
    progress("drawing the cells", 1, 1)


def introduce_demo(workspace: Workspace, study: str, named: Named) -> None:
    """Store the decisions and reviews of a reader who knows the true types, all or none.

    Of the clusters whose proposed type is right, every other one is confirmed, and some cells are
    reviewed, so that no page of the demo is empty. Nothing is stored once anybody has decided
    anything.

    Parameters
    ----------
    workspace : Workspace
    study : str
        Its query must be the one made by :func:`fill_demo`.
    named : Named
        Its clusters with their matches.
    """
    query = workspace.pooled(study, "query")
    if query is None:
        return
    rng = np.random.default_rng(0).spawn(2)[1]
    drawn_as = {name: kind for name, (_, kind) in plan_query(QUERY_CELLS, rng).items()}
    truth = [drawn_as.get(file, UNSURE) for file in query.first_file]
    right = []
    for number, match in enumerate(named.matches):
        inside = np.flatnonzero(named.clusters.labels == number).tolist()
        commonest = Counter(truth[cell] for cell in inside).most_common(1)[0][0]
        if match.matched_type == commonest:
            cells = shorten_hashes([query.cells[cell] for cell in inside])
            name = int(named.clusters.names[number])
            right.append({"cluster": name, "cells": cells, "type": match.matched_type})

    # Blind reviews come from the start of the random sample, the others from the cells after it.
    order = sample_order(query.cells, 0).tolist()
    blind = _READY_REVIEWS * 2 // 3
    reviewed = [*order[:blind], *order[blind - _READY_REVIEWS :]]
    began = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=_SECONDS_EACH * len(reviewed))
    reviews = [
        {
            "cell": query.cells[cell],
            "answer": truth[cell] if truth[cell] in REFERENCE_TYPES else UNSURE,
            "reader": DEMO_READER,
            "time": (began + dt.timedelta(seconds=_SECONDS_EACH * place)).isoformat(
                timespec="milliseconds"
            ),
            "blind": place < blind,
        }
        for place, cell in enumerate(reviewed)
    ]
    workspace.decide_first(study, {"match": right[::2], "review": reviews}, DEMO_READER)
