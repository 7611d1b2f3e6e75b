import pytest

from celltransfer_core.plots import type_colours
from tests.plots.samples import BLOOD, make_scores


@pytest.fixture
def score():
    """Similarity of four clusters to the types of blood, by two encoders."""
    return make_scores()


@pytest.fixture
def colours():
    return type_colours(BLOOD)
