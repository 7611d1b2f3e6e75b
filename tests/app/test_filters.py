from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from celltransfer_core.pipeline import CellFilter
from parts.filters import (
    View,
    cells_address,
    choice_address,
    pack_cells,
    read_view,
    unpack_cells,
    write_view,
)

EVERYTHING = View(
    CellFilter(
        types=("a & b", "c"),
        final=("disputed",),
        reviewed="others",
        changed=True,
        flagged=True,
        unknown=True,
        must_find=True,
        clusters=(3, 0),
        slides=("s/1",),
        patients=("p 1",),
        agreement=(0.25, 0.6),
        confidence=(0.0, 0.9),
        divided=0.35,
        faults=("cut off",),
        file="ä?",
    ),
    only="4.abc",
    blind=True,
    order="central first",
    pin="0123456789abcdef",
    cell="fedcba9876543210",
)


def test_an_address_holds_all_that_is_shown():
    assert read_view(write_view(EVERYTHING)) == EVERYTHING
    assert write_view(View()) == {}
    assert read_view({}) == View()
    # Each field of both stands in it: a new one fails this until it does.
    assert not {
        name
        for name in vars(EVERYTHING.wanted)
        if vars(EVERYTHING.wanted)[name] == vars(CellFilter())[name]
    }
    assert not {name for name in vars(EVERYTHING) if vars(EVERYTHING)[name] == vars(View())[name]}


@pytest.mark.parametrize(
    "address",
    [
        {"cluster": ["x", "-1", "9" * 5000]},
        {"agreement": ["0.9-0.1"]},
        {"agreement": ["0-2"]},
        {"agreement": ["nan-1"]},
        {"confidence": ["half"]},
        {"divided": ["many"]},
        {"divided": ["nan"]},
        {"reviewed": ["perhaps"]},
        {"sort": ["by taste"]},
        {"flagged": ["yes"]},
        {"type": []},
        {"type": [""], "fault": [""]},
    ],
)
def test_what_cannot_be_read_is_passed_over(address):
    assert read_view(address) == View()


@pytest.mark.parametrize("n", [1, 7, 8, 9, 10_000])
def test_any_choice_of_cells_fits_into_an_address(n, rng):
    chosen = np.flatnonzero(rng.random(n) < 0.3)
    packed = pack_cells(chosen.tolist(), n)
    assert np.flatnonzero(unpack_cells(packed, n)).tolist() == chosen.tolist()
    assert len(packed) < 1800
    assert unpack_cells(packed, n + 1) is None  # it is of other cells


@pytest.mark.parametrize("text", ["", "8", "8.", "8.@@@", "8.AAAA", "x.y"])
def test_a_choice_that_cannot_be_read_is_none(text):
    assert unpack_cells(text, 8) is None


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (("all", ""), CellFilter(reviewed="no")),
        (("flagged", ""), CellFilter(flagged=True)),
        (("must find", ""), CellFilter(must_find=True)),
        (("unknown", ""), CellFilter(unknown=True)),
        (("type", "blast"), CellFilter(types=("blast",))),
        (("cluster", 3), CellFilter(clusters=(3,))),
        (("read", ""), CellFilter(reviewed="others")),
        (("disputed", ""), CellFilter(final=("disputed",))),
    ],
)
def test_choices_of_the_review_page_have_an_address(choice, wanted):
    assert read_view(choice_address(*choice)).wanted == wanted


def test_other_pages_link_here_by_the_names_of_the_address():
    here = SimpleNamespace(id="s1")
    link = cells_address(here, type=["a & b", "c"], cluster=0, flagged=True, changed=False, cell="")
    found = urlsplit(link)
    assert found.path == "cells"
    address = parse_qs(found.query)
    assert address.pop("study") == ["s1"]
    assert read_view(address).wanted == CellFilter(
        types=("a & b", "c"), clusters=(0,), flagged=True
    )
