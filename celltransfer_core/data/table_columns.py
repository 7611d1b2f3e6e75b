"""Find the columns of a table that name files and types, from its header.

The expected names are ``file`` and ``label``. Common names from other programs are recognised too;
if two columns are possible, the user is asked. Not in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from celltransfer_core.errors import DataError

CHOSEN = ("file", "label")
"""Columns that may have other names and that the user may choose."""

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
_CELLPROFILER = re.compile(r"(image_)?filename_\w+")  # one per channel
_BETWEEN_WORDS = re.compile(r"[\s_.\-]+")


class ColumnsError(DataError):
    """A table lacks a column, or two columns are possible, and the user can choose."""

    def __init__(self, message: str, columns: Sequence[str]) -> None:
        super().__init__(message)
        self.columns = tuple(columns)
        """Names as written in the table."""


def find_columns(
    header: Sequence[str],
    needs: Iterable[str],
    chosen: Mapping[str, str],
    *,
    exactly: bool = False,
) -> dict[str, list[int]]:
    """Find the columns that may be meant by the needed names.

    Parameters
    ----------
    header : sequence of str
        Tidied header, see :func:`tidy_header`.
    needs : iterable of str
    chosen : mapping from name to str
        Column that the user chose for a name.
    exactly : bool
        Whether synonyms of a name are ignored.

    Returns
    -------
    dict from name to list of int
        Positions of the possible columns: none, one or several. A column with the exact name takes
        precedence.
    """
    found: dict[str, list[int]] = {}
    for name in needs:
        wanted = tidy_header(chosen[name]) if name in chosen else name
        found[name] = [at for at, column in enumerate(header) if column == wanted]
        if not found[name] and name not in chosen and not exactly:
            found[name] = [at for at, column in enumerate(header) if _is_called(column, name)]
    return found


def tidy_header(cell: str) -> str:
    """Normalise the name of a column for look-up.

    Parameters
    ----------
    cell : str

    Returns
    -------
    str
        Name in lower case, without the ``#`` and quotation marks that some programs add.
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
    """Explain why the columns of a table are not suitable.

    Parameters
    ----------
    name : str
        Name of the table.
    line : int
        Line of the header.
    header : sequence of str
        Header as written in the table.
    needs, found
        See :func:`find_columns`.

    Returns
    -------
    str
        Empty if they are suitable.
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
