import io

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.studies import Workspace
from tests.web.asking import query_now


@pytest.fixture
def space(home):
    return Workspace()


@pytest.fixture
def study(space):
    return space.create("Cells").id


@pytest.fixture
def query(space, study):
    return space.add_set(study, "query", "Query")


@pytest.fixture
def sha256(space, study, query):
    """Hash of one 40 × 20 image of the study."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20] = 200
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    space.receive(query.id, [("1.png", file.getvalue())])
    return space.dataset(query_now(space, study)).cells[0]
