"""Read back a folder that ``run`` wrote: its cells with their types, and their images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celltransfer_core.data.checks import name_problem
from celltransfer_core.errors import DataError
from celltransfer_core.outputs.entries import whole
from celltransfer_core.outputs.handed_back import hash_in, rows_of_file, truth_in
from celltransfer_core.outputs.reference_cells import (
    LEAST_CONFIDENCE,
    NEEDED,
    ReferenceCell,
    ReferenceCells,
    find_reference_cells,
)


@dataclass(frozen=True)
class RunFolder:
    """The outputs of a run, and the location of its query."""

    folder: Path
    manifest: Mapping[str, Any]
    query: Path
    """Folder of the query's images."""

    def reference_cells(self, least_confidence: float = LEAST_CONFIDENCE) -> ReferenceCells:
        """Read the cells that can serve as a reference.

        Parameters
        ----------
        least_confidence : float

        Returns
        -------
        ReferenceCells

        Raises
        ------
        DataError
            If a table cannot be read; see also
            :func:`~celltransfer_core.outputs.reference_cells.find_reference_cells`.
        """
        matches, predictions = self.folder / "matches.csv", self.folder / "predictions.csv"
        confirmed = set()
        for line, row in rows_of_file(matches, "matches", ("cluster", "matched_type", "confirmed")):
            if truth_in(str(matches), line, row, "confirmed"):
                try:
                    confirmed.add(whole(row["cluster"]))
                except ValueError:
                    told = f"{matches}, line {line}: {row['cluster']!r} is not a cluster number."
                    raise DataError(told) from None
        rows = []
        for line, row in rows_of_file(predictions, "predictions", NEEDED):
            hash_in(str(predictions), line, row)  # not a pseudonym
            rows.append(row)
        return find_reference_cells(rows, confirmed, least_confidence=least_confidence)

    def read(self, cell: ReferenceCell) -> bytes:
        """Read the image of a cell.

        Parameters
        ----------
        cell : ReferenceCell

        Returns
        -------
        bytes

        Raises
        ------
        DataError
            If the image is missing or has been replaced.
        """
        if problem := name_problem(cell.file):
            raise DataError(f"{self.folder / 'predictions.csv'}: {cell.file}: {problem}.")
        path = self.query / cell.file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path} cannot be read ({error.strerror}); give the folder of the query's images "
                "with --query."
            ) from error
        if hashlib.sha256(data).hexdigest() != cell.sha256:
            raise DataError(f"{path} is not the image that was typed; run again.")
        return data


def read_run_folder(folder: Path, query: Path | None = None) -> RunFolder:
    """Open a folder that ``run`` wrote.

    Parameters
    ----------
    folder : Path
    query : Path, optional
        Folder of the query's images; by default the one used by the run.

    Returns
    -------
    RunFolder

    Raises
    ------
    DataError
        If it is not such a folder, or does not say where the query is.
    """
    described = _json(folder / "manifest.json", folder)
    if not isinstance(described.get("inputs"), dict) or "query" not in described["inputs"]:
        raise DataError(f"{folder / 'manifest.json'} is not the manifest of a run.")
    if query is None:
        # The manifest contains no folder; the log next to it does.
        log = _json(folder / "run.json", folder)
        told = log.get("options", {}) if isinstance(log.get("options"), dict) else {}
        if not told.get("query"):
            raise DataError(
                f"{folder / 'run.json'} does not state where the query is; give --query."
            )
        query = Path(str(told["query"]))
    return RunFolder(folder, described, query)


def _json(path: Path, folder: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"{folder} was not written by run: {path.name} cannot be read ({error.strerror}). Give "
            "the --out of a run, or study:NAME."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}); run again.") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} must contain one JSON object; run again.")
    return found
