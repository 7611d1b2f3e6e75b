"""A study as one file: a zip archive of a manifest, its images, its decisions and its results.

The same study always gives the same file. A file from any source is read only after all of it has
been checked. Entries are stored uncompressed, so that the file cannot expand to more than its own
size. Images and results are found by their content, and no name in the file is ever used as a path.

=====================  ==========================================================================
entry                  holds
=====================  ==========================================================================
``study.json``         the study's options and signature; its sets, their tables and their files
``decisions.json``     who decided what and when
``results/NAME.json``  a result of a stage, see :mod:`celltransfer_core.studies.plain_results`
``results/NAME.bin``   its arrays
``images/HASH``        an image
``manifest.json``      format, version, and the size and SHA-256 of every other entry
=====================  ==========================================================================
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from celltransfer_core.about import __version__
from celltransfer_core.data.archives import directory_size
from celltransfer_core.errors import DataError
from celltransfer_core.studies.plain_results import PlainResult
from celltransfer_core.studies.study_contents import StudyContents, checked_contents

FORMAT = "celltransfer study"
VERSION = 1
"""Version of the file's format; increased whenever an earlier program would misread a file."""

MOST_ENTRIES = 2_000_000

_MANIFEST, _STUDY, _DECISIONS = "manifest.json", "study.json", "decisions.json"
_IMAGE = "images/{}"
_NAMES = re.compile(
    r"study\.json|decisions\.json|results/[a-z]+-[0-9a-f]{1,64}\.(json|bin)|images/[0-9a-f]{64}"
)
_TOLD_AS_ENTRY = 400  # largest size of an entry in a zip's directory, in bytes
_EPOCH = (1980, 1, 1, 0, 0, 0)  # earliest time in a zip; fixed for reproducible files


@dataclass(frozen=True)
class KeptResult:
    """A result of a stage, as it is stored in a file."""

    name: str
    """Stage and key."""
    written: str
    """When it was computed."""
    plain: PlainResult


def write_study_file(
    path: Path,
    study: str,
    contents: StudyContents,
    results: Iterable[KeptResult],
    image: Callable[[str], bytes],
) -> None:
    """Write a study to a file.

    Parameters
    ----------
    path : Path
    study : str
        Its id.
    contents : StudyContents
    results : iterable of KeptResult
    image : callable
        Takes a content hash and returns the image.
    """
    entries: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(path, "w") as archive:

        def write(name: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
            entries[name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

        sets = zip(contents.sets, contents.files, strict=True)
        told = [{**own, "files": files} for own, files in sets]
        write(_STUDY, _json({**contents.study, "sets": told}))
        write(_DECISIONS, _json(contents.decisions))
        for one in results:
            plain = {"written": one.written, "nodes": one.plain.nodes}
            write(f"results/{one.name}.json", _json(plain))
            write(f"results/{one.name}.bin", one.plain.arrays)
        for sha256 in contents.images:
            write(_IMAGE.format(sha256), image(sha256))
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "program": __version__,
            "study": study,
            "entries": dict(entries),
        }
        write(_MANIFEST, _json(manifest))


def _json(value: Any) -> bytes:
    written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return written.encode()


class StudyFile:
    """A file that holds a study; every entry is checked before anything is read from it.

    Parameters
    ----------
    archive : ZipFile

    Raises
    ------
    DataError
        If it does not hold a study, or holds one that this version cannot read.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries: Mapping[str, Any] = {}
        manifest = self._json(_MANIFEST)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise DataError("The file contains no study; use a file written by `study export`.")
        if manifest.get("version") != VERSION:
            raise DataError(
                f"The file was written by CellTransfer {str(manifest.get('program'))[:20]} in a "
                "newer format; update CellTransfer, then import it again."
            )
        self._entries = manifest.get("entries", {})
        self.study = str(manifest.get("study"))
        """Id of the study in its original workspace."""
        self._check_entries()
        self.contents = checked_contents(self._json(_STUDY), self._json(_DECISIONS))
        held = {
            name: told["size"] for name, told in self._entries.items() if name.startswith("images/")
        }
        if held != {_IMAGE.format(one): size for one, size in self.contents.images.items()}:
            raise DataError("The study in the file is damaged (its images do not match).")

    def _check_entries(self) -> None:
        if not isinstance(self._entries, dict) or not re.fullmatch("[0-9a-f]{12}", self.study):
            raise DataError("The manifest in the file is damaged; export the study again.")
        listed = {one.filename: one for one in self._archive.infolist()}
        if listed.keys() != {*self._entries, _MANIFEST} or not {_STUDY, _DECISIONS} <= {
            *self._entries
        }:
            raise DataError("The file's entries do not match its manifest; export the study again.")
        for name, told in self._entries.items():
            if not _NAMES.fullmatch(name):
                raise DataError(
                    f"The file contains {ascii(name)[:80]}, which is not part of a study; "
                    "export the study again."
                )
            if not isinstance(told, dict) or listed[name].file_size != told.get("size"):
                raise DataError(f"{name} in the file is damaged; export the study again.")

    @property
    def result_names(self) -> list[str]:
        """Stage and key of each result, sorted by name."""
        found = (name.removeprefix("results/") for name in self._entries if "results/" in name)
        return sorted(name.removesuffix(".json") for name in found if name.endswith(".json"))

    def image(self, sha256: str) -> bytes:
        """Read an image.

        Parameters
        ----------
        sha256 : str

        Returns
        -------
        bytes

        Raises
        ------
        DataError
            If its content does not match its name.
        """
        data = self._read(_IMAGE.format(sha256))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DataError(f"images/{sha256} in the file is damaged; export the study again.")
        return data

    def result(self, name: str) -> KeptResult:
        """Read a result.

        Parameters
        ----------
        name : str

        Returns
        -------
        KeptResult

        Raises
        ------
        DataError
            If it is damaged.
        """
        told = self._json(f"results/{name}.json")
        try:
            written, nodes = told["written"], told["nodes"]
            dt.datetime.fromisoformat(written).timestamp()
        except (TypeError, ValueError, LookupError, OverflowError) as error:
            raise DataError(f"A result cannot be read ({error}).") from error
        return KeptResult(name, written, PlainResult(nodes, self._read(f"results/{name}.bin")))

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self._read(name))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name} in the file is damaged; export the study again.") from error

    def _read(self, name: str) -> bytes:
        try:
            data = self._archive.read(name)
        except KeyError as error:
            raise DataError(
                f"The file contains no study ({name} is missing); use a file written by `study "
                "export`."
            ) from error
        told = self._entries.get(name)
        if told and hashlib.sha256(data).hexdigest() != told.get("sha256"):
            raise DataError(f"{name} in the file is damaged; export the study again.")
        return data


@contextmanager
def open_study_file(file: IO[bytes]) -> Iterator[StudyFile]:
    """Open a file that holds a study.

    Parameters
    ----------
    file : binary file
        File from any source; it must be seekable.

    Yields
    ------
    StudyFile

    Raises
    ------
    DataError
        If it is not such a file or is damaged, even if that is found only within the block.
    """
    try:
        length = file.seek(0, io.SEEK_END)
        entries, size = directory_size(file)
        if entries > MOST_ENTRIES or size > MOST_ENTRIES * _TOLD_AS_ENTRY:
            raise DataError("The file has more entries than any study; export the study again.")
        with zipfile.ZipFile(file) as archive:
            _check_plain(archive.infolist(), length)
            yield StudyFile(archive)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise DataError(
            f"The file contains no study, or is damaged or truncated ({error}); use a file written "
            "by `study export`."
        ) from error


def _check_plain(listed: list[zipfile.ZipInfo], length: int) -> None:
    """Check that no entry is compressed and no entries overlap, so that nothing expands.

    Otherwise a few bytes could unpack to any amount of data.
    """
    packed = any(one.compress_type != zipfile.ZIP_STORED for one in listed)
    if packed or sum(one.file_size for one in listed) > length:
        raise DataError("The file is not compressed as by `study export`; use the original file.")
    if len({one.filename for one in listed}) < len(listed):
        raise DataError("The file has two entries with the same name; export the study again.")
