"""What lies before each reader of a study, so that those who share the work are given other cells.

In go the cells that a reader could be given, out come those that lie before nobody else. They are
the reader's for some minutes: whoever goes away keeps nothing back for long.
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
"""Seconds for which cells are a reader's alone."""


class DeskTable(Database):
    """The table of what lies before readers."""

    def take(self, study: str, reader: str, wanted: Sequence[str], most: int) -> tuple[str, ...]:
        """Lay cells before a reader, in place of those that lay there.

        Parameters
        ----------
        study : str
        reader : str
        wanted : sequence of str
            Hashes of the cells that may be given, those to be given first at the beginning.
        most : int

        Returns
        -------
        tuple of str
            The first ones that lie before no other reader; for :data:`HELD` seconds no other
            reader gets them.
        """
        reader = clean_name(reader)

        def take(session: Session) -> tuple[str, ...]:
            self._lock(session, study)
            desks = session.scalars(select(DeskRow).where(DeskRow.study == study)).all()
            own = next((one for one in desks if one.reader == reader), None)
            now = time.time()
            # A clock that was set back must not hold cells for longer.
            others = [one for one in desks if one is not own and 0 < one.until - now <= HELD]
            held = {cell for one in others for cell in one.cells}
            given = tuple(islice((cell for cell in wanted if cell not in held), most))
            if own is None:
                own = DeskRow(study=study, reader=reader)
                session.add(own)
            own.cells, own.until = [*given], now + HELD
            return given

        return super()._transact(take)  # no look at the study is out of date by it
