"""Write the pages on the core: every public name once, package by package, and every setting.

In go the packages' ``__init__.pyi`` and ``Config``; out come a page a package for Sphinx, and a
table of settings.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
import types
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from sphinx.pycode import ModuleAnalyzer

import celltransfer_core
from celltransfer_core.config import SETTINGS, Setting

CORE = Path(celltransfer_core.__file__).parent
LONGEST = 70
"""Letters of a value that is shown beside its name, at most."""

INDEX = """\
# API

Everything that users may import, by package, in the order of the method. Names that are not listed
here may change without notice. What a script needs most is also in `celltransfer_core`:

{shortcuts}

Besides, it has

```{{eval-rst}}
{own}
```

## Packages

{packages}

```{{toctree}}
:hidden:

{pages}
```
"""


def face_of(package: Path) -> str:
    """Name the module that users import from."""
    return ".".join(package.relative_to(CORE.parent).parts)


def public_names(package: Path) -> Iterator[tuple[str, str]]:
    """List what a package exports: the module that defines it, and its name."""
    face = face_of(package)
    for line in ast.parse((package / "__init__.pyi").read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ImportFrom):
            for alias in line.names:
                yield f"{face}.{line.module}", alias.name


def packages() -> list[Path]:
    """List the packages of the core in the order of the method."""
    project = tomllib.loads((CORE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    order = [name.strip() for layer in reversed(layers) for name in layer.split("|")]
    found = [stub.parent for stub in CORE.rglob("__init__.pyi") if stub.parent != CORE]
    return sorted(found, key=lambda one: (order.index(one.relative_to(CORE).parts[0]), one))


def write_api(folder: Path) -> None:
    """Write the pages of the core.

    Parameters
    ----------
    folder : Path
        A new one.
    """
    folder.mkdir()
    found = packages()
    faces = [face_of(package) for package in found]
    for face, package in zip(faces, found, strict=True):
        blocks = [describe(face, *name) for name in sorted(public_names(package), key=by_name)]
        head = f"{face}\n{'=' * len(face)}\n\n.. automodule:: {face}\n\n"
        (folder / f"{face}.rst").write_text(head + "\n".join(blocks), encoding="utf-8")
    elsewhere = {
        (place, name)
        for face, package in zip(faces, found, strict=True)
        for module, name in public_names(package)
        for place in (module, face)
    }
    shortcuts = [
        f"- {{py:obj}}`{name} <{module}.{name}>`"
        for module, name in public_names(CORE)
        if (module, name) in elsewhere
    ]
    own = [describe(CORE.name, *name) for name in public_names(CORE) if name not in elsewhere]
    pages = [f"{face.removeprefix(f'{CORE.name}.')} <{face}>" for face in faces]
    text = INDEX.format(
        shortcuts="\n".join(shortcuts),
        own="\n".join(own),
        packages="\n".join(f"- [{face}]({face}.rst): {purpose(face)}" for face in faces),
        pages="\n".join(pages),
    )
    (folder / "index.md").write_text(text, encoding="utf-8")


def purpose(face: str) -> str:
    """Return the first sentence of a package's docstring."""
    words = (importlib.import_module(face).__doc__ or "").split("\n\n")[0].replace("\n", " ")
    return re.sub(r":\w+:`~?", "`", words)  # a role is plain code here


def by_name(name: tuple[str, str]) -> tuple[bool, str]:
    """Sort functions and classes before values, then by name."""
    return name[1].isupper(), name[1].lower()


def describe(face: str, module: str, name: str) -> str:
    """Write the directive that documents one name."""
    value = getattr(importlib.import_module(face), name)
    if isinstance(value, type) and not isinstance(value, types.GenericAlias):
        members = ", ".join(documented_members(value))
        return f".. autoclass:: {face}.{name}\n" + (f"   :members: {members}\n" if members else "")
    if inspect.isroutine(inspect.unwrap(value)):
        return f".. autofunction:: {face}.{name}\n"
    words = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name), [])
    shown = str(value).replace("typing.", "") if hasattr(value, "__origin__") else repr(value)
    options = [f":value: {shown}"] if len(shown) <= LONGEST and "\n" not in shown else []
    text = "".join(f"   {line}\n" for line in [f":module: {face}", *options, "", *words])
    return f".. py:data:: {name}\n{text}"


def documented_members(of: type) -> list[str]:
    """List the fields and methods of a class that this project documents, its bases' first."""
    names: dict[str, None] = {}
    for base in reversed(of.__mro__):
        if base.__module__.startswith(CORE.name):
            told = ModuleAnalyzer.for_module(base.__module__).find_attr_docs()
            names |= {name: None for scope, name in told if scope == base.__qualname__}
            names |= {name: None for name, one in vars(base).items() if has_docstring(name, one)}
    return [name for name in names if not name.startswith("_")]


def has_docstring(name: str, member: Any) -> bool:
    """Tell whether something in a class is documented where it stands."""
    kinds = (types.FunctionType, property, classmethod, staticmethod, cached_property)
    return not name.startswith("_") and isinstance(member, kinds) and bool(member.__doc__)


def write_settings(file: Path) -> None:
    """Write a table of all settings, those first that differ in the paper's preset.

    Parameters
    ----------
    file : Path
    """
    rows = sorted(SETTINGS.values(), key=lambda one: one.default == one.paper)
    lines = ["| setting | default | paper | decides |\n", "| --- | --- | --- | --- |\n"]
    lines += [
        f"| `{one.name}` | {written(one, one.default)} | "
        f"{'' if one.paper == one.default else written(one, one.paper)} | {one.help} |\n"
        for one in rows
    ]
    file.write_text("".join(lines), encoding="utf-8")


def written(setting: Setting, value: Any) -> str:
    """Write the value of a setting as on the command line."""
    if value is None or value == ():
        return "–"
    return ", ".join(f"`{word}`" for word in " ".join(setting.words(value)).split(","))
