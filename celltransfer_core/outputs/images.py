"""The query's images as a zip with one folder per type: pixels only, safe names."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.outputs.pseudonyms import Pseudonyms
from celltransfer_core.runtime.files import write_whole
from celltransfer_core.types import Progress, silent


def write_images(
    query: Dataset,
    types: Sequence[str],
    path: Path,
    *,
    pseudonyms: Pseudonyms | None = None,
    progress: Progress = silent,
) -> Path:
    """Write every image to a zip with one folder per type.

    Parameters
    ----------
    query : Dataset
    types : sequence of str, length m
        Type of each cell, such as ``final_types(…).final``.
    path : Path
        Path of the zip. It is written image by image, so that it need not fit into memory.
    pseudonyms : Pseudonyms, optional
        Pseudonyms for the file names. By default, names are kept and part of a hash is appended,
        because two folders may hold files of the same name.
    progress : callable

    Returns
    -------
    Path
        The same.

    Raises
    ------
    ImageError
        If an image no longer exists.
    OutputError
        If the folder cannot be written to or the disk is full.

    Notes
    -----
    Images are decoded and rewritten as 8-bit RGB PNG, first page only, at their original size, so
    that the metadata of the files (names, places, devices, comments) is removed. Names are reduced
    to characters that every system allows and never contain a folder.
    """
    folders = type_folders(types)
    files: list[list[str]] = [[] for _ in range(query.n_cells)]
    for file, cell in zip(query.files, query.cell_index.tolist(), strict=True):
        files[cell].append(file)

    def name_of(file: str, cell: int) -> str:
        if pseudonyms:
            return pseudonyms.of("file", file)
        # Copies of one image may have the same file name in different folders.
        digest = hashlib.sha256(f"{query.cells[cell]} {file}".encode()).hexdigest()[:8]
        return f"{safe_name(Path(file).stem)}-{digest}"

    def write(beside: Path) -> None:
        with zipfile.ZipFile(beside, "w") as archive:
            for cell in range(query.n_cells):
                png = _png(query, cell)
                for file in files[cell]:
                    # No time is stored, so that the same images give the same bytes.
                    entry = zipfile.ZipInfo(f"{folders[types[cell]]}/{name_of(file, cell)}.png")
                    entry.external_attr = 0o644 << 16
                    archive.writestr(entry, png)
                progress("images", cell + 1, query.n_cells)

    return write_whole(path, write)


def _png(query: Dataset, cell: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(query.read(cell)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def type_folders(types: Sequence[str]) -> dict[str, str]:
    """Name a folder for each type; no two names differ in case only.

    Parameters
    ----------
    types : sequence of str

    Returns
    -------
    dict from type to name
    """
    folders: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted({str(name) for name in types}):
        folder, number = safe_name(name), 2
        while folder.casefold() in taken:
            folder, number = f"{safe_name(name)}-{number}", number + 1
        taken.add(folder.casefold())
        folders[name] = folder
    return folders


def safe_name(name: str) -> str:
    """Reduce a name to characters that every system allows; it never contains a folder.

    Names that Windows reserves, such as ``aux``, are avoided.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Examples
    --------
    >>> safe_name("a/b: c ")
    'a_b_ c'
    """
    plain = re.sub(r"[^\w .+-]", "_", name).strip(" .")[:80] or "unnamed"
    return re.sub(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)", r"\1_", plain)
