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
    """How the query is cut for transport."""

    cells: Sequence[Ints]
    """Query cells of each part, ascending."""
    own: bool
    """Whether every part has transports of its own; else all cells are in one."""

    def covered(self, m: int) -> Bools:
        """Tell which query cells are in some part.

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
    """Cut the query into the parts that are transported onto.

    Parameters
    ----------
    m : int
        Cells of the query.
    config : Config
    subsets : int
        Parts to cut a query into that does not fit in one transport.

    Returns
    -------
    QueryParts
        One part of all cells where they fit; otherwise random ones of ``subset_size`` cells at
        most, which need not cover the query.
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
        Parts to deal the cells out to where all share one transport.

    Returns
    -------
    list of ndarray of int64
        Scored cells of each part; none is empty.
    """
    if parts.own:
        scored = [part[truth[part] != ""] for part in parts.cells]
        return [part for part in scored if len(part)]
    return deal_cells(truth, subsets, np.random.default_rng([config.seed, LARGE]))
