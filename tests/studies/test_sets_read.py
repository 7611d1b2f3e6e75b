import numpy as np
import pytest

from celltransfer_core.errors import DataError, StudyError
from celltransfer_core.studies import Workspace, stage_keys, study_config
from tests.studies.samples import png


def test_a_name_that_comes_again_is_replaced_where_that_is_wanted(space, query_set):
    space.receive(query_set.id, [("1.png", png(1)), ("1.png", png(2))])
    before = space.image_set(query_set.id).revision
    space.receive(query_set.id, [("1.png", png(3))], clash="replace")
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


def test_a_renamed_set_is_a_source_of_its_new_name_at_once(space, study):
    for name, shade in (("May", 0), ("June", 50)):
        images = space.add_set(study.id, "reference", name)
        space.receive(images.id, [(f"{n}/{n}.png", png(shade + n)) for n in range(2)])
    assert space.pooled(study.id, "reference").sources == ("June", "May")
    Workspace().change_set(images.id, name="July")
    assert space.pooled(study.id, "reference").sources == ("July", "May")
    first = space.sets(study.id, "reference")[0]
    space.receive(first.id, [("labels.csv", b"name,kind\n")])
    space.change_set(first.id, name="April")
    with pytest.raises(DataError, match=r"April/labels\.csv"):
        space.dataset(space.image_set(first.id))


def test_wrong_tables_say_so(space, study):
    images = space.add_set(study.id, "reference", "May")
    space.receive(images.id, [("1.png", png(1)), ("labels.csv", b"name,kind\n1.png,x\n")])
    with pytest.raises(DataError, match=r"May/labels\.csv needs the columns file, label"):
        space.dataset(space.image_set(images.id))


def test_each_set_has_its_own_pixel_size(space, study, query_set):
    for name, shade, scale in (("May", 0, 0.1), ("June", 50, 0.3)):
        images = space.add_set(study.id, "reference", name)
        space.receive(images.id, [(f"{k}/1.png", png(shade + 9 * n)) for n, k in enumerate("ab")])
        space.change_set(images.id, um_per_px=scale)
    space.receive(query_set.id, [("1.png", png(99))])
    pooled = space.pooled(study.id, "reference")
    names = [pooled.sources[number] for number in pooled.cell_sources]
    found = sorted(zip(names, pooled.um_per_px.tolist(), strict=True))
    assert found == [("June", 0.3)] * 2 + [("May", 0.1)] * 2
    assert study_config(space, space.study(study.id)).um_per_px is None
    before = stage_keys(space, study.id)["embed"]
    space.change_set(query_set.id, um_per_px=0.2)
    june = space.sets(study.id, "reference")[1]
    middle = stage_keys(space, study.id)["embed"]
    space.change_set(june.id, um_per_px=0.1)
    assert len({before, middle, stage_keys(space, study.id)["embed"]}) == 3
    # A set's new size is seen at once, and one number for each role can be repeated.
    assert space.pooled(study.id, "reference").um_per_px.tolist() == [0.1] * 4
    assert study_config(space, space.study(study.id)).um_per_px == (0.1, 0.2)
    assert space.pooled(study.id, "query").um_per_px.tolist() == [0.2]
