"""Types that must not be missed: kept though no cluster has them, their likely cells flagged."""

from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.errors import DataError
from celltransfer_core.matching import Confirmation
from celltransfer_core.outputs.command import command_line
from celltransfer_core.pipeline import run, select_cells
from tests.pipeline.samples import FAST


@pytest.fixture(scope="module")
def others(reference, query, store):
    """Every cluster is confirmed as another type, so that this one would be left out."""
    plain = run(reference, query, FAST, cache=store, workers=1)
    types = ("lymphocyte", "neutrophil")
    return [Confirmation(int(n), types[n % 2], "Ann") for n in plain.clusters.names]


def test_the_type_is_kept_and_what_may_be_one_is_flagged(reference, query, store, others):
    how = {"confirmations": others, "cache": store, "workers": 1}
    without = run(reference, query, FAST, **how)
    assert "eosinophil" in without.filtered
    result = run(reference, query, replace(FAST, must_find=("eosinophil",)), **how)
    assert "eosinophil" in result.types
    shown = result.to_show["eosinophil"]
    assert shown.any()
    assert result.flagged[shown].all()
    likely = result.probabilities[:, result.types.index("eosinophil")] >= 0.05
    assert (shown | (np.array(result.predicted) == "eosinophil"))[likely].all()
    asked = select_cells(result, [], "Ann", "must find")
    np.testing.assert_array_equal(asked, result.seen_as("eosinophil"))
    assert "--must-find eosinophil" in command_line(result.config)


def test_a_type_that_the_reference_lacks_cannot_be_promised(reference, query, store):
    with pytest.raises(DataError, match=r"--must-find cannot be blast; it takes .*lymphocyte"):
        run(reference, query, replace(FAST, must_find=("blast",)), cache=store, workers=1)


def test_without_any_nothing_more_is_shown(reference, query, store):
    assert run(reference, query, FAST, cache=store, workers=1).to_show == {}
