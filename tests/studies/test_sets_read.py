import numpy as np
import pytest

from celltransfer_core.errors import DataError, StudyError
from tests.studies.samples import png


def test_a_name_that_comes_again_is_replaced(space, query_set):
    space.receive(query_set.id, [("1.png", png(1)), ("1.png", png(2))])
    before = space.image_set(query_set.id).revision
    space.receive(query_set.id, [("1.png", png(3))])
    after = space.image_set(query_set.id)
    assert after.revision != before
    dataset = space.dataset(after)
    assert len(dataset.files) == 1
    np.testing.assert_array_equal(dataset.read(0)[0, 0], [3, 100, 197])


def test_a_query_never_comes_with_labels(space, study, query_set):
    space.receive(query_set.id, [("a/1.png", png(1)), ("labels.csv", b"file,label\na/1.png,x\n")])
    assert space.dataset(space.image_set(query_set.id)).labels is None
    with pytest.raises(StudyError, match="one query set"):
        space.add_set(study.id, "query", "another")


def test_references_are_pooled_and_their_types_mapped(space, study):
    assert space.pooled(study.id, "reference") is None
    for name, kinds in (("May", ("neut", "lymph")), ("June", ("neutrophil", "blast"))):
        images = space.add_set(study.id, "reference", name)
        shade = 0 if name == "May" else 50
        files = [
            (f"{k}/{i}.png", png(shade + 10 * n + i)) for n, k in enumerate(kinds) for i in (0, 1)
        ]
        space.receive(images.id, files)
    first, second = space.sets(study.id, "reference")
    space.change_set(first.id, mapping={"neut": "neutrophil", "lymph": "lymphocyte"})
    space.change_set(second.id, mapping={"blast": ""}, um_per_px=0.25, name="June again")
    pooled = space.pooled(study.id, "reference")
    assert sorted(pooled.labels) == ["lymphocyte"] * 2 + ["neutrophil"] * 4
    assert space.image_set(second.id).um_per_px == 0.25
    assert space.image_set(second.id).name == "June again"
    space.remove_set(first.id)
    assert set(space.pooled(study.id, "reference").labels) == {"neutrophil"}


def test_wrong_tables_say_so(space, study):
    images = space.add_set(study.id, "reference", "May")
    space.receive(images.id, [("1.png", png(1)), ("labels.csv", b"name,kind\n1.png,x\n")])
    with pytest.raises(DataError, match=r"May/labels\.csv needs the columns file, label"):
        space.dataset(space.image_set(images.id))
