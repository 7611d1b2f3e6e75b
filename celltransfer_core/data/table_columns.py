"""The header of a table in, which of its columns name files and types out.

``file`` and ``label`` are meant to stand there; other programs write other words, and where two
columns could be meant somebody is asked. Not in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from celltransfer_core.errors import DataError

CHOSEN = ("file", "label")
"""Columns that may be called otherwise, and that a person may choose."""

_ALIASES: Mapping[str, Collection[str]] = {
    "file": frozenset(
        {"filename", "filepath", "image", "imageid", "imagename", "imagefile", "imagefilename"}
        | {"imagepath", "img", "imgname", "imgpath", "path", "cellfile", "cellimage"}
    ),
    "label": frozenset(
        {"labels", "labelname", "class", "classname", "classlabel", "classification", "type"}
        | {"typename", "celltype", "celltypes", "cellclass", "celllabel", "category", "choice"}
    ),
}
_CELLPROFILER = re.compile(r"(image_)?filename_\w+")  # one for each of its channels
_BETWEEN_WORDS = re.compile(r"[\s_.\-]+")


class ColumnsError(DataError):
    """A table lacks a column, or two could be meant: somebody can say which one it is."""

    def __init__(self, message: str, columns: Sequence[str]) -> None:
        super().__init__(message)
        self.columns = tuple(columns)
        """As the table writes them."""


def find_columns(
    header: Sequence[str],
    needs: Iterable[str],
    chosen: Mapping[str, str],
    *,
    exactly: bool = False,
) -> dict[str, list[int]]:
    """Find the columns that may be meant by names.

    Parameters
    ----------
    header : sequence of str
        Tidied, see :func:`tidy_header`.
    needs : iterable of str
    chosen : mapping from name to str
        Column that a person chose for a name.
    exactly : bool
        Whether other words for a name do not count.

    Returns
    -------
    dict from name to list of int
        Positions of the columns: none, one, or several that could be meant. A column of the name
        itself leaves others aside.
    """
    found: dict[str, list[int]] = {}
    for name in needs:
        wanted = tidy_header(chosen[name]) if name in chosen else name
        found[name] = [at for at, column in enumerate(header) if column == wanted]
        if not found[name] and name not in chosen and not exactly:
            found[name] = [at for at, column in enumerate(header) if _is_called(column, name)]
    return found


def tidy_header(cell: str) -> str:
    """Bring the name of a column to the spelling that it is looked up by.

    Parameters
    ----------
    cell : str

    Returns
    -------
    str
        In small letters, without the ``#`` and the quotation marks that some programs put there.
    """
    return cell.strip().lstrip("#").strip().strip('"').strip().lower()


def _is_called(column: str, name: str) -> bool:
    if name == "file" and _CELLPROFILER.fullmatch(column):
        return True
    return _BETWEEN_WORDS.sub("", column) in _ALIASES.get(name, ())


def columns_problem(
    name: str,
    line: int,
    header: Sequence[str],
    needs: Iterable[str],
    found: Mapping[str, list[int]],
) -> str:
    """Tell why the columns of a table do not do.

    Parameters
    ----------
    name : str
        Of the table.
    line : int
        Of the header.
    header : sequence of str
        As the table writes it.
    needs, found
        See :func:`find_columns`.

    Returns
    -------
    str
        Empty if they do.
    """
    if lacking := sorted(need for need in needs if not found[need]):
        there = ", ".join(cell for cell in header if cell)[:200] or "none"
        return (
            f"{name} needs the columns {', '.join(sorted(needs))}; it has {there} (line {line}). "
            f"Write {' and '.join(lacking)} above the right ones."
        )
    for need in needs:
        if len(found[need]) > 1:
            names = ", ".join(header[at] for at in found[need])
            return (
                f"{name} has several columns that may be the {need}: {names} (line {line}). Write "
                f"{need} above the right one."
            )
    return ""
