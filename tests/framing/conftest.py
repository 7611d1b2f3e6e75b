import pytest

from celltransfer_core.data import pool, read_dataset
from celltransfer_core.framing import find_nuclei, frame_sets


@pytest.fixture
def nuclei(reference, cache):
    """The nuclei of the reference."""
    return find_nuclei(reference, cache, workers=1)


@pytest.fixture
def frame(reference, query, cache):
    """Frame sets, the reference and the query by default, with some options."""

    def framed(sets=None, **options):
        sets = sets or {"reference": reference, "query": query}
        defaults = {"mode": "nucleus", "cache": cache, "workers": 1}
        return frame_sets(sets, **{**defaults, **options})

    return framed


@pytest.fixture
def typed_query(drawn):
    """The drawn query with its types, as another reference."""
    names = {
        f"{number:02}.png": "lymphocyte" if number % 3 else "eosinophil" for number in range(30)
    }
    return read_dataset(drawn / "query", labelled=True, type_of=names.get, workers=1)


@pytest.fixture
def pooled(reference, typed_query):
    """Two references, pooled."""
    return pool([reference, typed_query], names=["home", "away"])
