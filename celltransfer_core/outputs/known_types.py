"""Names of types in tables that people hand back: what is written in, the type that is meant out.

Names are compared without regard to case, white space and Unicode form. One that the reference
lacks is a slip more often than a new type: it stops the work unless somebody allowed it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from celltransfer_core.data.type_names import answer_named, close_match, tidy_name, type_key
from celltransfer_core.errors import DataError
from celltransfer_core.vocabulary import check_new_type

NewTypes = Collection[str] | Literal[True]
"""Types that the reference lacks and that tables may name all the same; True for any."""

_LINES = 4  # numbers of lines that are told of one name


class KnownTypes:
    """What names of types in tables mean; remembers those that nobody knows.

    Parameters
    ----------
    types : sequence of str, optional
        Of the reference; without them every name is taken as it is written.
    new_types : NewTypes
        Further ones that are allowed.
    """

    def __init__(self, types: Sequence[str] | None, new_types: NewTypes = ()) -> None:
        self._any = types is None or new_types is True
        self._types = tuple(types or ())
        self._allowed = set() if new_types is True else {type_key(name) for name in new_types}
        self._spelt = {type_key(name): name for name in sorted(self._types, reverse=True)}
        self._unknown: dict[str, dict[str, list[int]]] = {}

    def find(self, name: str, answers: Collection[str], path: str, line: int) -> str:
        """Find what a name means.

        Parameters
        ----------
        name : str
        answers : collection of str
            Words that may stand there instead of a type.
        path : str
            The table that it stands in.
        line : int
            0 where the name is that of a folder.

        Returns
        -------
        str
            An answer, a type as the reference spells it, or a new one as it was spelt first. A name
            that nobody knows as it is: see :meth:`stop`.

        Raises
        ------
        DataError
            If the name cannot be that of a type.
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
        """Stop if there was a name that nobody knows.

        Raises
        ------
        DataError
            It lists every such name, with its lines and the type that may have been meant.
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
