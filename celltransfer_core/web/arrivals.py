"""Import of the files of a zip, or of a folder on the server, into a set.

First the files are compared with those of the set. If a name is used by another content, nothing is
imported until the user has chosen what to do. Then the files are given to the set in batches, and
each batch is reported once it is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from celltransfer_core.data.archives import Unpacked
from celltransfer_core.data.checks import name_problem
from celltransfer_core.data.folders import find_files
from celltransfer_core.data.images import MAX_BYTES
from celltransfer_core.data.same_names import Clash, free_number
from celltransfer_core.data.tables import TABLES
from celltransfer_core.errors import CellTransferError, DataError
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.web.batches import BATCH_BYTES, BATCH_FILES

Wanted = Callable[[str, int], bool]
"""Takes the name and the size of a file; tells whether its bytes are needed."""

Source = Callable[[Wanted], Iterator[Unpacked]]
"""Reads the files needed from a zip or a folder; it can be called repeatedly."""

NAME_TAKEN = (
    "another file with this name but different content is already here; add it again to "
    "choose what to do"
)
_GUESSED = (
    "The zip does not state the encoding of its file names; {} was assumed. If names are wrong, "
    "remove the set and drop the folder itself."
)
_SHOWN = 5  # names in a question
_TABLES = 4  # tables of an import, in upper or lower case; kept in memory


@dataclass
class Compared:
    """The contents of a zip or folder, compared with those of its set."""

    names: set[str] = field(default_factory=set)
    same: set[str] = field(default_factory=set)
    """Files that the set already has with the same content."""
    clashing: dict[str, str] = field(default_factory=dict)
    """Content hash of each file whose name an image or table with other content has."""
    tables: list[Unpacked] = field(default_factory=list)
    guess: str = ""
    """The assumed encoding of the names of a zip that does not specify it."""


def give(
    workspace: Workspace,
    set_id: str,
    files: Iterable[tuple[str, bytes]],
    clash: Clash = "ask",
    number: int = 2,
    passed_over: Iterable[tuple[str, str]] = (),
) -> tuple[int, list[dict[str, str]]]:
    """Give files to a set; refuse invalid names before they reach it.

    Parameters
    ----------
    workspace : Workspace
    set_id : str
    files : iterable of (name, bytes)
    clash, number, passed_over
        See ``Workspace.receive``.

    Returns
    -------
    taken : int
    refused : list of dict
        ``name`` and ``reason``.
    """
    refused: list[dict[str, str]] = []

    def can_be_kept(name: str) -> bool:
        if problem := name_problem(name):
            printable = name.encode("utf-8", "backslashreplace").decode()
            refused.append({"name": printable[:200], "reason": problem})
        return not problem

    received = workspace.receive(
        set_id,
        ((name, data) for name, data in files if can_be_kept(name)),
        clash=clash,
        number=number,
        passed_over=[(name, reason) for name, reason in passed_over if can_be_kept(name)],
    )
    refused += [{"name": name, "reason": reason} for name, reason in received.refused]
    refused += [{"name": name, "reason": NAME_TAKEN} for name in received.clashing]
    return received.taken, refused


def folder_source(folder: Path) -> Source:
    """Make a source that reads the files of a folder on the server.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Source
    """

    def read(wanted: Wanted) -> Iterator[Unpacked]:
        names, left_out = find_files(folder)
        total = len(names) + len(left_out)
        for number, remark in enumerate(left_out, start=1):
            yield Unpacked(remark.file, b"", remark.reason, number, total)
        for number, name in enumerate(names, start=len(left_out) + 1):
            path = folder / name
            try:
                size = path.stat().st_size
                if not wanted(name, size):
                    continue
                problem = (
                    f"the file is over {MAX_BYTES // 1_000_000} MB" if size > MAX_BYTES else ""
                )
                yield Unpacked(name, b"" if problem else path.read_bytes(), problem, number, total)
            except OSError as error:
                yield Unpacked(name, b"", f"cannot be read ({error.strerror})", number, total)

    return read


def take_in(
    workspace: Workspace, set_id: str, source: Source, clash: Clash
) -> Iterator[dict[str, Any]]:
    """Import the files of a zip or folder, batch by batch.

    Parameters
    ----------
    workspace : Workspace
    set_id : str
    source : Source
    clash : {"ask", "both", "replace", "leave"}

    Yields
    ------
    dict
        During the comparison ``compared`` and ``total``; after each batch ``done``, ``total``,
        ``taken`` and ``refused``; at the end ``finished`` with the number of files that the set
        had ``already``, and ``said`` if there is a message about all files. If nothing was
        imported, ``clash`` with the question for the user, or ``error``.
    """
    found = Compared()
    try:
        known = {**workspace.known_files(set_id), **workspace.known_tables(set_id)}
        yield from _compare(source, known, found)
        if bad := next((table for table in found.tables if table.problem), None):
            yield {"error": f"Nothing was added: {bad.name} {bad.problem}."}
        elif found.clashing and clash == "ask":
            yield {"clash": _question(found.clashing)}
        else:
            yield from _give_all(workspace, set_id, source, known, found, clash)
            told = {"said": _GUESSED.format(found.guess)} if found.guess else {}
            yield {"finished": True, "already": len(found.same), **told}
    except CellTransferError as error:
        yield {"error": str(error)}


def _is_table(name: str) -> bool:
    return name.lower() in TABLES


def _compare(source: Source, known: Mapping[str, str], found: Compared) -> Iterator[dict[str, Any]]:
    def wanted(name: str, size: int) -> bool:  # noqa: ARG001
        found.names.add(name)
        return bool(known.get(name)) or _is_table(name)

    for count, entry in enumerate(source(wanted), start=1):
        if count % BATCH_FILES == 0:
            yield {"compared": entry.number, "total": entry.total}
        name = entry.name.lower() if _is_table(entry.name) else entry.name
        if name in TABLES:
            found.tables.append(entry)
            if len(found.tables) > _TABLES:
                raise DataError(f"{name} appears several times; keep one.")
        if entry.problem or not known.get(name):
            continue
        content = hashlib.sha256(
            entry.data.removeprefix(b"\xef\xbb\xbf" if name in TABLES else b"")
        )
        if content.hexdigest() == known[name]:
            found.same.add(name)
        else:
            found.clashing[name] = content.hexdigest()


def _question(clashing: Mapping[str, str]) -> dict[str, Any]:
    images = sorted(name for name in clashing if name not in TABLES)
    return {
        "images": len(images),
        "such_as": images[:_SHOWN],
        "tables": sorted(name for name in clashing if name in TABLES),
    }


def _give_all(
    workspace: Workspace,
    set_id: str,
    source: Source,
    known: Mapping[str, str],
    found: Compared,
    clash: Clash,
) -> Iterator[dict[str, Any]]:
    images = {name: content for name, content in found.clashing.items() if name not in TABLES}
    number = free_number(
        images, lambda name: known.get(name, "coming" if name in found.names else None)
    )
    entries = source(lambda name, size: name not in found.same and not _is_table(name))  # noqa: ARG005
    # A joined table follows the images, which have new names.
    tables = [table for table in found.tables if table.name.lower() not in found.same]
    ordered = (entries, tables) if clash == "both" else (tables, entries)
    for batch in _batches(chain(*ordered)):
        found.guess = found.guess or next((entry.guess for entry in batch if entry.guess), "")
        usable = ((entry.name, entry.data) for entry in batch if not entry.problem)
        passed_over = ((entry.name, entry.problem) for entry in batch if entry.problem)
        taken, refused = give(workspace, set_id, usable, clash, number, passed_over)
        yield {
            "done": max(entry.number for entry in batch),
            "total": batch[-1].total,
            "taken": taken,
            "refused": refused,
        }


def _batches(entries: Iterable[Unpacked]) -> Iterator[Sequence[Unpacked]]:
    batch: list[Unpacked] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += len(entry.data)
        if len(batch) == BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
