"""Pseudonyms of files, slides and patients: keyed hashes, the same in all exports."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.pipeline.typed_batch import TypedBatch

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Pseudonyms:
    """Replacements for the names of files, slides and patients that identify nobody.

    They are keyed hashes: a name has the same pseudonym in all exports of a study, and without the
    key names cannot be recovered by trial.
    """

    key: bytes
    """The secret key."""

    @staticmethod
    def of_study(secret: str, study: str) -> Pseudonyms:
        """Derive the pseudonyms of one study.

        Parameters
        ----------
        secret : str
            Secret of the workspace.
        study : str
            Id of the study; other studies have different pseudonyms for the same names.

        Returns
        -------
        Pseudonyms
        """
        return Pseudonyms(hmac.digest(secret.encode(), f"pseudonyms {study}".encode(), "sha256"))

    def of(self, kind: str, name: str) -> str:
        """Return the pseudonym of a name.

        Parameters
        ----------
        kind : {"file", "slide", "patient", "sha256", "batch"}
        name : str

        Returns
        -------
        str
            Empty for an empty name.
        """
        if not name:
            return ""
        return f"{kind}-{hmac.new(self.key, f'{kind} {name}'.encode(), 'sha256').hexdigest()[:16]}"

    def dataset(self, query: Dataset) -> Dataset:
        """Replace the names in a set, so that no table made from it contains one.

        Parameters
        ----------
        query : Dataset

        Returns
        -------
        Dataset
            Its cells keep their content hashes; see :meth:`hide`.
        """

        def every(kind: str, names: Sequence[str]) -> tuple[str, ...]:
            return tuple(self.of(kind, name) for name in names)

        return replace(
            query,
            files=every("file", query.files),
            slide=None if query.slide is None else every("slide", query.slide),
            patient=None if query.patient is None else every("patient", query.patient),
        )

    def batches(self, batches: Mapping[str, TypedBatch]) -> dict[str, TypedBatch]:
        """Replace the names in batches of the study, and those of the batches.

        Parameters
        ----------
        batches : mapping from name to TypedBatch

        Returns
        -------
        dict from str to TypedBatch
            In the same order. A slide or patient has the same pseudonym as in the study's own
            tables. The name of a batch is often that of a folder, which may name a slide or a
            patient. Cells keep their content hashes; see :meth:`hide`.
        """
        return {
            self.of("batch", name): replace(
                batch,
                query=self.dataset(batch.query),
                # By pseudonym: the order must not tell the order of the names.
                drift=tuple(
                    sorted(
                        (replace(one, slide=self.of("slide", one.slide)) for one in batch.drift),
                        key=lambda one: (not one.slide, one.slide),
                    )
                ),
            )
            for name, batch in batches.items()
        }

    def hide(self, table: pd.DataFrame) -> pd.DataFrame:
        """Replace content hashes, which would identify a cell to anyone who has its image.

        Parameters
        ----------
        table : DataFrame
            With or without a column sha256.

        Returns
        -------
        DataFrame
        """
        if "sha256" not in table:
            return table
        return table.assign(sha256=[self.of("sha256", value) for value in table["sha256"]])

    def table(
        self, query: Dataset, batches: Mapping[str, TypedBatch] | None = None
    ) -> pd.DataFrame:
        """List which pseudonym belongs to which name; for the study's owner only.

        Parameters
        ----------
        query : Dataset
        batches : mapping from name to TypedBatch, optional
            Cells added to the study later, with their names.

        Returns
        -------
        DataFrame
            kind, name, pseudonym.
        """
        import pandas as pd

        batches = batches or {}
        every_set = (query, *(one.query for one in batches.values()))
        names = {
            "file": [name for one in every_set for name in one.files],
            "sha256": [name for one in every_set for name in one.cells],
            "slide": [name for one in every_set for name in one.slide or ()],
            "patient": [name for one in every_set for name in one.patient or ()],
            "batch": list(batches),
        }
        rows = [
            (kind, name, self.of(kind, name))
            for kind, every in names.items()
            for name in sorted(set(every) - {""})
        ]
        return pd.DataFrame(rows, columns=["kind", "name", "pseudonym"])


def is_pseudonym(text: str) -> bool:
    """Tell whether a content hash has been replaced by a pseudonym.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
    """
    return text.startswith("sha256-")
