import numpy as np
import pytest

from celltransfer_core.data.relabelled import relabelled
from celltransfer_core.pipeline import (
    CellMap,
    detect,
    identify,
    map_of,
    prepare,
    with_reference,
)
from celltransfer_core.vocabulary import QUERY, REFERENCE
from tests.pipeline.samples import FAST


@pytest.fixture(scope="module")
def prepared(reference, query, store):
    return prepare(reference, query, FAST, cache=store, workers=1)


def test_rows_stay_with_their_cells(prepared):
    cells = prepared.reference.cells
    mended = relabelled(prepared.reference, {cells[1]: "", cells[3]: "lymphocyte"})
    found = with_reference(prepared, mended)
    kept = [n for n in range(len(cells)) if n != 1]
    assert found.reference.cells == tuple(cells[n] for n in kept)
    assert found.framing.crops[REFERENCE].dataset is mended
    assert (found.framing.crops[REFERENCE][1] == prepared.framing.crops[REFERENCE][2]).all()
    assert len(found.framing.nuclei[REFERENCE].found) == len(kept)
    for name, X in prepared.embeddings[REFERENCE].items():
        assert (found.embeddings[REFERENCE][name] == X[kept]).all()
    assert found.embeddings[QUERY] is prepared.embeddings[QUERY]
    assert found.framing.crops[REFERENCE].variant == prepared.framing.crops[REFERENCE].variant
    assert len(identify(found, detect(found)).matches)
    assert with_reference(prepared, prepared.reference) is prepared


def test_a_map_loses_the_cells_that_were_left_out(prepared):
    before = prepared.reference
    sizes = before.n_cells, prepared.query.n_cells
    drawn = CellMap(
        np.arange(2 * sum(sizes), dtype=np.float32).reshape(-1, 2),
        (*[REFERENCE] * sizes[0], *[QUERY] * sizes[1]),
        np.concatenate([np.arange(n) for n in sizes]),
    )
    now = relabelled(before, {before.cells[0]: ""})
    found = map_of(drawn, before, now)
    assert len(found.cells) == len(drawn.cells) - 1 == len(found.sets) == len(found.xy)
    place = drawn.sets.index(REFERENCE) + 1
    assert (found.xy[place - 1] == drawn.xy[place]).all()
    assert now.cells[found.cells[place - 1]] == before.cells[drawn.cells[place]]
    of_query = np.array(drawn.sets) == QUERY
    assert (found.cells[np.array(found.sets) == QUERY] == drawn.cells[of_query]).all()
