"""The differential count knows of typing errors, once enough cells were drawn and answered."""

from dataclasses import replace

import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.outputs import (
    StudyTables,
    batches_differential,
    differential_table,
    read_answers,
    reviews_table,
    with_estimates,
)
from celltransfer_core.people import count_limits
from celltransfer_core.pipeline import CellClassifier, infer_run
from celltransfer_core.vocabulary import ARTEFACT

OLD = ["slide", "patient", "type", "cells", "percent", "low", "high"]


@pytest.fixture
def given(result, answer):
    """Give 24 evenly drawn answers, every fourth another type than predicted."""
    n, types = result.query.n_cells, result.types
    return [
        replace(
            answer(cell, types[0] if cell % 4 else types[1], minute=cell % 60),
            chance=1 / (n - cell),
        )
        for cell in range(min(24, n - 1))
    ]


def test_without_answers_only_counting_is_told(result):
    table = differential_table(result, inference=infer_run(result, []))
    assert list(table.columns[: len(OLD)]) == OLD
    new = table.columns.drop([*OLD, "drawn"])
    assert len(new) == 7
    assert table[new].isna().all(axis=None)
    assert (table["drawn"] == 0).all()
    assert with_estimates(table)["low"].equals(table["low"])


def test_answers_correct_the_shares(result, given):
    inference = infer_run(result, given)
    table = differential_table(result, inference=inference)
    assert table[OLD].equals(differential_table(result)[OLD])
    assert (table["drawn"] == len(given)).all()
    for row in table.to_dict("records"):
        share = inference.of_type(row["type"])
        assert row["estimate"] == pytest.approx(100 * share.value)
        # Counting comes on top of typing.
        assert row["estimate_low"] <= 100 * share.low + 1e-9
        assert row["estimate_high"] >= 100 * share.high - 1e-9
        limits = count_limits(row["estimate_low"] / 100, row["estimate_high"] / 100, 100)
        assert (row["count_100_low"], row["count_100_high"]) == limits
    shown = with_estimates(table)
    assert shown["percent"].equals(table["estimate"].rename("percent"))
    both = StudyTables(result, given).differential()
    assert set(both["count"]) == {"predicted", "reviewed"}
    assert both["estimate"].notna().all()


def test_a_slide_with_few_draws_is_not_told_of(result, given):
    n = len(result.query.files)
    cell = result.query.cell_index
    slides = replace(result.query, slide=tuple("few" if cell[i] < 5 else "many" for i in range(n)))
    named = replace(result, query=slides)
    table = differential_table(named, inference=infer_run(named, given))
    assert table.groupby("slide")["drawn"].first().to_dict() == {"few": 5, "many": len(given) - 5}
    assert table[table["slide"] == "few"]["estimate"].isna().all()


def test_chances_are_written_and_read_back(result, given, tmp_path):
    reviews = [*given[:3], replace(given[3], chance=None)]
    table = reviews_table(result.query, reviews)
    table.to_csv(tmp_path / "reviews.csv", index=False)
    back = read_answers(tmp_path / "reviews.csv", result.query, result.types)
    assert [one.chance for one in back] == pytest.approx(
        [float(f"{one.chance:.6g}") for one in reviews[:3]] + [None]
    )
    table.loc[0, "chance"] = "1.5"
    table.to_csv(tmp_path / "reviews.csv", index=False)
    with pytest.raises(DataError, match=r"line 2: chance is '1\.5'"):
        read_answers(tmp_path / "reviews.csv", result.query, result.types)


def test_batches_are_counted_by_slide(result, query, answer):
    """A type that a person named is a row of its own; artefacts are not counted."""
    slides = ["one", "two"]
    named = replace(query, slide=tuple(slides[n % 2] for n in range(len(query.files))))
    batch = CellClassifier(workers=1).fit(result).type_batch(named)
    said = [answer(0, "plasma cell"), answer(1, ARTEFACT)]
    taught = batch.teach(said)
    table = batches_differential({"June": taught})
    assert list(table.columns) == ["batch", *OLD, "flagged"]
    assert table["cells"].sum() == named.n_cells - 1
    assert table.groupby("slide")["percent"].sum().round(6).tolist() == [100, 100]
    plasma = table.loc[table["type"] == "plasma cell", "cells"]
    assert plasma.sum() == taught.final.count("plasma cell") > 0
    assert table["flagged"].sum() == taught.flagged.sum()
    assert (table["low"] <= table["percent"]).all()
    assert (table["percent"] <= table["high"]).all()
