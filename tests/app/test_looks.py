import io

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.demo import draw_cell
from celltransfer_core.studies import Workspace


def saved(image, kind="PNG"):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.fixture
def doubtful(home):
    """A reference of whole cells; a query with two of them, a mask, and a strip."""
    rng = np.random.default_rng(5)
    names = ("monocyte", "monocyte", "lymphocyte", "lymphocyte", "monocyte")
    cells = [Image.fromarray(draw_cell(name, rng)) for name in names]
    space = Workspace()
    study = space.create("Cells").id
    sets = {role: space.add_set(study, role, role).id for role in ("reference", "query")}
    reference = [(f"{names[n]}/{n}.png", saved(cells[n])) for n in range(4)]
    space.receive(sets["reference"], reference)
    mask = cells[4].convert("L").point(lambda value: 255 * (value < 128))
    query = {
        "monocyte-1.png": saved(cells[0]),
        "lymphocyte-2.jpg": saved(cells[2], "JPEG"),
        "monocyte-3.png": saved(cells[4]),
        "monocyte-3_mask.png": saved(mask),
        "strip.png": saved(cells[4].crop((0, 40, 90, 70))),
    }
    space.receive(sets["query"], list(query.items()))
    return study


def test_doubts_stand_above_the_pictures_without_names_of_the_query(doubtful, open_page):
    page = open_page("data", doubtful)
    assert not page.exception
    warnings = "\n".join(str(one.value) for one in page.warning)
    assert "1 of 5 images is a mask of another image" in warnings
    assert "1 of 4 images is more than 2.5 times as long as wide" in warnings
    shared = "2 of 4 query cells are also in the reference (1 byte for byte, 1 nearly)"
    assert shared in warnings
    labels = [one.label for one in page.expander]
    assert "Reference and query (2 pairs)" in labels
    shown = "\n".join(str(table.value) for table in page.dataframe)
    assert "monocyte-1" not in shown
    for toggle in page.toggle:
        toggle.set_value(True)
    page.run()
    shown = "\n".join(str(table.value) for table in page.dataframe)
    assert {"monocyte-1.png", "monocyte-3_mask.png", "strip.png"} <= set(shown.split())
