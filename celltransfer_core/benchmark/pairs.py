"""Files of pairs: the sets to measure transfer between, and the names of their types.

Appendix C of the paper is such a file: ``assets/benchmarks/paper.toml``.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from celltransfer_core.errors import DataError

OptionValue: TypeAlias = str | int | float | bool | tuple[str | int | float, ...]
"""Value of an option, as on the command line; a tuple if it takes several."""

_FILE = ("settings", "sets", "pairs")
_SET = ("folder", "files", "types")
_PAIR = ("name", "reference", "query", "extra", "types", "settings")


@dataclass(frozen=True)
class PublishedSet:
    """A published set, and the names of its types in the study."""

    name: str
    root: Path
    """The folder, as an absolute path; it need not exist."""
    pattern: re.Pattern[str] | None = None
    """Pattern whose group ``type`` is the published type in a file's relative name, or None."""
    types: Mapping[str, str] | None = None
    """Published types and their names in the study; others are left out. None keeps all."""

    def type_of(self, file: str) -> str:
        """Return a file's type in the study, from its name.

        Parameters
        ----------
        file : str
            Relative to the folder, with ``/``.

        Returns
        -------
        str
            Empty for files that are left out.
        """
        own = self.published_type(file)
        return own if self.types is None else self.types.get(own, "")

    def published_type(self, file: str) -> str:
        """Return a file's type as published, from its name.

        Parameters
        ----------
        file : str
            Relative to the folder, with ``/``.

        Returns
        -------
        str
            Empty if the pattern does not match.
        """
        plain = unicodedata.normalize("NFC", file)
        found = self.pattern.search(plain) if self.pattern is not None else None
        return found["type"] or "" if found else ""


@dataclass(frozen=True)
class Pair:
    """One transfer to measure: typed sets, and a set to type from them."""

    name: str
    reference: tuple[str, ...]
    """Names of sets."""
    query: str
    extra: tuple[str, ...] = ()
    """Further sets, without types, for the t-SNE refinement (section 3.2)."""
    types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By set, the only types to use from it; sets that are not named keep all types."""
    settings: Mapping[str, OptionValue] = field(default_factory=dict)
    """Options of ``evaluate`` by their long names, including those of the whole file."""

    @property
    def sets(self) -> tuple[str, ...]:
        """Names of all sets that the pair needs."""
        return (*self.reference, self.query, *self.extra)

    def takes(self, name: str, cell_type: str) -> bool:
        """Tell whether cells of a type are used from a set.

        Parameters
        ----------
        name : str
            Name of the set.
        cell_type : str
            In the study; empty for cells without a type.

        Returns
        -------
        bool
        """
        return bool(cell_type) and cell_type in self.types.get(name, (cell_type,))

    def mapping(self, name: str, types: Iterable[str]) -> dict[str, str]:
        """Map the types that are not used from a set to nothing, as ``pool`` expects.

        Parameters
        ----------
        name : str
            Name of the set.
        types : iterable of str
            Types of its cells.

        Returns
        -------
        dict of str to str
        """
        return {cell_type: "" for cell_type in types if not self.takes(name, cell_type)}


@dataclass(frozen=True)
class PairsFile:
    """The content of a file of pairs."""

    path: Path
    sets: Mapping[str, PublishedSet]
    pairs: tuple[Pair, ...]

    def missing(self, pair: Pair) -> tuple[str, ...]:
        """Name the sets of a pair whose folders do not exist.

        Parameters
        ----------
        pair : Pair

        Returns
        -------
        tuple of str
        """
        return tuple(name for name in pair.sets if not self.sets[name].root.is_dir())


def read_pairs(path: Path | str, data: Path | None = None) -> PairsFile:
    """Read a file of pairs.

    Parameters
    ----------
    path : path
        TOML.
    data : Path, optional
        Parent of the sets' folders; the folder of the file by default.

    Returns
    -------
    PairsFile

    Raises
    ------
    DataError
        If the file cannot be read, or contains an invalid value. Missing folders are not an error:
        see :meth:`PairsFile.missing`.
    """
    path = Path(path)
    top = _TomlTable(path, "the file", _parse(path), _FILE)
    root = (path.parent if data is None else data).absolute()
    settings = _settings(top)
    entries = top.values.get("pairs")
    if not isinstance(entries, list) or not entries:
        raise top.fault("pairs", "must be a list of tables", "[[pairs]] above each pair's keys")
    folders = top.table("sets", "[sets.NAME] above each set's keys")
    sets = {name: _image_set(top, name, entry, root) for name, entry in folders.items()}
    pairs = [
        _pair(path, number, entry, sets, settings) for number, entry in enumerate(entries, start=1)
    ]
    names = [pair.name for pair in pairs]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: two pairs are named {name!r}; give each its own name.")
    return PairsFile(path, sets, tuple(pairs))


class _TomlTable:
    """A table of the file; its errors name file, table and key, and give an example."""

    def __init__(self, path: Path, where: str, values: object, known: tuple[str, ...]) -> None:
        self.path = path
        self.where = where
        if not isinstance(values, dict):
            raise DataError(f"{path}: {where} must be a table with the keys {', '.join(known)}.")
        self.values = values
        for key in values:
            if key not in known:
                raise DataError(
                    f"{path}: {where} has the unknown key {key!r}; write one of {', '.join(known)}."
                )

    def fault(self, key: str, problem: str, example: str) -> DataError:
        problem = problem if key in self.values else "is missing"
        return DataError(f"{self.path}: {self.where}: {key} {problem}; write {example}.")

    def text(self, key: str, example: str) -> str:
        value = self.values.get(key)
        if not _is_text(value):
            raise self.fault(key, "must be a non-empty text", example)
        return str(value)

    def texts(self, key: str, example: str) -> tuple[str, ...]:
        return _texts(self.values.get(key), self.fault(key, "must be a list of names", example))

    def table(self, key: str, example: str) -> dict[str, object]:
        value = self.values.get(key)
        if not isinstance(value, dict) or not value:
            raise self.fault(key, "must be a non-empty table", example)
        return value


def _parse(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not valid TOML; correct it: {error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); give a file of pairs."
        ) from error


def _image_set(top: _TomlTable, name: str, entry: object, root: Path) -> PublishedSet:
    table = _TomlTable(top.path, f"sets.{name}", entry, _SET)
    folder = table.text("folder", f'folder = "{name}", its folder below --data')
    pattern = None
    if "files" in table.values:
        example = "files = '^(?P<type>[^/]+)/[^/]+$'"
        text = table.text("files", example)
        try:
            pattern = re.compile(text)
        except re.error as error:
            raise table.fault("files", f"is not a regular expression ({error})", example) from error
        if "type" not in pattern.groupindex:
            raise table.fault("files", "has no group named type", example)
    types = None
    if "types" in table.values:
        types = table.values["types"]
        if not isinstance(types, dict) or not types or not all(map(_is_text, types.values())):
            example = 'types = {BA = "basophil"}, the set\'s own name = the name in the study'
            raise table.fault("types", "must give each type a name", example)
    return PublishedSet(name, root / folder, pattern, types)


def _pair(
    path: Path,
    number: int,
    entry: object,
    sets: Mapping[str, PublishedSet],
    settings: Mapping[str, OptionValue],
) -> Pair:
    table = _TomlTable(path, f"pair {number}", entry, _PAIR)
    name = table.text("name", 'name = "Table 15"') if "name" in table.values else ""
    if name:
        table.where = f"pair {name!r}"
    reference = table.texts("reference", 'reference = ["WBC"]')
    query = table.text("query", 'query = "LISC"')
    extra = table.texts("extra", 'extra = ["PBC"]') if "extra" in table.values else ()
    used = (*reference, query, *extra)
    for key, names in (("reference", reference), ("query", (query,)), ("extra", extra)):
        for one in names:
            if one not in sets:
                problem = f"names the unknown set {one!r}"
                raise table.fault(key, problem, f"one of {', '.join(sets)}, or add [sets.{one}]")
            if used.count(one) > 1:
                raise table.fault(key, f"names {one} twice", "each set once in a pair")
    return Pair(
        name=name or f"{'+'.join(reference)} → {query}",
        reference=reference,
        query=query,
        extra=extra,
        types=_taken(table, used, sets),
        settings={**settings, **_settings(table)},
    )


def _taken(
    table: _TomlTable, used: tuple[str, ...], sets: Mapping[str, PublishedSet]
) -> dict[str, tuple[str, ...]]:
    if "types" not in table.values:
        return {}
    entries = table.values["types"]
    fault = table.fault(
        "types", "must list types by set", f'types = {{{used[0]} = ["basophil", "eosinophil"]}}'
    )
    if not isinstance(entries, dict) or not entries:
        raise fault
    taken: dict[str, tuple[str, ...]] = {}
    for name, entry in entries.items():
        if name not in used:
            problem = f"names {name!r}, which is not a set of the pair"
            raise table.fault("types", problem, f"one of {', '.join(used)}")
        taken[name] = _texts(entry, fault)
        offered = sets[name].types
        for cell_type in taken[name]:
            if offered is not None and cell_type not in offered.values():
                problem = f"takes {cell_type!r} from {name}, which does not have this type"
                example = ", ".join(dict.fromkeys(offered.values()))
                raise table.fault("types", problem, f"some of {example}")
    return taken


def _settings(table: _TomlTable) -> dict[str, OptionValue]:
    if "settings" not in table.values:
        return {}
    settings: dict[str, OptionValue] = {}
    for key, value in table.table("settings", "the options of evaluate under [settings]").items():
        setting = _setting(value)
        if setting is None:
            raise DataError(
                f"{table.path}: {table.where}: settings.{key} must be a text, a number, true, "
                "false or a non-empty list; write it as on the command line."
            )
        settings[key] = setting
    return settings


def _setting(value: object) -> OptionValue | None:
    if isinstance(value, str | int | float):  # a bool is an int
        return value
    if isinstance(value, list) and value and all(isinstance(v, str | int | float) for v in value):
        return tuple(value)
    return None


def _texts(value: object, fault: DataError) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(map(_is_text, value)):
        raise fault
    return tuple(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


@dataclass(frozen=True)
class PairOutcome:
    """Whether a pair was measured, and where its results are."""

    pair: Pair
    folder: Path
    problem: str
    """Why there are no figures; empty if there are."""
    missing: bool
    """Whether that is because a set is missing."""
