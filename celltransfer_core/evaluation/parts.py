"""Parts of the query to transport onto, and parts to score figures on (5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celltransfer_core.config.config import Config
from celltransfer_core.evaluation.metrics import deal_cells
from celltransfer_core.evaluation.protocol import LARGE
from celltransfer_core.pipeline.subsets import split_query
from celltransfer_core.types import Bools, Ints, Labels


@dataclass(frozen=True)
class QueryParts:
    """How the query is split for transport."""

    cells: Sequence[Ints]
    """Query cells of each part, ascending."""
    own: bool
    """Whether every part has separate transports; if not, all cells share one."""

    def covered(self, m: int) -> Bools:
        """Mark the query cells that are in any part.

        Parameters
        ----------
        m : int
            Cells of the query.

        Returns
        -------
        ndarray of bool, shape (m,)
        """
        covered = np.zeros(m, dtype=bool)
        covered[np.concatenate(self.cells)] = True
        return covered


def cut_query(m: int, config: Config, subsets: int) -> QueryParts:
    """Split the query into the parts that are transported onto.

    Parameters
    ----------
    m : int
        Cells of the query.
    config : Config
    subsets : int
        Number of parts for a query that does not fit in one transport.

    Returns
    -------
    QueryParts
        One part with all cells if they fit; otherwise random parts of at most ``subset_size``
        cells, which need not cover the query.
    """
    if m <= config.subset_size:
        return QueryParts([np.arange(m)], own=False)
    rng = np.random.default_rng([config.seed, LARGE + 2])
    taken = np.sort(rng.permutation(m)[: subsets * config.subset_size])
    size = -(-len(taken) // subsets)
    return QueryParts([taken[part] for part in split_query(len(taken), size, rng)], own=True)


def scored_parts(truth: Labels, parts: QueryParts, config: Config, subsets: int) -> list[Ints]:
    """List the parts of the query that figures are scored on.

    Parameters
    ----------
    truth : ndarray of str, shape (m,)
        Empty for cells that are not scored.
    parts : QueryParts
    config : Config
    subsets : int
        Number of parts to divide the cells into if all share one transport.

    Returns
    -------
    list of ndarray of int64
        Scored cells of each part; no part is empty.
    """
    if parts.own:
        scored = [part[truth[part] != ""] for part in parts.cells]
        return [part for part in scored if len(part)]
    return deal_cells(truth, subsets, np.random.default_rng([config.seed, LARGE]))
