"""Records of a workspace (studies, sets, decisions, jobs) at the time they were read.

They are immutable copies of database rows; changes go through
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

BATCH_REVIEW = "batch-review"
"""Kind of a decision: an answer on a cell of a batch."""

BATCH: Literal["batch"] = "batch"
"""Role of a set added after a study: typed by the classifier that the study trained, but not part
of its results and not covered by its sign-off; see :mod:`celltransfer_core.studies.batches`."""

MAX_TAG = 60
"""Longest tag of a study, in characters."""

MAX_NAME = 120
"""Longest name of a study, a set or a person, in characters."""


@dataclass(frozen=True)
class Study:
    """A study at the time it was read."""

    id: str
    name: str
    created: str
    """UTC, ISO 8601, like all times."""
    changed: str
    drawn: bool
    """Whether it is the demo, whose cells are synthetic."""
    deleted: str | None
    signed: str | None
    """When it was signed off; from then on, batches can be added but nothing else changes."""
    signed_by: str
    options: Mapping[str, Any]
    """Options that differ from the default configuration, by field of ``Config``."""
    tags: Sequence[str] | None = None
    """Search terms, such as ``stain: Giemsa``; None until tags are added."""
    archived: str | None = None
    """When it was archived; archived studies are listed only on request."""


@dataclass(frozen=True)
class ImageSet:
    """One set of images of a study."""

    id: str
    study: str
    role: str
    name: str
    position: int
    revision: str
    """Changes whenever its images or tables change."""
    um_per_px: float | None
    mapping: Mapping[str, str]
    """Types to rename, from the set's own names to the study's; an empty name leaves a type out."""
    types_at: str | None = None
    """Level of the folders that name its types (see
    :func:`~celltransfer_core.data.levels.read_level`). If the level is ambiguous, this is empty
    until the user chooses one. None for a set of an earlier version, which used the outermost
    level."""
    channels: str | None = None
    """Channels to show, such as ``1,2,4``, if they are not colours; see
    :func:`~celltransfer_core.data.channels.parse_channels`."""
    unusable: str | None = None
    """Changes whenever unusable files arrive."""


@dataclass(frozen=True)
class Decision:
    """A decision of one person, as it is stored."""

    id: int
    """Ascending in the order in which the decisions were made."""
    study: str
    kind: str
    """``match``, ``cluster`` (an edit), ``cluster-name``, ``keep`` (of a type), ``review``,
    ``label`` (of a reference cell), ``filter`` (saved under a name); or ``types``, an earlier
    mapping of a set's types."""
    payload: Mapping[str, Any]
    """JSON values that depend on the kind."""
    who: str
    at: str
    undone: bool = False


@dataclass(frozen=True)
class Job:
    """Work that runs, or ran, in a separate process."""

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
    """The process responsible for it; see :mod:`celltransfer_core.studies.owners`."""
    beat: float
    """Time of its last heartbeat, in seconds on a monotonic clock of its process."""
    phase_began: float
    """Start of its phase, on the clock of ``beat``."""
    created: str
    ended: str | None
    cancel: bool
    timetable: Sequence[Any] | None = None
    """Its phases with their durations: see :mod:`celltransfer_core.studies.timetable`. None
    before it has begun, and if an earlier version ran it."""

    @property
    def active(self) -> bool:
        """Whether it is running or waiting."""
        return self.state in ("queued", "running")


@dataclass(frozen=True)
class Watch:
    """A folder on the server whose new files are added to a study as batches."""

    study: str
    folder: str
    who: str
    """Name of the person who chose it."""
    since: str
    owner: str | None
    """The process that checks it; see :mod:`celltransfer_core.studies.owners`."""
    beat: int
    """Number of signs of life of that process."""
    checked: str | None
    """When it was last checked; None before the first time."""
    added: Mapping[str, Any] | None
    """The last files that were dealt with: ``at``, when; ``batches``, the number of added files by
    name of the batch; ``left_out``, the number of files that cannot be used by reason."""
    arrived: str | None
    """When a batch last got an image or a table, and must be typed."""
    problem: str
    """Why it could not be checked or typed completely the last time; empty if it could."""


@dataclass(frozen=True)
class Erasure:
    """A record of a permanent deletion: how much was deleted, not what."""

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
    """Name and reason of each unusable file."""
    clashing: tuple[str, ...] = ()
    """Names that the set already has with other content: the user must be asked."""


def now() -> str:
    """Return the current time: UTC, ISO 8601 with milliseconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")


def one_form(name: str) -> str:
    """Normalize a name to one line in Unicode form NFC, so that names that look equal are equal.

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
    """Normalize a typed name to one line of printable text in Unicode form NFC.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Raises
    ------
    StudyError
        If nothing is left, or the name is too long.
    """
    text = one_form(name)
    if not text:
        raise StudyError("A name is required: enter at least one letter.")
    if len(text) > MAX_NAME:
        raise StudyError(f"The name is longer than {MAX_NAME} characters; shorten it.")
    return text


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Normalize typed tags; of tags that differ only in case, keep the first.

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
