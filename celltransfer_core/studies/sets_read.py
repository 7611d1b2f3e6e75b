"""The sets of a study, read as data sets for the pipeline.

Labels come with references only; :meth:`SetReader.labelled` gives those of a query to the
evaluation.
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
"""Data sets that are kept in memory."""


def _key(image_set: ImageSet) -> tuple[str, ...]:
    mapping = json.dumps(dict(image_set.mapping), sort_keys=True)
    scale = str(image_set.um_per_px)
    shown = str(image_set.channels)
    revisions = (shown, image_set.revision, str(image_set.unusable), str(image_set.types_at))
    return (image_set.id, *revisions, image_set.name, image_set.role, scale, mapping)


class SetReader(FileTable):
    """Reads image sets; those used last are kept in memory."""

    def __init__(
        self, folder: Path | None = None, url: str | None = None, *, backed_up: bool = False
    ) -> None:
        super().__init__(folder, url, backed_up=backed_up)
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
        LevelError
            If it is a reference and nobody has said yet at which level its types stand.
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

    def as_sent(self, image_set: ImageSet) -> Dataset:
        """Read one set with all types that came with it, under the names that came.

        Parameters
        ----------
        image_set : ImageSet
            A reference.

        Returns
        -------
        Dataset
            Also of labels such as ``nan``, of which somebody must say what they mean.

        Raises
        ------
        DataError
            As :meth:`dataset`.
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
        # Nobody is asked where the types of a query stand: no page may look at its names.
        asks = image_set.role == "reference" and image_set.types_at == ""
        level = None if asks else read_level(image_set.types_at or "1")
        made = stored_dataset(
            self.images,
            image_set.name,
            checked,
            tables,
            labelled=labelled,
            types_at=level,
            # An earlier version took every label, and is not asked again.
            accepted=None if as_sent or image_set.types_at is None else [*image_set.mapping],
            channels=parse_channels(image_set.channels) if image_set.channels else None,
        )
        made = made.with_um_per_px(image_set.um_per_px)
        return pool([made], [image_set.mapping]) if labelled and image_set.mapping else made

    def _known(self, row: FileRow) -> Checked:
        """Return what is known of a file; look again where an earlier version saw less of it."""
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
