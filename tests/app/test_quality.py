import importlib
from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.framing import judge_quality
from celltransfer_core.people import read_reviews


@pytest.fixture
def blurred(finished, monkeypatch):
    """Let three cells of the finished study be blurred."""

    def judge(framing, reference, query):
        found = judge_quality(framing, reference, query)
        severity = np.zeros(query.n_cells)
        severity[[2, 5, 7]] = (2.0, 4.0, 3.0)
        return replace(found, severity={**found.severity, "blurred": severity})

    for module in ("parts.quality", "celltransfer_core.pipeline.filters"):
        monkeypatch.setattr(importlib.import_module(module), "judge_quality", judge)
    return finished


def said(page):
    return [element.value for element in page.markdown]


def keys(page):
    return [button.key for button in page.button]


def answers(space, study):
    payloads = [one.payload for one in space.decisions(study.id, "review")]
    return {(one.cell, one.answer, one.reader, one.blind) for one in read_reviews(payloads)}


def test_all_cells_with_a_fault_are_set_aside_at_one_stroke_and_come_back(blurred, open_page):
    space, study = blurred
    cells = space.pooled(study.id, "query").cells
    space.decide(
        study.id,
        "review",
        {"cell": cells[5], "answer": "monocyte", "reader": "Bo", "time": "t", "blind": False},
        "Bo",
    )
    page = open_page("data", study.id, fault="blurred")
    assert "3 of 30 cells are more blurred than 99 % of the reference." in said(page)
    button = page.button("set aside")
    assert button.label == "Set these 2 cells aside"  # what somebody typed stays
    button.click().run()
    assert not page.exception
    aside = {(cells[cell], "artefact", "Ann", False) for cell in (2, 7)}
    bos = {(cells[5], "monocyte", "Bo", False)}
    assert answers(space, study) == aside | bos
    assert "set aside" not in keys(page)
    page.button("bring back").click().run()
    assert answers(space, study) == bos
    assert "set aside" in keys(page)
    assert "bring back" not in keys(page)


def test_cells_are_chosen_by_what_is_wrong_with_their_pictures(blurred, open_page):
    _, study = blurred
    page = open_page("cells", study.id)
    page.toggle("cells blind").set_value(True)
    page.multiselect("cells faults").set_value(["blurred"]).run()
    assert not page.exception
    assert "**3 of 30 cells**" in said(page)
