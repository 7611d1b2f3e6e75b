import numpy as np

from celltransfer_core.pipeline.ruled_out import FEWEST_CELLS, look_alikes


def three_types(rng, each=40):
    """Types around three points of a plane, far apart beside their own width."""
    types = np.repeat([0, 1, 2], each)
    means = np.array([[0, 0], [12, 0], [0, 12]])
    return (means[types] + rng.normal(size=(3 * each, 2))).astype(np.float32), types


def test_cells_of_a_type_that_is_ruled_out_are_found_and_no_others():
    rng = np.random.default_rng(0)
    Xs, types = three_types(rng)
    Xt, truth = three_types(rng, each=15)
    found = look_alikes(Xs, types, Xt, np.array([False, False, True]))
    assert list(found) == [2]
    assert found[2].tolist() == np.flatnonzero(truth == 2).tolist()


def test_a_query_without_the_type_is_quiet():
    rng = np.random.default_rng(1)
    Xs, types = three_types(rng)
    Xt, truth = three_types(rng, each=15)
    between = np.array([[0, 5.8], [0.3, 5.7], [-0.3, 5.7], [0, 5.6]], dtype=np.float32)
    query = np.concatenate([Xt[truth != 2], between])
    assert look_alikes(Xs, types, query, np.array([False, False, True])) == {}


def test_fewer_cells_than_chance_brings_are_not_told():
    rng = np.random.default_rng(2)
    Xs, types = three_types(rng)
    few = np.array([[0, 12]] * (FEWEST_CELLS - 1), dtype=np.float32)
    absent = np.array([False, False, True])
    assert look_alikes(Xs, types, few, absent) == {}
    assert len(look_alikes(Xs, types, np.repeat(few, 2, axis=0), absent)[2]) == len(few) * 2
