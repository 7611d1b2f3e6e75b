import os
from pathlib import Path

# Before NumPy and torch are imported: tests run side by side, and threads of libraries that
# wait for a processor spin, which made training five times as slow.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.data import read_dataset
from celltransfer_core.demo import QUERY_STYLE, REFERENCE_STYLE, draw_cell
from celltransfer_core.runtime import Cache

TYPES = ("eosinophil", "lymphocyte", "neutrophil")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """Keep each test's own CELLTRANSFER_HOME, so that none meets what another left behind."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("CELLTRANSFER_HOME", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """Drawn cells: ``reference`` of three types, ``query`` of two of them in another style."""
    rng = np.random.default_rng(7)
    folder = tmp_path_factory.mktemp("drawn")
    for name in TYPES:
        (folder / "reference" / name).mkdir(parents=True)
        for number in range(14):
            image = draw_cell(name, rng, REFERENCE_STYLE)
            Image.fromarray(image).save(folder / "reference" / name / f"{number}.png")
    (folder / "query").mkdir()
    for number in range(30):
        image = draw_cell(TYPES[1 if number % 3 else 0], rng, QUERY_STYLE)
        Image.fromarray(image).save(folder / "query" / f"{number:02}.png")
    return folder


@pytest.fixture(scope="session")
def reference(drawn):
    return read_dataset(drawn / "reference", labelled=True, workers=1)


@pytest.fixture(scope="session")
def query(drawn):
    return read_dataset(drawn / "query", workers=1)


ROOT = Path(__file__).parents[1]
"""The project's folder."""


def data_folder(name):
    """Real images beside the project, for the tests that need them."""
    folder = ROOT.parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"needs the real images of {name}, which are not here")
    return folder
