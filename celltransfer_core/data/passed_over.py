"""Explain by name why files that are neither image nor table are skipped, and count them.

The reason depends on the name only, because the file is not opened. It is the same text for all
files of a kind, so that many files can be reported in one line. Not in the paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from celltransfer_core.data.dataset import Remark
from celltransfer_core.data.images import EXTENSIONS
from celltransfer_core.data.tables import TABLES

NO_IMAGE = "is no image by its name"
"""Most common reason why files are skipped."""

_LONGEST = 9  # maximum length of an extension: the text after the dot in "site A. 3 May" is not one

OF_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "icon\r", "__macosx"})
"""Files and folders that operating systems leave behind, in lower case, besides hidden ones."""

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
    """Files with one extension in one folder that are left out for the same reason."""

    reason: str
    extension: str
    """Extension in lower case, with its dot; empty if there is none."""
    folder: str
    """Outermost folder; empty for files outside any folder."""
    files: int


def extension_of(name: str) -> str:
    """Return the extension of a file name.

    Parameters
    ----------
    name : str
        Name with its folders, separated by ``/``.

    Returns
    -------
    str
        Extension in lower case, with its dot; empty if there is none.
    """
    # A Path is ten times slower, and a set may have 100,000 files.
    stem, _, end = name.rpartition("/")[2].rpartition(".")
    return f".{end.lower()}" if stem and end.isalnum() and len(end) < _LONGEST else ""


def is_of_systems(name: str) -> bool:
    """Return whether a file is hidden or left behind by an operating system.

    Parameters
    ----------
    name : str
        Name with its folders, separated by ``/``.

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
    """Return why a file is skipped without opening it, by its name.

    Parameters
    ----------
    name : str
        Name with its folders, separated by ``/``.

    Returns
    -------
    str
        Empty for an image, and for a table next to the folders of the types.

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
    """Count left-out files by reason and extension.

    Parameters
    ----------
    remarks : iterable of Remark
    folders : bool
        Whether to count by the outermost folder too, which may name a type.

    Returns
    -------
    tuple of PassedOver
        Largest counts first.
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
