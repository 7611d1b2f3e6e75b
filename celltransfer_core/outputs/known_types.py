"""Resolve names of types in tables that users hand back.

Names are compared without regard to case, white space and Unicode form. A name that the reference
lacks is more often a typing error than a new type: it raises an error unless it was allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from celltransfer_core.data.type_names import answer_named, close_match, tidy_name, type_key
from celltransfer_core.errors import DataError
from celltransfer_core.vocabulary import check_new_type

NewTypes = Collection[str] | Literal[True]
"""Types that tables may name although the reference lacks them; True for any."""

_LINES = 4  # line numbers reported per name


class KnownTypes:
    """Resolves names of types in tables, and collects unknown ones.

    Parameters
    ----------
    types : sequence of str, optional
        Types of the reference; without them every name is accepted as written.
    new_types : NewTypes
        Further types that are allowed.
    """

    def __init__(self, types: Sequence[str] | None, new_types: NewTypes = ()) -> None:
        self._any = types is None or new_types is True
        self._types = tuple(types or ())
        self._allowed = set() if new_types is True else {type_key(name) for name in new_types}
        self._spelt = {type_key(name): name for name in sorted(self._types, reverse=True)}
        self._unknown: dict[str, dict[str, list[int]]] = {}

    def find(self, name: str, answers: Collection[str], path: str, line: int) -> str:
        """Find the type or answer that a name means.

        Parameters
        ----------
        name : str
        answers : collection of str
            Words allowed in place of a type.
        path : str
            The table that contains the name.
        line : int
            0 if the name is that of a folder.

        Returns
        -------
        str
            An answer, a type as the reference spells it, or a new type as first spelt. An unknown
            name is returned unchanged; see :meth:`stop`.

        Raises
        ------
        DataError
            If the name cannot be used for a type.
        """
        if name in self._types:
            return name
        if (answer := answer_named(name)) in answers:
            return answer
        if not name.strip():
            raise DataError(f"{path}, line {line}, has no type; write one, or remove the row.")
        key = type_key(name)
        if key not in self._spelt:
            try:
                spelt = check_new_type(tidy_name(name))
            except DataError as error:
                raise DataError(f"{path}, line {line}: {error}") from None
            if not (self._any or key in self._allowed):
                self._unknown.setdefault(path, {}).setdefault(spelt, []).append(line)
                return spelt
            self._spelt[key] = spelt
        return self._spelt[key]

    def stop(self) -> None:
        """Raise an error if there were unknown names.

        Raises
        ------
        DataError
            If there were; it lists every unknown name with its lines and the most similar type.
        """
        if not self._unknown:
            return
        told = "; ".join(
            f"{path}: " + ", ".join(self._told(name, lines) for name, lines in names.items())
            for path, names in self._unknown.items()
        )
        count = len({name for names in self._unknown.values() for name in names})
        what = "1 name is not a type" if count == 1 else f"{count} names are not types"
        raise DataError(
            f"{what} of the reference. {told}. Correct them, or allow new types: --new-types for "
            f"all of them, --new-types NAME,… for some."
        )

    def _told(self, name: str, lines: Sequence[int]) -> str:
        shown = ", ".join(map(str, lines[:_LINES])) + ("…" if len(lines) > _LINES else "")
        where = [f"line{'s' if len(lines) > 1 else ''} {shown}"] if any(lines) else []
        like = close_match(name, self._types)
        told = "; ".join([*where, *([f"did you mean {like}?"] if like else [])])
        return f"{name} ({told})" if told else name
