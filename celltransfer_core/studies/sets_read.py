"""The sets of a study, read as data sets for the pipeline.

Labels come with references only; :meth:`SetReader.labelled` gives those of a query to the
evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from celltransfer_core.data.checks import Checked
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.folders import stored_dataset
from celltransfer_core.data.pooling import pool
from celltransfer_core.studies.database import FileRow, SetRow
from celltransfer_core.studies.received import FileTable
from celltransfer_core.studies.records import ImageSet, Role

_MOST_KEPT = 16
"""Data sets that are kept in memory."""


def _key(image_set: ImageSet) -> tuple[str, ...]:
    mapping = json.dumps(dict(image_set.mapping), sort_keys=True)
    scale = str(image_set.um_per_px)
    return (image_set.id, image_set.revision, image_set.name, image_set.role, scale, mapping)


class SetReader(FileTable):
    """Reads image sets; those used last are kept in memory."""

    def __init__(self, folder: Path | None = None, url: str | None = None) -> None:
        super().__init__(folder, url)
        self._kept: dict[tuple[Any, ...], Dataset] = {}

    def dataset(self, image_set: ImageSet) -> Dataset:
        """Read one set, its types renamed by its mapping.

        Parameters
        ----------
        image_set : ImageSet
            A reference comes with its types; a query or an extra set never does.

        Returns
        -------
        Dataset
            Kept in memory until the set changes.

        Raises
        ------
        DataError
            If a table of it has the wrong columns, or nothing in it has a type.
        """
        return self._keep(_key(image_set), lambda: self._read_set(image_set))

    def labelled(self, image_set: ImageSet) -> Dataset:
        """Read one set with the types that came with its images, whatever its role.

        For :mod:`celltransfer_core.evaluation` alone: no step of the pipeline may see a query's.

        Parameters
        ----------
        image_set : ImageSet

        Returns
        -------
        Dataset

        Raises
        ------
        DataError
            If a table of it has the wrong columns, or nothing in it has a type.
        """
        return self._keep(
            (*_key(image_set), "labelled"), lambda: self._read_set(image_set, labelled=True)
        )

    def _read_set(self, image_set: ImageSet, *, labelled: bool = False) -> Dataset:
        with self._session() as session:
            tables = session.scalar(select(SetRow.tables).where(SetRow.id == image_set.id)) or {}
            rows = session.scalars(select(FileRow).where(FileRow.set == image_set.id))
            checked = {r.path: Checked(r.sha256, r.problem, r.pages, r.deep) for r in rows}
        labelled = labelled or image_set.role == "reference"
        made = stored_dataset(self.images, image_set.name, checked, tables, labelled=labelled)
        made = made.with_um_per_px(image_set.um_per_px)
        return pool([made], [image_set.mapping]) if labelled and image_set.mapping else made

    def _keep(self, key: tuple[Any, ...], make: Callable[[], Dataset]) -> Dataset:
        kept = self._kept.pop(key, None) or make()
        self._kept[key] = kept  # at the end: the one used longest ago goes first
        while len(self._kept) > _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return kept

    def pooled(self, study: str, role: Role) -> Dataset | None:
        """Read all sets of a role as one.

        Parameters
        ----------
        study : str
        role : {"reference", "query", "extra"}

        Returns
        -------
        Dataset or None
            None without any image.
        """
        return self.pool_sets(self.sets(study, role))

    def pool_sets(self, sets: Sequence[ImageSet]) -> Dataset | None:
        """Read sets of one role as one.

        Parameters
        ----------
        sets : sequence of ImageSet
            In the order they were added.

        Returns
        -------
        Dataset or None
            None without any image.
        """
        found = {one.id: dataset for one in sets if (dataset := self.dataset(one)).n_cells}
        if len(found) < 2:
            return next(iter(found.values()), None)
        # Queries are one microscope's slides; references may come from several.
        several = sets[0].role == "reference"
        names = [one.name for one in sets if one.id in found] if several else None
        return self._keep(
            tuple(_key(image_set) for image_set in sets),
            lambda: pool([*found.values()], names=names),
        )
