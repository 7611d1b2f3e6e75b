"""All tables of a study, with or without pseudonyms, from a run and its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celltransfer_core.outputs.differential import differential_table
from celltransfer_core.outputs.manifests import manifest, without_names
from celltransfer_core.outputs.pseudonyms import Pseudonyms
from celltransfer_core.outputs.quality import quality_table
from celltransfer_core.outputs.tables import (
    cells_table,
    clusters_table,
    matches_table,
    reviewed_table,
    reviews_table,
)
from celltransfer_core.people.composition import Inference
from celltransfer_core.people.reviews import FinalTypes, Review, final_types
from celltransfer_core.pipeline.inferred import infer_run
from celltransfer_core.pipeline.result import RunResult, type_names
from celltransfer_core.vocabulary import ANSWERS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StudyTables:
    """The tables of a study: predictions and readers' answers."""

    run: RunResult
    reviews: Sequence[Review]
    """In the order they were made."""
    pseudonyms: Pseudonyms | None = None
    """Used in place of names in all tables; None to keep the names."""
    said: Sequence[Mapping[str, str]] = ()
    """Who said which types the query may hold; see :func:`manifest`."""

    @cached_property
    def final(self) -> FinalTypes:
        """Reviewed and final type of each query cell."""
        return final_types(self.run.query.cells, self.run.predicted, self.reviews)

    @property
    def new_types(self) -> tuple[str, ...]:
        """Types that clusters and answers name though the reference lacks them, sorted."""
        named = {match.matched_type for match in self.run.matches if match.confirmed}
        named |= {review.answer for review in self.reviews}
        return tuple(sorted(named - {*type_names(self.run.reference), *ANSWERS}))

    @cached_property
    def inference(self) -> Inference:
        """What the answers say about all cells."""
        return infer_run(self.run, self.reviews)

    @cached_property
    def _pseudonymised(self) -> RunResult:
        """The run, with pseudonyms if there are any."""
        if not self.pseudonyms:
            return self.run
        return replace(self.run, query=self.pseudonyms.dataset(self.run.query))

    def _hide(self, table: pd.DataFrame) -> pd.DataFrame:
        return self.pseudonyms.hide(table) if self.pseudonyms else table

    @property
    def manifest(self) -> dict[str, Any]:
        """See :func:`manifest`."""
        described = manifest(self.run, self.reviews, self.said)
        return without_names(described) if self.pseudonyms else described

    def all(self) -> dict[str, pd.DataFrame]:
        """Make all tables, as the command line writes them.

        Returns
        -------
        dict from name to DataFrame
            predictions, clusters, matches, differential and quality; reviews where there are any.
        """
        return {"predictions": self.predictions(), **self._beside_cells()}

    def workbook(self) -> dict[str, pd.DataFrame]:
        """Make the sheets of a study's workbook, the main download.

        Returns
        -------
        dict from name to DataFrame
            cells, differential, clusters, matches and quality; reviews where there are any.
        """
        others = self._beside_cells()
        return {"cells": self.cells(), "differential": others.pop("differential"), **others}

    def _beside_cells(self) -> dict[str, pd.DataFrame]:
        tables = {
            "clusters": self.clusters(),
            "matches": self.matches(),
            "differential": self.differential(),
            "quality": self.quality(),
        }
        return {**tables, "reviews": self.answers()} if self.reviews else tables

    def predictions(self) -> pd.DataFrame:
        """Make the table of predictions and answers; see :func:`reviewed_table`.

        Returns
        -------
        DataFrame
        """
        return self._hide(self.identified())

    def identified(self) -> pd.DataFrame:
        """Make the table of predictions and answers, always with the hashes of images.

        Returns
        -------
        DataFrame
            See :func:`reviewed_table`; for outputs made from the images themselves.
        """
        return reviewed_table(self._pseudonymised, self.reviews)

    def cells(self) -> pd.DataFrame:
        """Make the table of typed cells for download; see :func:`cells_table`.

        Returns
        -------
        DataFrame
        """
        return self._hide(cells_table(self._pseudonymised, self.reviews))

    def answers(self) -> pd.DataFrame:
        """List every answer; see :func:`reviews_table`.

        Returns
        -------
        DataFrame
        """
        return self._hide(reviews_table(self._pseudonymised.query, self.reviews))

    def matches(self) -> pd.DataFrame:
        """Make the table of matches; see :func:`matches_table`.

        Returns
        -------
        DataFrame
        """
        return self._hide(matches_table(self.run))

    def clusters(self) -> pd.DataFrame:
        """Make the table of clusters; see :func:`clusters_table`.

        Returns
        -------
        DataFrame
        """
        return self._hide(clusters_table(self._pseudonymised))

    def quality(self) -> pd.DataFrame:
        """Make the table of image quality; see :func:`quality_table`.

        Returns
        -------
        DataFrame
        """
        return self._hide(quality_table(self._pseudonymised))

    def differential(self) -> pd.DataFrame:
        """Count the types on each slide, before and after review.

        Returns
        -------
        DataFrame
            As :func:`differential_table`, with a first column count, ``predicted`` or ``reviewed``;
            the latter only if there are answers.
        """
        import pandas as pd

        tables = {"predicted": differential_table(self._pseudonymised, inference=self.inference)}
        if self.reviews:
            final = self.final.final.tolist()
            tables["reviewed"] = differential_table(self._pseudonymised, final, self.inference)
        for name, table in tables.items():
            table.insert(0, "count", name)
        return pd.concat(tables.values(), ignore_index=True)
