from dataclasses import replace

import pytest

from celltransfer_core.config import DEFAULT
from celltransfer_core.people import Review
from celltransfer_core.pipeline import run
from celltransfer_core.runtime import Cache


@pytest.fixture(scope="session")
def result(reference, query, tmp_path_factory):
    """A run of one built-in encoder, with transport and without answers."""
    config = replace(DEFAULT, encoders=(("colour",),), draws=1, transport="always")
    return run(reference, query, config, cache=Cache(tmp_path_factory.mktemp("c")), workers=1)


@pytest.fixture
def answer(result):
    """Make a reader's answer on a query cell."""

    def make(cell, given, reader="Ann", minute=0):
        time = f"2025-01-01T00:{minute:02}:00"
        return Review(result.query.cells[cell], given, reader, time, blind=False)

    return make
