"""The examples in the docstrings of the core give what they print."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "celltransfer_core"
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for file in sorted(CORE.rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


NEEDS = {"celltransfer_core.classify.nmtune": "torch"}
"""Modules whose examples need a package that the light installation has not."""


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="needs an extra")
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed
