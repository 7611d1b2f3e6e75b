"""Cells reserved for each reader of a study, so that readers who share the work get other cells.

From the cells that a reader could be given, those that no other reader holds are chosen. They
stay reserved for some minutes, so that a reader who leaves does not block them for long.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from celltransfer_core.studies.database import Database, DeskRow
from celltransfer_core.studies.records import clean_name

HELD = 300.0
"""Seconds for which cells stay reserved for a reader."""


class DeskTable(Database):
    """The table of cells reserved for readers."""

    def take(self, study: str, reader: str, wanted: Sequence[str], most: int) -> tuple[str, ...]:
        """Reserve cells for a reader, in place of the cells reserved before.

        Parameters
        ----------
        study : str
        reader : str
        wanted : sequence of str
            Hashes of the cells that may be given, in order of priority.
        most : int

        Returns
        -------
        tuple of str
            The first cells that are not reserved for another reader; no other reader gets them
            for :data:`HELD` seconds.
        """
        reader = clean_name(reader)

        def take(session: Session) -> tuple[str, ...]:
            self._lock(session, study)
            desks = session.scalars(select(DeskRow).where(DeskRow.study == study)).all()
            own = next((one for one in desks if one.reader == reader), None)
            now = time.time()
            # If the clock was set back, cells must not stay reserved for longer.
            others = [one for one in desks if one is not own and 0 < one.until - now <= HELD]
            held = {cell for one in others for cell in one.cells}
            given = tuple(islice((cell for cell in wanted if cell not in held), most))
            if own is None:
                own = DeskRow(study=study, reader=reader)
                session.add(own)
            own.cells, own.until = [*given], now + HELD
            return given

        return super()._transact(take)  # it changes nothing that snapshots of the study hold
