"""Names of files in; why those that are no image and no table are passed over, and counts, out.

The reason is told by the name alone, for the file is not opened, and is one text for a kind, so
that very many files are told in a line. Not in the paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from celltransfer_core.data.dataset import Remark
from celltransfer_core.data.images import EXTENSIONS
from celltransfer_core.data.tables import TABLES

NO_IMAGE = "is no image by its name"
"""Why most files that are passed over are."""

_LONGEST = 9  # characters of an extension: what follows the dot in "site A. 3 May" is none

OF_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "icon\r", "__macosx"})
"""Names of files and folders that systems leave behind, in small letters; hidden ones beside."""

_SAVE = "save it as PNG or TIFF"
_CUT = "save each cell as PNG or TIFF"
_UNPACK = "unpack it, and add its content"

_KINDS = {
    "a GIF image": (".gif", _SAVE),
    "a JPEG XL image": (".jxl", _SAVE),
    "a JPEG XR image": (".jxr .wdp", _SAVE),
    "a Photoshop image": (".psd", _SAVE),
    "a camera's raw image": (".nef .cr2 .cr3 .arw .dng", _SAVE),
    "a PDF document": (".pdf", _SAVE),
    "a microscope's own file": (".czi .lif .nd2 .oib .oif .vsi .ims .lsm", _CUT),
    "a scanned slide": (".svs .ndpi .mrxs .scn .bif", _CUT),
    "an array": (".npy .npz .h5 .hdf5 .mat", _CUT),
    "an archive": (".zip .rar .7z .tar .gz .tgz .bz2 .xz .zst", _UNPACK),
}
_REASONS = {
    end: f"is {what} by its name; {remedy}"
    for what, (ends, remedy) in _KINDS.items()
    for end in ends.split()
}


@dataclass(frozen=True)
class PassedOver:
    """Files that are left out for one reason, of one extension, in one folder."""

    reason: str
    extension: str
    """In small letters, with its dot; empty without one."""
    folder: str
    """The outermost; empty for files that lie in none."""
    files: int


def extension_of(name: str) -> str:
    """Return the extension of a file's name.

    Parameters
    ----------
    name : str
        With its folders, ``/`` between them.

    Returns
    -------
    str
        In small letters, with its dot; empty without one.
    """
    # A path takes ten times as long, and a set may have 100,000 files.
    stem, _, end = name.rpartition("/")[2].rpartition(".")
    return f".{end.lower()}" if stem and end.isalnum() and len(end) < _LONGEST else ""


def is_of_systems(name: str) -> bool:
    """Tell whether a file is one that systems leave behind: hidden, or beside what it speaks of.

    Parameters
    ----------
    name : str
        With its folders, ``/`` between them.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_of_systems("__MACOSX/a/._1.png"), is_of_systems("a/1.png")
    (True, False)
    """
    parts = name.lower().split("/")
    if "/." in f"/{name}" and any(p.startswith(".") and p not in (".", "..") for p in parts):
        return True
    return not OF_SYSTEMS.isdisjoint(parts)


def kind_problem(name: str) -> str:
    """Return why a file is passed over unopened, by its name.

    Parameters
    ----------
    name : str
        With its folders, ``/`` between them.

    Returns
    -------
    str
        Empty for an image and for a table beside the types' folders.

    Examples
    --------
    >>> kind_problem("a/1.txt")
    'is no image by its name'
    """
    extension = extension_of(name)
    if extension in EXTENSIONS or name.rpartition("/")[2].lower() in TABLES:
        return ""
    if not extension:
        return "has no extension; give the images one, such as .png"
    return _REASONS.get(extension, NO_IMAGE)


def count_passed_over(remarks: Iterable[Remark], *, folders: bool) -> tuple[PassedOver, ...]:
    """Count files that are left out by reason and extension.

    Parameters
    ----------
    remarks : iterable of Remark
    folders : bool
        Whether by the outermost folder too; it can tell a type.

    Returns
    -------
    tuple of PassedOver
        The most files first.
    """
    counts = Counter(
        (
            one.reason,
            extension_of(one.file),
            one.file.partition("/")[0] if folders and "/" in one.file else "",
        )
        for one in remarks
    )
    return tuple(PassedOver(*kind, files) for kind, files in counts.most_common())
