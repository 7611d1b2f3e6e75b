"""The accuracy to expect, on Classify and on Review."""

from dataclasses import replace

import pytest

from celltransfer_core.outputs import describe_expected, describe_poor
from celltransfer_core.pipeline import expected_accuracy
from celltransfer_core.pipeline.expected import SHIPPED, expected_of
from celltransfer_core.studies import load_run
from parts import text

KINDS = ("markdown", "caption", "warning")


@pytest.mark.parametrize("page", ["classify", "review"])
@pytest.mark.parametrize("poor", [False, True])
def test_the_range_is_shown_and_a_warning_where_it_is_poor(
    finished, open_page, monkeypatch, page, poor
):
    constants = replace(SHIPPED, even=1.2 if poor else 0.6)
    monkeypatch.setattr(expected_of, "__defaults__", (constants,))
    monkeypatch.setattr("celltransfer_core.pipeline.expected.FEWEST_VOTERS", 2)
    space, study = finished
    app = open_page(page, study.id)
    assert not app.exception
    said = " ".join(element.value for kind in KINDS for element in app.get(kind))
    found = expected_accuracy(load_run(space, study.id))
    assert text.plain(describe_expected(found)) in said
    assert found.warns == poor
    assert ("of the cells may be typed correctly" in said) == poor
    if poor:
        assert text.plain(describe_poor(found)) in said
    bars = [one.proto.body for one in app.get("html") if 'role="img"' in one.proto.body]
    assert any(f"best estimate {100 * found.value:.0f} %" in bar for bar in bars)
