from dataclasses import replace

import numpy as np

from celltransfer_core.config import DEFAULT
from celltransfer_core.neighbors import EntropyWeightedKNN
from celltransfer_core.pipeline import align, aligned, classify, plan_draws
from celltransfer_core.pipeline.result import GALLERY
from celltransfer_core.transport import FGWAligner


def test_parts_are_handed_on_as_they_are_mapped(rng, monkeypatch):
    config = replace(DEFAULT, subset_size=20, draws=2, alignment="centre")
    types = np.arange(60) % 3
    Xs, Xt = (rng.normal(size=(n, 4)).astype(np.float32) for n in (60, 50))
    draws = plan_draws(types, np.full(3, 1 / 3), np.zeros(50, np.int64), config)
    assert len(draws.parts) == 3
    assert len(draws.drawn) == 6
    solved = []

    def backwards_in_pairs(work, tasks, *, workers=None):
        for index in (1, 0, 5, 3, 2, 4):
            solved.append(index)
            yield index, work(tasks[index])

    monkeypatch.setattr(aligned, "run_tasks", backwards_in_pairs)
    when = []
    for (rows, cells), solves in align("v", Xs, Xt, draws, config):
        drawn = [draw.cells for draw in draws.of_part(len(when))]
        when.append(len(solved))
        assert rows.shape == (len(cells), 4)
        assert solves == []
        np.testing.assert_array_equal(cells, np.unique(drawn))  # each once, in order
        # The mean of all that is mapped is that of the part it went onto.
        copies = np.bincount(np.concatenate(drawn), minlength=60)[cells]
        np.testing.assert_allclose(
            np.average(rows, axis=0, weights=copies),
            Xt[draws.parts[len(when) - 1]].mean(axis=0),
            atol=1e-5,
        )
    assert when == [2, 5, 6]


def test_a_cell_lies_at_the_mean_of_its_draws_and_is_one_neighbour(rng):
    # Of the first type there are ten cells, and the matches want it nine times as often.
    types = np.repeat([0, 1], [10, 60])
    config = replace(DEFAULT, subset_size=100, draws=10, alignment="fgw", mapping="barycentric")
    Xs = (rng.normal(size=(70, 4)) + 5 * types[:, None]).astype(np.float32)
    Xt = (rng.normal(size=(90, 4)) + 5 * (np.arange(90) > 80)[:, None]).astype(np.float32)
    draws = plan_draws(types, np.array([0.9, 0.1]), (np.arange(90) > 80).astype(int), config)
    assert len(draws.drawn) == 10
    [((rows, cells), _)] = align("v", Xs, Xt, draws, config, workers=1)
    np.testing.assert_array_equal(cells, np.unique([draw.cells for draw in draws.drawn]))

    aligner = FGWAligner(alpha=config.alpha)
    moved = [aligner.fit(Xs[draw.cells], None, Xt).mapped_ for draw in draws.drawn]
    of = np.concatenate([draw.cells for draw in draws.drawn])
    for row, cell in zip(rows, cells, strict=True):
        np.testing.assert_allclose(row, np.concatenate(moved)[of == cell].mean(axis=0), atol=1e-4)

    voter = classify(("v",), "fgw", [(rows, cells)], Xt, draws, 2, config)
    assert all(len(set(near)) == GALLERY for near in voter.neighbours.tolist())
    # The nearest k are k cells, of both types where the first has no more.
    knn = EntropyWeightedKNN(class_weight="balanced").fit(rows, types[draws.usable[cells]])
    np.testing.assert_array_equal(voter.probabilities, knn.predict_proba(Xt))


def test_a_draw_without_copies_is_handed_on_as_it_was_mapped(rng):
    config = replace(DEFAULT, weights="uniform", alignment="fgw")
    Xs, Xt = (rng.normal(size=(n, 4)).astype(np.float32) for n in (40, 30))
    draws = plan_draws(np.arange(40) % 2, np.full(2, 0.5), np.zeros(30, np.int64), config)
    [((rows, cells), _)] = align("v", Xs, Xt, draws, config, workers=1)
    aligner = FGWAligner(alpha=config.alpha, mapping=config.mapping).fit(Xs, None, Xt)
    assert rows.tobytes() == aligner.mapped_.tobytes()
    np.testing.assert_array_equal(cells, np.arange(40))


def test_each_source_is_drawn_and_transported_by_itself():
    # Types 0 and 1 in the first source, 1 and 2 in the second; clusters of the query by type.
    types = np.repeat([0, 1, 1, 2], 100)
    sources = np.repeat([0, 0, 1, 1], 100)
    matched = np.repeat([0, 1, 2, -1], [60, 30, 10, 20])
    proportions = np.array([0.6, 0.3, 0.1])
    config = replace(DEFAULT, subset_size=200, draws=2)
    draws = plan_draws(types, proportions, matched, config, sources=sources)
    # 90 cells are matched to the first source and 40 to the second: a draw is about as large, and
    # as often as makes 2 of all that the source has.
    assert [one.number for one in draws.of_part(0)] == [0, 0, 1, 1, 2, 3]
    for one, own, counts in zip(
        draws.drawn,
        [(0, 1), (1, 2)] * 2 + [(0, 1)] * 2,
        # As in the query, of the types that the source has.
        [(67, 33), (60, 20)] * 2 + [(67, 33)] * 2,
        strict=True,
    ):
        names, drawn = np.unique(draws.types[one.cells], return_counts=True)
        assert (tuple(names), tuple(drawn)) == (own, counts)
        assert len(set(sources[one.cells])) == 1
        assert set(matched[one.onto]) == set(own)
        voting = np.bincount(draws.types[one.cells[one.voting]], minlength=3)
        assert voting[1] == -(-counts[own.index(1)] // 2)  # two sources have it
        assert voting[[0, 2]].sum() == counts[1 - own.index(1)]
    together = plan_draws(
        types, proportions, matched, replace(config, weights="uniform"), sources=sources
    )
    assert len(together.drawn) == 2  # the paper's way: at random from all
    assert {len(one.onto) for one in together.drawn} == {100}


def test_draws_are_as_large_as_the_cells_they_are_transported_onto():
    types = np.repeat([0, 1], [600, 300])
    matched = np.repeat([0, 1, -1], [150, 50, 100])
    proportions = np.array([0.75, 0.25])
    draws = plan_draws(types, proportions, matched, DEFAULT)
    for one in draws.drawn:
        assert len(one.cells) == len(one.onto) == 200
        assert np.bincount(draws.types[one.cells]).tolist() == [150, 50]
        assert len(np.unique(one.cells)) == 200
    assert len(draws.drawn) == 14  # three times the 900 cells that there are, nearly
    few = plan_draws(types, proportions, matched[:20], DEFAULT)
    assert {len(one.cells) for one in few.drawn} == {100}
    many = plan_draws(types, proportions, np.repeat(matched, 6), DEFAULT)
    assert {(len(one.cells), len(one.onto)) for one in many.drawn} == {(900, 1200)}
    assert len(many.drawn) == 3


def test_one_source_is_drawn_as_without_sources():
    types = np.repeat([0, 1], 50)
    matched = np.repeat([0, 1], 20)
    proportions = np.array([0.7, 0.3])
    one, none = (
        plan_draws(types, proportions, matched, DEFAULT, sources=sources)
        for sources in (np.zeros(100, dtype=np.int64), None)
    )
    for a, b in zip(one.drawn, none.drawn, strict=True):
        np.testing.assert_array_equal(a.cells, b.cells)
        np.testing.assert_array_equal(a.voting, np.arange(len(a.cells)))
