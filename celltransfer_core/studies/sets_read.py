"""The sets of a study, read as data sets for the pipeline.

Only references are read with their labels; :meth:`SetReader.labelled` provides those of a query to
the evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from celltransfer_core.data.channels import parse_channels
from celltransfer_core.data.checks import Checked, check_image
from celltransfer_core.data.dataset import Dataset, read_stored
from celltransfer_core.data.folders import stored_dataset
from celltransfer_core.data.levels import read_level
from celltransfer_core.data.pooling import pool
from celltransfer_core.errors import ImageError
from celltransfer_core.studies.database import FileRow, SetRow
from celltransfer_core.studies.received import FileTable
from celltransfer_core.studies.records import ImageSet, Role
from celltransfer_core.studies.set_tables import written_table

_OFTEN_DEEP = (".tif", ".tiff")

_MOST_KEPT = 16
"""Number of data sets that are kept in memory."""


def _key(image_set: ImageSet) -> tuple[str, ...]:
    mapping = json.dumps(dict(image_set.mapping), sort_keys=True)
    scale = str(image_set.um_per_px)
    shown = str(image_set.channels)
    revisions = (shown, image_set.revision, str(image_set.unusable), str(image_set.types_at))
    return (image_set.id, *revisions, image_set.name, image_set.role, scale, mapping)


class SetReader(FileTable):
    """Reads image sets; the most recently used ones are kept in memory."""

    def __init__(
        self, folder: Path | None = None, url: str | None = None, *, backed_up: bool = False
    ) -> None:
        super().__init__(folder, url, backed_up=backed_up)
        self._kept: dict[tuple[Any, ...], Dataset] = {}

    def dataset(self, image_set: ImageSet) -> Dataset:
        """Read one set, with its types renamed by its mapping.

        Parameters
        ----------
        image_set : ImageSet
            A reference is read with its types; a query or an extra set never is.

        Returns
        -------
        Dataset
            Kept in memory until the set changes.

        Raises
        ------
        LevelError
            If it is a reference and nobody has chosen yet at which level its types are.
        DataError
            If one of its tables has the wrong columns, or nothing in it has a type.
        """
        return self._keep(_key(image_set), lambda: self._read_set(image_set))

    def labelled(self, image_set: ImageSet) -> Dataset:
        """Read one set with the original types of its images, whatever its role.

        For :mod:`celltransfer_core.evaluation` only: no step of the pipeline may see a query's
        types.

        Parameters
        ----------
        image_set : ImageSet

        Returns
        -------
        Dataset

        Raises
        ------
        DataError
            If one of its tables has the wrong columns, or nothing in it has a type.
        """
        return self._keep(
            (*_key(image_set), "labelled"), lambda: self._read_set(image_set, labelled=True)
        )

    def as_sent(self, image_set: ImageSet) -> Dataset:
        """Read one set with all its original types, under their original names.

        Parameters
        ----------
        image_set : ImageSet
            A reference.

        Returns
        -------
        Dataset
            Includes labels such as ``nan``, whose meaning the user has to decide.

        Raises
        ------
        DataError
            See :meth:`dataset`.
        """
        plain = replace(image_set, mapping={})
        return self._keep((*_key(plain), "as sent"), lambda: self._read_set(plain, as_sent=True))

    def _read_set(
        self, image_set: ImageSet, *, labelled: bool = False, as_sent: bool = False
    ) -> Dataset:
        with self._session() as session:
            row = session.get(SetRow, image_set.id)
            tables = {name: written_table(row, name) for name in row.tables} if row else {}
            rows = session.scalars(select(FileRow).where(FileRow.set == image_set.id))
            checked = {row.path: self._known(row) for row in rows}
        labelled = labelled or image_set.role == "reference"
        # The level of a query's types is never asked for: no page may look at their names.
        asks = image_set.role == "reference" and image_set.types_at == ""
        level = None if asks else read_level(image_set.types_at or "1")
        made = stored_dataset(
            self.images,
            image_set.name,
            checked,
            tables,
            labelled=labelled,
            types_at=level,
            # An earlier version accepted every label, and the question is not asked again.
            accepted=None if as_sent or image_set.types_at is None else [*image_set.mapping],
            channels=parse_channels(image_set.channels) if image_set.channels else None,
        )
        made = made.with_um_per_px(image_set.um_per_px)
        return pool([made], [image_set.mapping]) if labelled and image_set.mapping else made

    def _known(self, row: FileRow) -> Checked:
        """Return what is known about a file; check it again if an earlier version recorded less."""
        look = row.look or b""
        less = row.numbers is None and not row.problem
        if less and (row.deep or row.pages > 1 or row.path.lower().endswith(_OFTEN_DEEP)):
            with suppress(OSError, ImageError):
                found = check_image(read_stored(self.images, row.sha256))
                return replace(found, look=look or found.look)
        return Checked(
            sha256=row.sha256,
            problem=row.problem,
            pages=row.pages,
            numbers=row.numbers or "",
            reach=row.reach or 0.0,
            channels=row.channels or 0,
            note=row.note or "",
            look=look,
        )

    def _keep(self, key: tuple[Any, ...], make: Callable[[], Dataset]) -> Dataset:
        kept = self._kept.pop(key, None) or make()
        self._kept[key] = kept  # moved to the end: the least recently used goes first
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
            None if there are no images.
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
            None if there are no images.
        """
        found = {one.id: dataset for one in sets if (dataset := self.dataset(one)).n_cells}
        if len(found) < 2:
            return next(iter(found.values()), None)
        # The query sets come from one microscope; references may come from several.
        several = sets[0].role == "reference"
        names = [one.name for one in sets if one.id in found] if several else None
        return self._keep(
            tuple(_key(image_set) for image_set in sets),
            lambda: pool([*found.values()], names=names),
        )
