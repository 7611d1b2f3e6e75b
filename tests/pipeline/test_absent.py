"""Types that the query cannot hold: no cluster is named so, unless a person says it."""

from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.cli.settings import with_types
from celltransfer_core.config import DEFAULT
from celltransfer_core.errors import DataError
from celltransfer_core.matching import Confirmation, similarity
from celltransfer_core.pipeline import run
from tests.pipeline.samples import FAST

TYPES = ("eosinophil", "lymphocyte", "neutrophil")


def test_scores_are_those_without_the_type():
    rng = np.random.default_rng(0)
    types, clusters = np.repeat(np.arange(4), 6), np.repeat(np.arange(3), 5)
    reference = {name: rng.normal(size=(24, 5)).astype(np.float32) for name in "ab"}
    query = {name: rng.normal(size=(15, 5)).astype(np.float32) for name in "ab"}
    possible = np.array([True, False, True, True])
    told = similarity(query, clusters, reference, types, "wxyz", centred=True, possible=possible)
    rest = possible[types]
    renumbered = np.searchsorted(np.flatnonzero(possible), types[rest])
    alone = {name: X[rest] for name, X in reference.items()}
    without = similarity(query, clusters, alone, renumbered, "wyz", centred=True)
    np.testing.assert_allclose(told.score_row[:, possible], without.score_row)
    np.testing.assert_allclose(told.score_col[:, possible], without.score_col)
    np.testing.assert_allclose(told.p[:, possible], without.p)
    assert (told.p[:, 1] < without.p.min()).all()


def test_no_cluster_and_no_cell_is_of_an_absent_type(reference, query, store):
    plain = run(reference, query, FAST, cache=store, workers=1)
    gone = plain.matches[0].matched_type
    told = run(reference, query, replace(FAST, absent=(gone,)), cache=store, workers=1)
    assert gone not in {match.matched_type for match in told.matches}
    assert gone not in told.types
    np.testing.assert_array_equal(told.clusters.labels, plain.clusters.labels)
    unfiltered = replace(FAST, absent=(gone,), filtering="none")
    assert gone not in run(reference, query, unfiltered, cache=store, workers=1).types


def test_a_persons_word_stands_above_it(reference, query, store):
    config = replace(FAST, absent=("eosinophil",))
    number = 0
    said = [Confirmation(number, "eosinophil", "Ann")]
    found = run(reference, query, config, confirmations=said, cache=store, workers=1)
    assert found.matches[number].matched_type == "eosinophil"
    assert "eosinophil" in found.types


def test_an_expected_type_is_kept_though_no_cluster_has_it(reference, query, store):
    plain = run(reference, query, FAST, cache=store, workers=1)
    others = [Confirmation(int(n), TYPES[1 + n % 2], "Ann") for n in plain.clusters.names]
    how = {"confirmations": others, "cache": store, "workers": 1}
    assert "eosinophil" in run(reference, query, FAST, **how).filtered
    expected = replace(FAST, expect=("eosinophil",))
    assert "eosinophil" in run(reference, query, expected, **how).types


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"absent": ("blast",)}, "--absent cannot be blast; it takes .*lymphocyte"),
        ({"expect": ("blast",)}, "--expect cannot be blast"),
        ({"absent": TYPES[:2], "expect": TYPES[1:]}, "--expect and --absent both name lymphocyte"),
        ({"absent": TYPES[1:], "must_find": TYPES[:1]}, "--absent leaves eosinophil; at least two"),
    ],
)
def test_what_contradicts_itself_is_refused(reference, query, store, options, reason):
    with pytest.raises(DataError, match=reason):
        run(reference, query, replace(FAST, **options), cache=store, workers=1)


def test_options_are_read_with_commas_and_expecting_rules_out_the_rest():
    told = with_types(replace(DEFAULT, expect=("lymphocyte, neutrophil",)), TYPES)
    assert told.expect == ("lymphocyte", "neutrophil")
    assert told.absent == ("eosinophil",)
    with_commas = ("a, b", "c")
    assert with_types(replace(DEFAULT, absent=("a, b",)), with_commas).absent == ("a, b",)
    both = with_types(replace(DEFAULT, expect=("lymphocyte",), absent=("eosinophil",)), TYPES)
    assert both.absent == ("eosinophil",)
    found = with_types(replace(DEFAULT, expect=("lymphocyte",), must_find=("neutrophil",)), TYPES)
    assert found.absent == ("eosinophil",)
