"""Export a run's query cells as a reference of their own domain.

Each suitable cell is listed with its type and how the type was decided. The exported folder can be
read like any other reference, because its ``labels.csv`` has a type for every image.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from celltransfer_core.about import __version__
from celltransfer_core.data.tables import LABELS_FILE
from celltransfer_core.errors import DataError, OutputError
from celltransfer_core.outputs.entries import decimal
from celltransfer_core.outputs.formats import csv_bytes, json_bytes
from celltransfer_core.outputs.images import safe_name, type_folders
from celltransfer_core.runtime.files import write_together, write_whole
from celltransfer_core.types import Progress, silent
from celltransfer_core.vocabulary import ANSWERS, NONE_TYPE, UNSURE

LEAST_CONFIDENCE = 0.6
"""Confidence from which a cell without an answer serves as a reference.

Of 300 cells of raabin after 50 answers, it leaves out 3, and 2 % of the others are wrong; 0.8
leaves out 18, among them a quarter of the eosinophils, with as many wrong, and 0.9 leaves out half
of them, with 1.4 % wrong (tests/benchmarks/memory_of_a_lab.py).
"""

NEEDED = ("file", "sha256", "predicted_type", "final_type", "reviewed_type", "cluster")
"""Required columns of ``predictions.csv``."""

Decided = Literal["person", "cluster", "vote"]


@dataclass(frozen=True)
class ReferenceCell:
    """A query cell and its final type."""

    file: str
    sha256: str
    label: str
    decided: Decided
    """By a person's answer on this cell, by a cluster confirmed by a person, or by the vote."""
    confidence: float
    """Confidence of the vote, calibrated if enough cells are typed; NaN for a person's answer."""
    slide: str = ""
    patient: str = ""


@dataclass(frozen=True)
class ReferenceCells:
    """The query cells that can serve as a reference."""

    cells: tuple[ReferenceCell, ...]
    """One per distinct image, in the order of their hashes."""
    left_out: Mapping[str, int]
    """Number of cells left out, by reason."""
    least_confidence: float
    calibrated: bool
    """Whether confidences are calibrated."""

    @property
    def types(self) -> dict[str, dict[str, int]]:
        """Number of cells of each type, by how they were decided."""
        counts = Counter((one.label, one.decided) for one in self.cells)
        return {
            name: {way: n for (of, way), n in sorted(counts.items()) if of == name}
            for name in sorted({one.label for one in self.cells})
        }


def find_reference_cells(
    rows: Iterable[Mapping[str, Any]],
    confirmed: Collection[int],
    *,
    least_confidence: float = LEAST_CONFIDENCE,
) -> ReferenceCells:
    """Choose the query cells that can serve as a reference.

    Parameters
    ----------
    rows : iterable of mapping from column to value
        Rows of :func:`~celltransfer_core.outputs.tables.reviewed_table`, as texts or values.
    confirmed : collection of int
        Numbers of the clusters whose type was confirmed by a person.
    least_confidence : float
        Cells without an answer are left out below this confidence.

    Returns
    -------
    ReferenceCells
        Without cells that readers dispute or marked as an artefact or as none of the types, and
        without those of clusters confirmed as none of the types.

    Raises
    ------
    DataError
        If the confidence is not in [0, 1], a row lacks a value, or fewer than two types are left.
    """
    if not 0 <= least_confidence <= 1:
        raise DataError(
            f"--least-confidence cannot be {least_confidence}; it takes a number from 0 to 1."
        )
    found: dict[str, ReferenceCell] = {}
    left_out = Counter[str]()
    calibrated = False
    for row in rows:
        cell, known = _reference_cell(row, confirmed)
        calibrated |= known
        if cell.sha256 in found:
            continue  # a copy
        if reason := _problem(row, cell, confirmed, least_confidence):
            left_out[reason] += 1
        else:
            found[cell.sha256] = cell
    types = sorted({cell.label for cell in found.values()})
    if len(types) < 2:
        what = f"only cells of one type ({types[0]})" if types else "no cells"
        told = "; ".join(f"{n:,} {reason}" for reason, n in sorted(left_out.items()))
        raise DataError(
            f"{what.capitalize()} can serve as a reference, which needs at least two types "
            f"({told or 'nothing was left out'}). Confirm clusters or answer cells, or lower "
            "--least-confidence."
        )
    cells = tuple(found[sha] for sha in sorted(found))
    return ReferenceCells(cells, dict(sorted(left_out.items())), least_confidence, calibrated)


def _reference_cell(
    row: Mapping[str, Any], confirmed: Collection[int]
) -> tuple[ReferenceCell, bool]:
    """Read a row; also return whether its confidence is calibrated."""
    said = str(row["reviewed_type"])
    label, cluster = str(row["final_type"]), int(_number(row, "cluster"))
    calibrated = _number(row, "calibrated_confidence")
    confidence = calibrated if math.isfinite(calibrated) else _number(row, "confidence")
    decided: Decided = "vote"
    if said not in ("", *ANSWERS):
        decided, confidence = "person", math.nan
    elif cluster in confirmed and str(row.get("matched_type", "")) == label:
        decided = "cluster"
    cell = ReferenceCell(
        file=str(row["file"]),
        sha256=str(row["sha256"]),
        label=label,
        decided=decided,
        confidence=confidence,
        slide=str(row.get("slide", "")),
        patient=str(row.get("patient", "")),
    )
    return cell, math.isfinite(calibrated)


def _number(row: Mapping[str, Any], column: str) -> float:
    told = str(row.get(column, ""))
    if told in ("", "nan"):
        return math.nan
    try:
        return decimal(told)
    except ValueError:
        raise DataError(f"{row['file']}: {column} is {told!r}, which is not a number.") from None


def _problem(
    row: Mapping[str, Any], cell: ReferenceCell, confirmed: Collection[int], least: float
) -> str:
    """Say why a cell cannot serve; empty if it can."""
    said = str(row["reviewed_type"])
    if cell.decided == "person":
        return ""
    if said not in ("", UNSURE):
        return f"answered as {said}"
    if int(_number(row, "cluster")) in confirmed and row.get("matched_type", "") == NONE_TYPE:
        return "in clusters that match no type"
    if not cell.confidence >= least:
        return f"below a confidence of {least:g}"
    return ""


def write_reference(
    chosen: ReferenceCells,
    folder: Path,
    described: Mapping[str, Any],
    read: Callable[[ReferenceCell], bytes],
    *,
    progress: Progress = silent,
) -> Path:
    """Write cells as a reference: images by type, ``labels.csv`` and ``manifest.json``.

    Parameters
    ----------
    chosen : ReferenceCells
    folder : Path
        A new or empty folder; folders without a file, left by a full disk, count as empty.
    described : mapping
        The manifest of the run that typed the cells.
    read : callable
        Takes a cell and returns the bytes of its image.
    progress : callable

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        If the folder is not empty or cannot be written to.
    """
    if folder.exists() and not (folder.is_dir() and all(p.is_dir() for p in folder.rglob("*"))):
        raise OutputError(f"{folder} is not empty; give a new folder with --out.")
    with write_together() as write:
        for name, data in reference_files(chosen, described, read, progress=progress):
            write(folder / name, data)
    return folder


def write_reference_zip(
    chosen: ReferenceCells,
    path: Path,
    described: Mapping[str, Any],
    read: Callable[[ReferenceCell], bytes],
    *,
    progress: Progress = silent,
) -> Path:
    """Write the same as one zip; see :func:`write_reference`.

    Parameters
    ----------
    chosen : ReferenceCells
    path : Path
    described, read, progress

    Returns
    -------
    Path
        The same. The same cells give the same bytes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """

    def write(beside: Path) -> None:
        with zipfile.ZipFile(beside, "w") as archive:
            for name, data in reference_files(chosen, described, read, progress=progress):
                entry = zipfile.ZipInfo(name)  # no time is stored
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, data)

    return write_whole(path, write)


def reference_files(
    chosen: ReferenceCells,
    described: Mapping[str, Any],
    read: Callable[[ReferenceCell], bytes],
    *,
    progress: Progress = silent,
) -> Iterable[tuple[str, bytes]]:
    """Yield the files of a reference one by one; see :func:`write_reference`.

    Parameters
    ----------
    chosen, described, read, progress

    Yields
    ------
    name : str
        Relative to the folder.
    data : bytes
        Images as they are in the query: re-encoding would change them.
    """
    names = reference_names(chosen)
    for done, cell in enumerate(chosen.cells, 1):
        yield names[cell.sha256], read(cell)
        progress("images", done, len(chosen.cells))
    yield LABELS_FILE, reference_table(chosen)
    yield "manifest.json", json_bytes(reference_manifest(chosen, described))


def reference_names(chosen: ReferenceCells) -> dict[str, str]:
    """Name the images of a reference by type, without duplicates.

    Parameters
    ----------
    chosen : ReferenceCells

    Returns
    -------
    dict from hash to name
        A folder named by type, the name of the file, and part of the hash, because two folders of
        the query may hold files of the same name.
    """
    folders = type_folders([cell.label for cell in chosen.cells])
    return {
        cell.sha256: f"{folders[cell.label]}/{safe_name(Path(cell.file).stem)}-{cell.sha256[:8]}"
        f"{re.sub(r'[^.a-z0-9]', '', Path(cell.file).suffix.lower())}"
        for cell in chosen.cells
    }


def reference_table(chosen: ReferenceCells) -> bytes:
    """Write the table of a reference.

    Parameters
    ----------
    chosen : ReferenceCells

    Returns
    -------
    bytes
        CSV: file, label, decided, confidence (empty for a person's answer), and slide and patient
        where they are known. Readers are not named.
    """
    import pandas as pd

    names = reference_names(chosen)
    table = pd.DataFrame([asdict(cell) for cell in chosen.cells])
    table["file"] = [names[sha] for sha in table["sha256"]]
    known = [name for name in ("slide", "patient") if table[name].any()]
    return csv_bytes(table[["file", "label", "decided", "confidence", *known]])


def reference_manifest(chosen: ReferenceCells, described: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a reference: what it was made of, and how its types were decided.

    Parameters
    ----------
    chosen : ReferenceCells
    described : mapping
        The manifest of the run.

    Returns
    -------
    dict
        JSON types only; without file names, readers, times and folders.
    """
    query, taught = described["inputs"]["query"], described.get("taught", {})
    return {
        "celltransfer": __version__,
        "kind": "reference of typed query cells",
        "query": {
            name: query[name] for name in ("fingerprint", "cells", "scales") if name in query
        },
        "answers": {"clusters": taught.get("clusters", 0), "cells": taught.get("cells", 0)},
        "least_confidence": chosen.least_confidence,
        "calibrated": chosen.calibrated,
        "cells": len(chosen.cells),
        "types": chosen.types,
        "left_out": dict(chosen.left_out),
    }
