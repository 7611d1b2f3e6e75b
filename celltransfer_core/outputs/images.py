"""The query's images as a zip with one folder a type: pixels alone, safe names."""

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
    """Write every image to a zip with one folder a type.

    Parameters
    ----------
    query : Dataset
    types : sequence of str, length m
        Of every cell, such as ``final_types(…).final``.
    path : Path
        Of the zip. It is written image by image, so that it need not fit into memory.
    pseudonyms : Pseudonyms, optional
        For the files' names. By default these are kept, with a part of a hash behind them, because
        two folders may hold files of the same name.
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
    Images are decoded and written anew as 8-bit RGB PNG, first page alone, at their own size:
    metadata of the files (names, places, devices, comments) stays behind. Names are reduced to
    characters that every system allows and never hold a folder.
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
                    # Without a time of its own: the same images give the same bytes.
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
    """Name a folder for each type; no two differ in upper and lower case alone.

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
    """Reduce a name to what every system allows; it never holds a folder.

    Windows has words, such as ``aux``, that no file may be called there.

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
