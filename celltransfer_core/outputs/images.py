"""TODO celltransfer_core/outputs/images.py."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.outputs.pseudonyms import Pseudonyms
from celltransfer_core.runtime.files import replace
from celltransfer_core.types import Progress, silent


def write_images(
    query: Dataset,
    types: Sequence[str],
    path: Path,
    *,
    pseudonyms: Pseudonyms | None = None,
    progress: Progress = silent,
) -> Path:
    """Write every image to a zip, one folder a type.

    Parameters
    ----------
    query : Dataset
    types : sequence of str, length m
        Of every cell, such as ``final_types(…).final``.
    path : Path
        Of the zip. It is written as it grows, so that memory does not.
    pseudonyms : Pseudonyms, optional
        Names of files by default, with a part of their content's hash: two folders may hold files
        of one name.
    progress : callable

    Returns
    -------
    Path
        The same.

    Raises
    ------
    ImageError
        If an image is gone.
    OutputError
        If the folder cannot be written to or the disk is full.

    Notes
    -----
    Images are decoded and written anew as 8-bit RGB PNG, first page alone, at their own size: what
    else the files held (names, places, devices, comments) stays behind. Names are reduced to
    letters that every system takes and never hold a folder.
    """
    folders = _folders(types)
    files: list[list[str]] = [[] for _ in range(query.n_cells)]
    for file, cell in zip(query.files, query.cell_index.tolist(), strict=True):
        files[cell].append(file)

    def name_of(file: str, cell: int) -> str:
        if pseudonyms:
            return pseudonyms.of("file", file)
        # Copies of one image may share their last part too.
        told = hashlib.sha256(f"{query.cells[cell]} {file}".encode()).hexdigest()[:8]
        return f"{_safe(Path(file).stem)}-{told}"

    def write(beside: Path) -> None:
        with zipfile.ZipFile(beside, "w") as archive:
            for cell in range(query.n_cells):
                png = _png(query, cell)
                for file in files[cell]:
                    # Without a time of its own: the same images give the same bytes.
                    entry = zipfile.ZipInfo(f"{folders[types[cell]]}/{name_of(file, cell)}.png")
                    entry.external_attr = 0o644 << 16
                    archive.writestr(entry, png)
                progress("images", cell + 1, query.n_cells)

    return replace(path, path.with_name(f".{path.name}.part"), write)


def _png(query: Dataset, cell: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(query.read(cell)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _folders(types: Sequence[str]) -> dict[str, str]:
    """Name a folder for each type; two types never share one, not even without case."""
    folders: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted({str(name) for name in types}):
        folder, number = _safe(name), 2
        while folder.casefold() in taken:
            folder, number = f"{_safe(name)}-{number}", number + 1
        taken.add(folder.casefold())
        folders[name] = folder
    return folders


def _safe(name: str) -> str:
    return re.sub(r"[^\w .+-]", "_", name).strip(" .")[:80] or "unnamed"
