"""Names of types in tables that people hand back."""

import re

import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.outputs import (
    csv_bytes,
    read_answers,
    read_matches,
    read_said,
    reviews_table,
)

TYPES = ("eosinophil", "large lymphocyte", "neutrophil")


def matches(folder, names):
    rows = [f"{number},{name},true" for number, name in enumerate(names)]
    path = folder / "matches.csv"
    path.write_text("\n".join(["cluster,matched_type,confirmed", *rows]), encoding="utf-8")
    return path


@pytest.fixture
def reviews(result, answer, tmp_path):
    """Write answers to a table."""

    def write(names):
        given = [answer(place, name) for place, name in enumerate(names)]
        (tmp_path / "reviews.csv").write_bytes(csv_bytes(reviews_table(result.query, given)))
        return tmp_path / "reviews.csv"

    return write


@pytest.mark.parametrize("name", ["Neutrophil", " NEUTROPHIL ", "neu\u200btrophil"])
def test_a_name_is_the_same_in_any_case_and_form(tmp_path, name):
    (found,) = read_matches(matches(tmp_path, [name]), TYPES)
    assert found.type_name == "neutrophil"


def test_every_unknown_name_of_both_tables_is_told_at_once(result, tmp_path, reviews):
    said = matches(tmp_path, ["Neutrophill", "Large  Lymphocyte", "plasma cell", "None"])
    answers = reviews(["eosinofil", "UNSURE", "eosinofil", "Skip", "neutrophil", "eosinofil"])
    with pytest.raises(DataError) as stopped:
        read_said(said, answers, result.query, TYPES)
    assert str(stopped.value) == (
        f"3 names are not types of the reference. {said}: Neutrophill (line 2; did you mean "
        f"neutrophil?), plasma cell (line 4); {answers}: eosinofil (lines 2, 4, 7; did you mean "
        "eosinophil?). Correct them, or allow new types: --new-types for all of them, --new-types "
        "NAME,… for some."
    )


def test_allowed_names_are_new_types_as_they_were_spelt_first(result, tmp_path, reviews):
    said = matches(tmp_path, ["Plasma Cell", "neutrophil"])
    answers = reviews(["plasma  cell", "Artefact", "blast"])
    for new in (True, ["PLASMA CELL", "blast"]):
        confirmed, given = read_said(said, answers, result.query, TYPES, new)
        assert [one.type_name for one in confirmed] == ["Plasma Cell", "neutrophil"]
        assert [one.answer for one in given] == ["Plasma Cell", "artefact", "blast"]
    with pytest.raises(DataError, match=r"1 name is not a type .*: blast \(line 4\)\."):
        read_said(said, answers, result.query, TYPES, ["plasma cell"])


def test_lines_of_a_name_are_shortened(result, reviews):
    with pytest.raises(DataError, match=re.escape("other (lines 2, 3, 4, 5…)")):
        read_answers(reviews(["other"] * 9), result.query, TYPES)


def test_what_cannot_name_a_type_is_refused_even_if_new_types_are_allowed(tmp_path):
    for name in ("unsure", "x" * 61, "…"):
        with pytest.raises(DataError, match="line 2: "):
            read_matches(matches(tmp_path, [name]), TYPES, True)
