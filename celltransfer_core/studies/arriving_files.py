"""Files that arrive in a folder, and their way into the batches of a study.

Each sub-folder becomes a batch, and so do the files in the folder itself, under its name. A file
is taken once it has not changed between two looks at the folder. Links that lead out of the folder
are not followed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from celltransfer_core.data.checks import name_problem
from celltransfer_core.data.folders import find_files
from celltransfer_core.data.images import check_bytes
from celltransfer_core.data.passed_over import is_of_systems
from celltransfer_core.data.tables import TABLES
from celltransfer_core.errors import ImageError, StudyError
from celltransfer_core.studies.batches import add_batch, is_typed, known_cells
from celltransfer_core.studies.records import BATCH, ImageSet, clean_name
from celltransfer_core.studies.workspace import Workspace

Stamp = tuple[int, int]
"""Size of a file in bytes, and the time of its last change in nanoseconds."""

Seen = dict[str, Stamp]
"""Stamp of each file, by its path within the folder."""

_AT_ONCE = 100  # files that are added together
_BYTES_AT_ONCE = 16_000_000
_SHOWN = 40  # letters of a name that is too long


@dataclass
class Arrivals:
    """A folder that is looked at again and again."""

    folder: Path
    done: Seen = field(default_factory=dict)
    """Files that were dealt with, as they were then."""
    seen: Seen = field(default_factory=dict)
    """Files of the last look."""
    heads: set[str] = field(default_factory=set)
    """Sub-folders with files; empty for the folder itself."""
    unread: list[str] = field(default_factory=list)
    """What could not be read in the last look, with reasons."""

    def look(self) -> Seen:
        """Look at the folder.

        Returns
        -------
        dict from path to stamp
            New and changed files that are the same as in the look before.
        """
        now, self.unread = _look(self.folder)
        settled = {
            file: stamp
            for file, stamp in now.items()
            if self.seen.get(file) == stamp and self.done.get(file) != stamp
        }
        self.seen, self.heads = now, {_apart(file)[0] for file in now}
        return settled

    def batches(self, settled: Seen) -> dict[str, Seen]:
        """Sort files by the batch that they belong to.

        Parameters
        ----------
        settled : dict from path to stamp

        Returns
        -------
        dict from sub-folder to files
            The files by their paths within the sub-folder. It is empty for the folder itself.
        """
        found: dict[str, Seen] = {}
        for file, stamp in sorted(settled.items()):
            head, inner = _apart(file)
            found.setdefault(head, {})[inner] = stamp
        return found

    def name_of(self, head: str) -> str:
        """Return the name of the batch of a sub-folder, or of the folder itself.

        Parameters
        ----------
        head : str
            Name of the sub-folder; empty for the folder itself.

        Returns
        -------
        str

        Raises
        ------
        StudyError
            If it cannot be the name of a batch, or files of another folder with the same name would
            replace each other.
        """
        try:
            name = self._named(head)
        except StudyError as error:
            shown = head if len(head) <= _SHOWN else f"{head[:_SHOWN]}…"
            raise StudyError(f"The folder {shown} cannot be a batch. {error}") from error
        others = [one for one in self.heads - {head} if self._is_named(one, name)]
        if others and any(self._inside(head) & self._inside(one) for one in others):
            raise StudyError(
                f"Files of two folders would replace each other in one batch called {name}: rename "
                "the sub-folder, or move the files in the folder itself into another sub-folder."
            )
        return name

    def _inside(self, head: str) -> set[str]:
        return {inner for one, inner in map(_apart, self.seen) if one == head}

    def _named(self, head: str) -> str:
        return clean_name(head or self.folder.resolve().name)

    def _is_named(self, head: str, name: str) -> bool:
        try:
            return self._named(head) == name
        except StudyError:  # said for its own files
            return False

    def settle(self, head: str, files: Seen) -> None:
        """Note files of a sub-folder that were dealt with.

        Parameters
        ----------
        head : str
        files : dict from path to stamp
            By their paths within the sub-folder.
        """
        self.done |= {f"{head}/{inner}" if head else inner: at for inner, at in files.items()}

    def forget_gone(self) -> None:
        """Forget files that are no longer in the folder, if all of it could be read."""
        if not self.unread:
            self.done = {file: at for file, at in self.done.items() if file in self.seen}


def _apart(file: str) -> tuple[str, str]:
    head, _, inner = file.partition("/")
    return (head, inner) if inner else ("", file)


def _stamp(found: os.stat_result) -> Stamp:
    return (found.st_size, found.st_mtime_ns)


def _look(folder: Path) -> tuple[Seen, list[str]]:
    """List the files of a folder, and what of it cannot be read."""
    seen, unread = Seen(), list[str]()
    inside = folder.resolve()

    def told(path: Path) -> str:
        # As find_files writes names that are not valid text.
        return path.relative_to(folder).as_posix().encode("utf-8", "backslashreplace").decode()

    def note(error: OSError) -> None:
        where = Path(error.filename)
        name = folder.name if where == folder else told(where)
        unread.append(f"{name} cannot be opened ({error.strerror})")

    for here, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not is_of_systems(name))
        for name in sorted(files):
            path = Path(here) / name
            if is_of_systems(name):
                continue
            try:
                # Of a link that leads out, nothing but the link itself is looked at.
                followed = not path.is_symlink() or path.resolve().is_relative_to(inside)
                found = path.stat() if followed else path.lstat()
            except (OSError, RuntimeError):  # it has just been renamed, or is a link to itself
                continue
            if not followed or stat.S_ISREG(found.st_mode):
                seen[told(path)] = _stamp(found)
    return seen, unread


@dataclass(frozen=True)
class Added:
    """Files that were dealt with together."""

    files: Seen
    """As they were; each was added, was there already, or cannot be used."""
    cells: int = 0
    """Number of images that were added."""
    changed: bool = False
    """Whether the batch must be typed: it has other images or tables than before, or files of it
    that were added earlier, perhaps by a process that was killed, are not typed yet."""
    already: int = 0
    """Number of images that are in the study's query or another batch."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Number of files that cannot be used, by reason."""
    unread: Counter[str] = field(default_factory=Counter)
    """Number of files that could not be read now, by reason; they can be tried again."""


def add_files(
    workspace: Workspace,
    study: str,
    folder: Path,
    name: str,
    only: Seen | None = None,
    again: str = "",
) -> Iterator[Added]:
    """Add the files of a folder to a batch, which is created with its first image.

    Parameters
    ----------
    workspace : Workspace
    study : str
        Its id.
    folder : Path
    name : str
        Name of the batch.
    only : dict from path to stamp, optional
        The files to add, unless they have changed since; all by default.
    again : str
        What to do once a full disk has space; see ``Workspace.receive``. Empty if the files are
        tried again automatically.

    Yields
    ------
    Added
        After each part of at most 100 files.

    Raises
    ------
    CellTransferError
        If the folder cannot be read, the cells of the study are not typed, or the workspace cannot
        be written. Parts that were added stay.
    """
    names, remarks = find_files(folder)
    refused = [(one.file, one.reason) for one in remarks]
    refused += [(one, problem) for one in names if (problem := name_problem(one))]
    wanted = [one for one in names if not name_problem(one)]
    if only is not None:
        refused = [(one, reason) for one, reason in refused if one in only]
        wanted = [one for one in wanted if one in only]
    batch = next((one for one in workspace.sets(study, BATCH) if one.name == name), None)
    yield from _Adding(workspace, study, name, batch, folder, only, again).add(wanted, refused)


@dataclass
class _Part:
    """Files that are given to a batch together."""

    refused: list[tuple[str, str]]
    """Files that cannot be used, with reasons."""
    names: list[str] = field(default_factory=list)
    """Files that were read."""
    files: list[tuple[str, bytes]] = field(default_factory=list)
    """Those that are not in the study yet."""
    unread: Counter[str] = field(default_factory=Counter)
    already: int = 0

    @property
    def full(self) -> bool:
        """Whether it is to be given to the batch now."""
        size = sum(len(data) for _, data in self.files)
        return len(self.names) >= _AT_ONCE or size >= _BYTES_AT_ONCE


@dataclass
class _Adding:
    """Files on their way into a batch."""

    workspace: Workspace
    study: str
    name: str
    batch: ImageSet | None
    """None until there is an image for it."""
    folder: Path
    only: Seen | None
    again: str
    tables: list[tuple[str, bytes]] = field(default_factory=list)
    """Tables that wait for the first image."""
    listed: list[tuple[str, str]] = field(default_factory=list)
    """Files that cannot be used and wait for the first image, with reasons."""

    def add(self, wanted: list[str], refused: list[tuple[str, str]]) -> Iterator[Added]:
        """Add files part by part; list the refused ones with the first part."""
        known = known_cells(self.workspace, self.study, beside=self.batch.id if self.batch else "")
        there = self.workspace.known_files(self.batch.id) if self.batch else {}
        part = _Part(refused)
        for name in wanted:
            try:
                data = self._read(name)
            except FileNotFoundError:  # it has just been renamed or deleted
                continue
            except OSError as error:
                part.unread[error.strerror or str(error)] += 1
                continue
            except ImageError as error:
                part.refused.append((name, str(error)))
                continue
            if data is None:
                continue
            part.names.append(name)
            if known(data):
                part.already += 1
            elif there.get(name) != hashlib.sha256(data).hexdigest():
                part.files.append((name, data))
            if part.full:
                yield self._receive(part)
                part = _Part([])
        yield self._receive(part)

    def _read(self, name: str) -> bytes | None:
        """Read a file; None if it has changed since the folder was looked at."""
        # It was found inside the folder, but a link may have taken its place.
        path = (self.folder / name).resolve(strict=True)
        if not path.is_relative_to(self.folder.resolve()):
            return None
        check_bytes(path.stat().st_size)
        data = path.read_bytes()
        return data if self.only is None or self.only[name] == _stamp(path.stat()) else None

    def _receive(self, part: _Part) -> Added:
        """Give a part to the batch."""
        left_out = Counter(reason for _, reason in part.refused)
        files = [*self.tables, *part.files]
        listed = [(name, reason) for name, reason in part.refused if not name_problem(name)]
        listed = [*self.listed, *listed]
        images = [name for name, _ in files if name.lower() not in TABLES]
        dealt = [*part.names, *(name for name, _ in part.refused)]
        cells, changed = 0, False
        if images and self.batch is None:
            self.batch = add_batch(self.workspace, self.study, self.name)
        if self.batch is None:
            self.tables, self.listed = files, listed
            dealt = [name for name in dealt if name not in dict(files)]
        else:
            earlier = self.batch.revision
            if files or listed:
                cells = self._give(self.batch, files, listed, left_out)
                dealt += [name for name, _ in self.tables]
                self.tables, self.listed = [], []
                self.batch = self.workspace.image_set(self.batch.id)
            changed = self.batch.revision != earlier
            changed = changed or (bool(part.names) and not is_typed(self.workspace, self.batch))
        stamps = {} if self.only is None else {name: self.only[name] for name in dealt}
        return Added(stamps, cells, changed, part.already, left_out, part.unread)

    def _give(
        self,
        batch: ImageSet,
        files: list[tuple[str, bytes]],
        listed: list[tuple[str, str]],
        left_out: Counter[str],
    ) -> int:
        """Give files to the batch; return how many images are new, and count unusable files."""
        got = self.workspace.receive(
            batch.id, files, clash="replace", passed_over=listed, again=self.again
        )
        broken = dict(got.refused).keys() - dict(listed).keys()
        left_out.update(reason for name, reason in got.refused if name in broken)
        return sum(name.lower() not in TABLES and name not in broken for name, _ in files)
