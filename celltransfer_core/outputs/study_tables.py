"""TODO celltransfer_core/outputs/outcome.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celltransfer_core.outputs.manifests import manifest, without_names
from celltransfer_core.outputs.pseudonyms import Pseudonyms
from celltransfer_core.outputs.tables import (
    clusters_table,
    differential_table,
    matches_table,
    reviewed_table,
    reviews_table,
)
from celltransfer_core.people.reviews import FinalTypes, Review, final_types
from celltransfer_core.pipeline.result import RunResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StudyTables:
    """What there is to take away of a study: what was predicted, and what readers said."""

    run: RunResult
    reviews: Sequence[Review]
    """In the order they were made."""
    pseudonyms: Pseudonyms | None = None
    """What every table goes by instead of names, if anything."""

    @cached_property
    def final(self) -> FinalTypes:
        """What stands for each query cell."""
        return final_types(self.run.query.cells, self.run.predicted, self.reviews)

    @cached_property
    def _named(self) -> RunResult:
        query = self.run.query
        return replace(self.run, query=self.pseudonyms.dataset(query) if self.pseudonyms else query)

    def _hide(self, table: pd.DataFrame) -> pd.DataFrame:
        return self.pseudonyms.hide(table) if self.pseudonyms else table

    @property
    def manifest(self) -> dict[str, Any]:
        """See :func:`manifest`."""
        told = manifest(self.run)
        return without_names(told) if self.pseudonyms else told

    def cells(self) -> pd.DataFrame:
        """Make the table of typed cells, see :func:`reviewed_table`.

        Returns
        -------
        DataFrame
        """
        return self._hide(reviewed_table(self._named, self.reviews))

    def answers(self) -> pd.DataFrame:
        """List every answer, see :func:`reviews_table`.

        Returns
        -------
        DataFrame
        """
        return self._hide(reviews_table(self._named.query, self.reviews))

    def matches(self) -> pd.DataFrame:
        """Make the table of matches, see :func:`matches_table`.

        Returns
        -------
        DataFrame
        """
        return matches_table(self.run)

    def clusters(self) -> pd.DataFrame:
        """Make the table of clusters, see :func:`clusters_table`.

        Returns
        -------
        DataFrame
        """
        return clusters_table(self._named)

    def differential(self) -> pd.DataFrame:
        """Count the types on every slide before and after review.

        Returns
        -------
        DataFrame
            As :func:`differential_table`; first a column count, ``predicted`` or ``reviewed``.
        """
        import pandas as pd

        tables = {
            "predicted": differential_table(self._named),
            "reviewed": differential_table(self._named, self.final.final.tolist()),
        }
        for name, table in tables.items():
            table.insert(0, "count", name)
        return pd.concat(tables.values(), ignore_index=True)
