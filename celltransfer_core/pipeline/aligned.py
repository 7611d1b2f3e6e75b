"""Galleries: the reference rows that each part of the query is classified with (3.3, 5.2).

In: a voter's rows and the subsets to draw. Out: each drawn reference cell once, either unchanged or
at the mean position to which its draws are transported (eqs 2–4). Neighbours are therefore counted
in the same way with and without transport.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from celltransfer_core.config.config import Config
from celltransfer_core.pipeline.draws import Draw, Draws
from celltransfer_core.pipeline.features import Embeddings, representation
from celltransfer_core.pipeline.result import Solve
from celltransfer_core.runtime.tasks import run_tasks
from celltransfer_core.transport.affine import CentreAligner, CoralAligner, LinearAligner
from celltransfer_core.transport.fgw import TransportLog
from celltransfer_core.transport.plans import FGWAligner, SinkhornAligner
from celltransfer_core.types import Bools, Float32, Ints, Progress, silent

Gallery = tuple[Float32, Ints]
"""Rows to classify with, and their positions in ``Draws.usable``, ascending and without repeats."""


def drawn_rows(
    embeddings: Embeddings, voter: Sequence[str], draws: Draws, known: Bools, config: Config
) -> tuple[Float32, Float32]:
    """Join a voter's embeddings of the usable reference and of the query.

    Parameters
    ----------
    embeddings : mapping
        See :data:`~celltransfer_core.pipeline.features.Embeddings`.
    voter : sequence of str
    draws : Draws
    known : ndarray of bool, shape (m,)
        Query cells over which the query's mean is taken; all cells if there are none.
    config : Config

    Returns
    -------
    Xs, Xt : ndarray of float32, shape (u, d) and (m, d)
        See :func:`~celltransfer_core.pipeline.features.representation`.
    """
    return representation(
        embeddings,
        voter,
        config,
        usable=draws.usable,
        reference_weights=draws.weights,
        query_weights=known.astype(np.float64) if known.any() else None,
    )


def unaligned(Xs: Float32, draws: Draws) -> Iterator[Gallery]:
    """Collect the drawn cells of each part unchanged.

    Parameters
    ----------
    Xs : ndarray of float32, shape (u, d)
        Usable reference cells.
    draws : Draws

    Yields
    ------
    Gallery
        One a part of the query, in order.
    """
    for part in range(len(draws.parts)):
        voting = [draw.cells[draw.voting] for draw in draws.of_part(part)]
        cells = np.unique(np.concatenate(voting))
        yield Xs[cells], cells


ALIGNERS: Mapping[str, type[CentreAligner | CoralAligner | LinearAligner | SinkhornAligner]] = {
    "centre": CentreAligner,
    "coral": CoralAligner,
    "linear": LinearAligner,
    "sinkhorn": SinkhornAligner,
}
"""Alignments other than the paper's, by their names in ``evaluate``."""


def _align(
    Xs: Float32, Xt: Float32, method: str, config: Config, memory: Path | None, draw: Draw
) -> tuple[Float32, TransportLog | None]:
    """Map the drawn cells of one draw, in a worker; return those that vote."""
    source, target = Xs[draw.cells], Xt[draw.onto]
    if method in ALIGNERS:
        moved = ALIGNERS[method]().fit(source, None, target).transform(source)
        return moved[draw.voting], None
    aligner = FGWAligner(
        alpha=config.alpha, mapping=config.mapping, solver=config.solver, memory=memory
    )
    aligner.fit(source, None, target)
    return aligner.mapped_[draw.voting], aligner.log_


def align(
    name: str,
    Xs: Float32,
    Xt: Float32,
    draws: Draws,
    config: Config,
    *,
    method: str | None = None,
    memory: Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Iterator[tuple[Gallery, list[Solve]]]:
    """Map every draw of the reference onto its part of the query, and pool them (3.3, 5.2).

    Only the parts being processed are held in memory.

    Parameters
    ----------
    name : str
        Name of the voter, for the log.
    Xs : ndarray of float32, shape (u, d)
        Usable reference cells.
    Xt : ndarray of float32, shape (m, d)
    draws : Draws
    config : Config
    method : str, optional
        ``"fgw"`` or one of :data:`ALIGNERS`; by default, that of the configuration.
    memory : Path, optional
        See :class:`~celltransfer_core.transport.FGWAligner`.
    workers : int, optional
    progress : callable

    Yields
    ------
    gallery : Gallery
        One a part of the query, in order.
    solves : list of Solve
        Solves of that part; empty for methods without a solver.
    """
    waiting = [set[int]() for _ in draws.parts]
    for index, draw in enumerate(draws.drawn):
        waiting[draw.part].add(index)
    mapped: dict[int, Float32] = {}
    logs: dict[int, TransportLog] = {}
    part = 0
    progress(f"aligning {name}", 0, len(draws.drawn))
    work = partial(_align, Xs, Xt, method or config.alignment, config, memory)
    found = run_tasks(work, draws.drawn, workers=workers)
    for done, (index, (rows, log)) in enumerate(found, 1):
        mapped[index] = rows
        if log is not None:
            logs[index] = log
        progress(f"aligning {name}", done, len(draws.drawn))
        while part < len(waiting) and waiting[part] <= mapped.keys():
            of = [(index, draws.drawn[index]) for index in sorted(waiting[part])]
            solves = [
                Solve(name, part, draw.number, len(draw.cells), len(draw.onto), logs.pop(index))
                for index, draw in of
                if index in logs
            ]
            yield _pool([draw for _, draw in of], [mapped[index] for index, _ in of]), solves
            for index, _ in of:
                mapped[index] = rows[:0]  # still a key, without its memory
            part += 1


def _pool(draws: Sequence[Draw], mapped: Sequence[Float32]) -> Gallery:
    """Place every cell at the mean of the positions to which its draws were mapped."""
    # If each copy of a cell were a row, the copies would fill the k nearest. Chosen on altered
    # cells and between two laboratories (tests/benchmarks/aligners.py): counting the nearest copy
    # of each cell gains less after eq. 4; k times the copies gains as much, but galleries show
    # cells twice; a separate vote of each draw gains one more point for single voters and nothing
    # for the vote of a run, and its k would apply to smaller galleries than that of unaligned
    # voters.
    drawn = [draw.cells[draw.voting] for draw in draws]
    cells, copies = np.unique(np.concatenate(drawn), return_counts=True)
    rows = np.zeros((len(cells), mapped[0].shape[1]), dtype=np.float32)
    for of_draw, moved in zip(drawn, mapped, strict=True):
        np.add.at(rows, np.searchsorted(cells, of_draw), moved)
    rows /= copies[:, None].astype(np.float32)
    return rows, cells
