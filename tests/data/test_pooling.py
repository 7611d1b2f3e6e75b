import numpy as np
import pytest

from celltransfer_core.data import draw_per_class, pool
from celltransfer_core.errors import DataError


def test_pooling_joins_renames_and_leaves_out(stored_sets):
    sets = stored_sets(
        {"a/1.png": "red", "b/2.png": "blue", "c/3.png": "green"},
        # One name and image under another type, one name with another image.
        {"x/1.png": "red", "b/2.png": "white", "d/3.png": "black"},
    )
    pooled = pool(sets, [{"c": ""}, {"d": "b"}])
    typed = sorted(zip(pooled.files, pooled.labels, strict=True))
    assert typed == [("b/2.png", "b"), ("b/2.png", "b"), ("d/3.png", "b")]
    reasons = {remark.file: remark.reason for remark in pooled.left_out}
    assert reasons["c/3.png"] == "its type c is left out"
    assert reasons["a/1.png"] == "the same image appears under a and x"
    same = pool(sets, [{}, {"x": "a"}])
    assert same.sources == ("",)
    assert sorted(set(same.labels)) == ["a", "b", "c", "d"]
    assert same.n_cells == 5


def test_pooled_references_know_where_their_cells_came_from(stored_sets):
    sets = stored_sets(
        {"a/1.png": "red", "b/2.png": "blue"},
        {"a/1.png": "red", "b/2.png": "white", "c/3.png": "black"},
    )
    pooled = pool(sets, names=["z", "y"])
    assert pooled.sources == ("y", "z")
    sources = [pooled.sources[source] for source in pooled.cell_sources]
    # Red is in both: it counts as of the one that comes first in the alphabet.
    assert sorted(zip(sources, pooled.cell_labels.tolist(), strict=True)) == [
        *(("y", "a"), ("y", "b"), ("y", "c"), ("z", "b"))
    ]
    few = pooled.take_typed(np.array([0, 2]))
    assert [few.sources[one] for one in few.cell_sources] == [
        pooled.sources[pooled.cell_sources[cell]] for cell in (0, 2)
    ]
    assert pool(sets[:1], names=["z"]).source is None


def test_each_pooled_set_gives_its_cells_of_each_type(stored_sets):
    colours = ("red", "blue", "white", "black"), ("green", "yellow")
    sets = stored_sets(*({f"a/{n}.png": c for n, c in enumerate(one)} for one in colours))
    drawn = draw_per_class(pool(sets, names=["x", "y"]), 2, 0)
    assert np.bincount(drawn.cell_sources).tolist() == [2, 2]


@pytest.mark.parametrize("names", [None, ("x", "y", "z")])
def test_cells_of_pooled_sets_keep_the_scale_of_their_own(stored_sets, names):
    sets = stored_sets({"a/1.png": "red", "b/2.png": "blue"}, {"a/1.png": "red"}, {"c/3": "black"})
    sets = [sets[0].with_um_per_px(0.1), sets[1].with_um_per_px(0.2), sets[2]]
    pooled = pool(sets, names=names)
    # Red is in two sets, and counts as of the first.
    found = dict(zip(pooled.cell_labels.tolist(), pooled.um_per_px.tolist(), strict=True))
    assert found == {"a": 0.1, "b": 0.1, "c": pytest.approx(np.nan, nan_ok=True)}
    last = np.flatnonzero(np.isnan(pooled.um_per_px))
    few = pooled.take_typed(last)
    assert np.isnan(few.um_per_px).all()
    # A size for all is one for those that have none.
    assert sorted(pooled.with_um_per_px(0.3).um_per_px) == [0.1, 0.1, 0.3]
    assert few.with_um_per_px(0.3).um_per_px.tolist() == [0.3]
    assert pooled.with_um_per_px(None) is pooled
    again = pool([pooled, sets[2]], names=("v", "w"))
    np.testing.assert_array_equal(again.um_per_px, pooled.um_per_px)
    assert pool([sets[0], sets[0]]).scales == sets[0].scales


def test_types_that_are_written_otherwise_alone_are_one(stored_sets):
    sets = stored_sets(
        {"blast/1.png": "red", "blast/2.png": "blue", "mast/3.png": "green"},
        # Red is no contradiction: both sets call it the same.
        {"BLAST/1.png": "red", "Mast cell/4.png": "black", "mast  CELL/5.png": "white"},
    )
    pooled = pool(sets, [{"mast": "Mast cell"}, {"Blast": "blast"}], names=["x", "y"])
    assert sorted(set(pooled.labels)) == ["Mast cell", "blast"]
    assert not [one for one in pooled.left_out if "same image" in one.reason]
    assert (pooled.n_cells, len(pooled.files)) == (5, 6)


def test_sets_on_two_drives_are_refused(stored_sets, monkeypatch):
    def other_drives(paths):
        raise ValueError("Paths don't have the same drive")

    monkeypatch.setattr("celltransfer_core.data.pooling.os.path.commonpath", other_drives)
    with pytest.raises(DataError, match="are on different drives"):
        pool(stored_sets({"a/1.png": "red"}, {"b/2.png": "blue"}))
