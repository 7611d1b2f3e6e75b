"""Search for studies by words and tags.

The studies that match a filter are listed, the most recently changed first; archived ones only on
request.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies.records import Study
from celltransfer_core.studies.renamed import types_now
from celltransfer_core.studies.stages import named_types
from celltransfer_core.studies.workspace import Workspace

TAG_KINDS: dict[str, tuple[str, ...]] = {
    "microscope": (),
    "stain": ("May-Grünwald-Giemsa", "Wright-Giemsa", "Papanicolaou", "H&E"),
    "site": ("blood", "bone marrow", "cervix"),
}
"""Suggested kinds of tags, with common tags of each; a tag is ``KIND: WORDS``, or any text."""

Signed = Literal["any", "yes", "no"]


@dataclass(frozen=True)
class StudyFilter:
    """A filter of studies."""

    words: str = ""
    """Each word must occur in the name, a tag, a reader's name or a type; case is ignored."""
    tags: tuple[str, ...] = ()
    """The study must have all of them."""
    signed: Signed = "any"
    """Whether the study was signed off."""
    archived: bool = False
    """Whether archived studies are listed too."""


def find_studies(workspace: Workspace, wanted: StudyFilter) -> tuple[Study, ...]:
    """Find the studies that match a filter.

    Parameters
    ----------
    workspace : Workspace
    wanted : StudyFilter

    Returns
    -------
    tuple of Study
        The most recently changed first.
    """
    fits = [
        study
        for study in workspace.studies()
        if (wanted.archived or not study.archived)
        and {*wanted.tags} <= {*(study.tags or ())}
        and wanted.signed in ("any", "yes" if study.signed else "no")
    ]
    words = wanted.words.casefold().split()
    if not words:
        return tuple(fits)
    readers = workspace.readers()
    return tuple(
        study for study in fits if _says(workspace, study, readers.get(study.id, ()), words)
    )


def _says(workspace: Workspace, study: Study, readers: tuple[str, ...], words: list[str]) -> bool:
    """Tell whether all words occur in the texts about a study."""
    told = " \n".join((study.name, *(study.tags or ()), study.signed_by, *readers)).casefold()
    left = [word for word in words if word not in told]
    if not left:  # types come last, because they are read from the sets
        return True
    types = " \n".join(_types(workspace, study.id)).casefold()
    return all(word in types for word in left)


def _types(workspace: Workspace, study: str) -> list[str]:
    try:
        known = types_now(workspace, workspace.snapshot(study)).types
        return [*known, *named_types(workspace, study)]
    except CellTransferError:  # the Data page reports what is wrong with a set
        return []


def tags_in_use(workspace: Workspace) -> tuple[str, ...]:
    """List the tags of all studies.

    Parameters
    ----------
    workspace : Workspace

    Returns
    -------
    tuple of str
        The most frequent first.
    """
    counted = Counter(tag for study in workspace.studies() for tag in study.tags or ())
    return tuple(sorted(counted, key=lambda tag: (-counted[tag], tag.casefold())))


def suggested_tags(workspace: Workspace) -> tuple[str, ...]:
    """List tags to choose from: those in use, then common ones of each kind.

    Parameters
    ----------
    workspace : Workspace

    Returns
    -------
    tuple of str
    """
    usual = (f"{kind}: {one}" for kind, some in TAG_KINDS.items() for one in some)
    return tuple(dict.fromkeys((*tags_in_use(workspace), *usual)))
