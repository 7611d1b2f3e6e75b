"""Records of a workspace: studies, sets, decisions, jobs, as they were when they were asked for.

They are frozen copies of rows of the database; changes go through
:class:`~celltransfer_core.studies.workspace.Workspace`.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from celltransfer_core.errors import StudyError

Role = Literal["reference", "query", "extra", "batch"]
ROLES: tuple[Role, ...] = ("reference", "query", "extra", "batch")

BATCH: Literal["batch"] = "batch"
"""Of a set that came after a study: typed by what it taught, no part of its results and not signed
with it; see :mod:`celltransfer_core.studies.batches`."""

MAX_TAG = 60
"""Characters in a tag of a study."""

MAX_NAME = 120
"""Characters in a study's, a set's or a person's name."""


@dataclass(frozen=True)
class Study:
    """One study, as it was when asked for."""

    id: str
    name: str
    created: str
    """UTC, ISO 8601; so are all times."""
    changed: str
    drawn: bool
    """Whether it is the demo, of drawn cells."""
    deleted: str | None
    signed: str | None
    """When it was signed off; nothing can be changed after, but batches can be added."""
    signed_by: str
    options: Mapping[str, Any]
    """What differs from the default configuration, by field of ``Config``."""
    tags: Sequence[str] | None = None
    """Words to find it by, such as ``stain: Giemsa``; None as long as nobody gave any."""
    archived: str | None = None
    """When it was put aside; it is listed on demand alone."""


@dataclass(frozen=True)
class ImageSet:
    """One set of images of a study."""

    id: str
    study: str
    role: str
    name: str
    position: int
    revision: str
    """Changes whenever its images or tables do."""
    um_per_px: float | None
    mapping: Mapping[str, str]
    """Types to rename: from the set's own to the study's; to nothing leaves a type out."""
    types_at: str | None = None
    """Level of the folders that name its types (see
    :func:`~celltransfer_core.data.levels.read_level`); empty until somebody says so where it is
    unclear. None for a set of an earlier version, which took the outermost."""
    channels: str | None = None
    """Channels to show, such as ``1,2,4``, where these are no colours; see
    :func:`~celltransfer_core.data.channels.parse_channels`."""
    unusable: str | None = None
    """Changes whenever files come that cannot be used."""


@dataclass(frozen=True)
class Decision:
    """What one person decided, as it is stored."""

    id: int
    """Ascending in the order of the decisions."""
    study: str
    kind: str
    """``match``, ``cluster`` (an edit), ``cluster-name``, ``keep`` (of a type), ``review`` or
    ``label`` (of a reference cell), ``filter`` (saved under a name); or ``types``, an earlier
    mapping of a set's types."""
    payload: Mapping[str, Any]
    """JSON values; which ones depends on the kind."""
    who: str
    at: str
    undone: bool = False


@dataclass(frozen=True)
class Job:
    """Work that runs, or ran, in a process of its own."""

    id: str
    study: str
    target: str
    state: str
    """``queued``, ``running``, ``done``, ``failed``, ``cancelled`` or ``stopped``."""
    phase: str
    done: int
    total: int
    message: str
    pid: int | None
    owner: str | None
    """The process that answers for it; see :mod:`celltransfer_core.studies.owners`."""
    beat: float
    """Grows with every sign of life: seconds on a clock of its process that nobody sets."""
    phase_began: float
    """When its phase began, on the clock of ``beat``."""
    created: str
    ended: str | None
    cancel: bool
    timetable: Sequence[Any] | None = None
    """Its phases, and how long each takes: see :mod:`celltransfer_core.studies.timetable`. None
    before it has begun, and where an earlier version ran it."""

    @property
    def active(self) -> bool:
        """Whether it still runs or waits."""
        return self.state in ("queued", "running")


@dataclass(frozen=True)
class Erasure:
    """What somebody deleted for good: how much, not what."""

    at: str
    who: str
    studies: int
    decisions: int
    images: int
    size: int
    """Bytes of images and results."""


@dataclass(frozen=True)
class Received:
    """The outcome of a batch of uploaded files."""

    taken: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    """Name and reason of each file that cannot be used."""
    clashing: tuple[str, ...] = ()
    """Names that a file of other content has here: somebody must be asked."""


def now() -> str:
    """Return the time, UTC, ISO 8601 to the millisecond."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")


def one_form(name: str) -> str:
    """Write a name on one line, in one form of Unicode (NFC): as it looks, so it compares.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        Printable; empty if nothing is left.
    """
    printable = "".join(c if c.isprintable() else " " for c in name)
    return unicodedata.normalize("NFC", " ".join(printable.split()))


def clean_name(name: str) -> str:
    """Bring a name that somebody typed to one line of printable text, in one form of Unicode.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Raises
    ------
    StudyError
        If nothing is left, or it is too long.
    """
    text = one_form(name)
    if not text:
        raise StudyError("A name is required: enter at least one letter.")
    if len(text) > MAX_NAME:
        raise StudyError(f"The name is longer than {MAX_NAME} characters; shorten it.")
    return text


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Bring tags that somebody typed to one form; of those that differ in case alone, the first.

    Parameters
    ----------
    tags : iterable of str

    Returns
    -------
    list of str

    Raises
    ------
    StudyError
        If one is too long.
    """
    found: dict[str, str] = {}
    for tag in map(one_form, tags):
        if len(tag) > MAX_TAG:
            raise StudyError(
                f"The tag {tag[:20]}… is longer than {MAX_TAG} characters; shorten it."
            )
        if tag:
            found.setdefault(tag.casefold(), tag)
    return [*found.values()]
