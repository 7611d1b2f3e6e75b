from celltransfer_core.framing import try_framing


def test_a_trial_is_spread_over_the_set(reference, cache):
    cells, found = try_framing(reference, cache, n_cells=5)
    assert cells.tolist() == [0, 10, 20, 30, 41]
    assert found.shape == (5,)
    assert found.all()


def test_a_small_set_is_looked_at_as_a_whole(query, cache):
    cells, found = try_framing(query, cache, n_cells=100)
    assert cells.tolist() == list(range(query.n_cells))
    assert len(found) == query.n_cells
