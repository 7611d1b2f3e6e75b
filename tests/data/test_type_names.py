import unicodedata

import pytest

from celltransfer_core.data.settled import settle
from celltransfer_core.data.type_names import (
    answer_named,
    close_match,
    doubtful,
    doubtful_types,
    one_spelling,
    plurals,
    same_type,
    type_key,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Band neutrophil", "band  NEUTROPHIL "),
        ("band\xa0cell", "band cell"),
        ("band\u2009cell\u200b", "band cell"),
        ("\ufeffblast", "blast"),
        (unicodedata.normalize("NFD", "Übersegmentiert"), "übersegmentiert"),
        ("große Zelle", "GROSSE ZELLE"),
        ("1.0", "1"),
        ("2,00", "2"),
    ],
)
def test_names_are_compared_without_case_white_space_and_unicode_form(one, other):
    assert type_key(one) == type_key(other)
    assert same_type(one, ["x", other]) == other


@pytest.mark.parametrize("other", ["eosinophils", "eosinophil 2", "1.5", "H2", "eosino phil"])
def test_other_names_stay_apart(other):
    assert type_key(other) not in {type_key(name) for name in ("eosinophil", "1", "15", "H₂")}
    assert same_type(other, ["eosinophil", "1", "15", "H₂"]) == ""


def test_the_commonest_spelling_counts_and_ties_are_decided_by_a_rule():
    assert one_spelling({"band  cell": 3, "band cell": 2, "Band cell": 4}) == {
        "band  cell": "band cell",
        "Band cell": "band cell",
    }
    assert one_spelling({"Blast": 2, "blast": 2}) == {"blast": "Blast"}
    assert one_spelling({"blast": 2, "Blast": 2}) == {"blast": "Blast"}
    assert one_spelling({"1.0": 5, "1": 1}) == {"1.0": "1"}
    assert one_spelling({"a  b": 1, "c": 1}) == {}  # nothing to merge: as it is written


def test_a_name_that_is_close_is_proposed_and_others_are_not():
    types = ["eosinophil", "basophil", "Band neutrophil"]
    assert close_match("Eosinofil", types) == "eosinophil"
    assert close_match("BAND NEUTROPHILS", types) == "Band neutrophil"
    assert close_match("monocyte", types) == ""


@pytest.mark.parametrize(
    ("label", "what"),
    [
        *((label, "missing value") for label in ("nan", "NaN", "NA", "n/a", "<NA>", "null", "-")),
        *((label, "spreadsheet's error") for label in ("#NAME?", "#REF!", "#DIV/0!", "#N/A")),
        *((label, "spreadsheet's error") for label in ("#WERT!", "#BEZUG!", "#NV", "#¿NOMBRE?")),
        *((label, "a formula") for label in ("=1+1", "=VLOOKUP(A1;B:C;2)")),
        *((label, "a list") for label in ('["a", "b"]', "{'choices': ['a']}")),
        *((label, "a date") for label in ("2024-03-01 00:00:00", "1/3/2024", "12:30")),
        *((label, "a number") for label in ("3", "-1", "3.5", "1,5", "2E-05")),
    ],
)
def test_what_is_hardly_a_type_is_told_from_what_is_one(label, what):
    assert what in doubtful(label)
    assert set(doubtful_types(["eosinophil", label])) == {label}


def test_honest_names_are_not_doubted():
    honest = ["+CD4", "-CD8", "CD4+", "#1", "None of these", "Type [x]", "2n", "T-cell", "unknown"]
    assert doubtful_types(honest) == {}
    assert doubtful_types(["0", "1", "7"]) == {}  # numbers alone are somebody's names
    assert set(doubtful_types(["0", "1", "nan"])) == {"nan"}


def test_answers_are_recognised_in_any_case():
    assert [answer_named(name) for name in ("Unsure", "NONE", " Artefact ", "blast")] == [
        *("unsure", "none", "artefact", "")
    ]


def test_plurals_are_asked_about_and_never_merged():
    names = ["Eosinophil", "eosinophils", "Lymphozyt", "Lymphozyten", "gas", "band"]
    assert plurals(names) == [("Eosinophil", "eosinophils"), ("Lymphozyt", "Lymphozyten")]
    assert one_spelling(dict.fromkeys(names, 1)) == {}


def test_what_is_merged_and_left_out_is_said_of_each_file():
    labels = {"1": "Blast", "2": "blast", "3": "blast", "4": "nan", "5": "NA", "6": "mast"}
    settled = settle(labels, ["na"])  # somebody said that NA is one
    assert settled.labels == {"1": "blast", "2": "blast", "3": "blast", "5": "NA", "6": "mast"}
    ((left, why),) = [(one.file, one.reason) for one in settled.left_out]
    assert (left, why.startswith("its type reads nan, what programs write")) == ("4", True)
    ((merged, note),) = [(one.file, one.reason) for one in settled.notes]
    assert (merged, "'Blast', which counts as 'blast'" in note) == ("1", True)
    assert settle(labels, None).left_out == ()
