import pytest

from celltransfer_core.pipeline import run
from celltransfer_core.runtime import Cache
from tests.pipeline.samples import FAST


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """One cache for all tests: embeddings of the drawn cells are made once, results each time."""

    class Embeddings(Cache):
        def once(self, key, make):
            return make()

    return Embeddings(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def result(reference, query, store):
    return run(reference, query, FAST, cache=store, workers=1)
