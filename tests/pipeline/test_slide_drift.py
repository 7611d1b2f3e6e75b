import time

import numpy as np
import pytest

from celltransfer_core.pipeline import compare_slides, find_drift, usual_figures
from celltransfer_core.pipeline.slide_drift import LEAST_SLIDE, Usual, cell_figures


def cells(rng, means, count=60, spread=1.0):
    """Light of the cells of some slides, and the slide of each."""
    light = np.concatenate([rng.normal(mean, spread, (count, 1)) for mean in means])
    return {"light": light}, np.repeat([f"s{n}" for n in range(len(means))], count)


def drifted(found):
    return [(one.slide, one.figure) for one in found if one.drifted]


def test_slides_that_differ_as_those_that_taught_have_not_drifted(rng):
    known = usual_figures(*cells(rng, rng.normal(0, 2, 12)))
    assert len(known["light"].of_slides) == 12
    new, slides = cells(rng, rng.normal(0, 2, 5))
    assert drifted(find_drift(new, slides, known)) == []
    new, slides = cells(rng, [0.0, 12.0])
    assert drifted(find_drift(new, slides, known)) == [("s1", "light")]


def test_slides_alike_make_small_differences_tell(rng):
    alike = usual_figures(*cells(rng, [0.0] * 6, count=400))
    apart = usual_figures(*cells(rng, [-2, 2, -1, 1, 0, 3], count=400))
    new, slides = cells(rng, [1.0], count=400)
    assert drifted(find_drift(new, slides, alike)) == [("s0", "light")]
    assert drifted(find_drift(new, slides, apart)) == []


def test_one_slide_is_usual_as_far_as_half_of_its_cells_are(rng):
    figures, _ = cells(rng, [5.0], count=1000)
    known = usual_figures(figures, np.full(1000, ""))
    assert known["light"].of_slides == ()
    assert known["light"].limit("light", 10**6) == pytest.approx(0.674, abs=0.05)
    for mean, far in ((5.4, []), (6.0, [("", "light")])):
        new, _ = cells(rng, [mean], count=1000)
        assert drifted(find_drift(new, np.full(1000, ""), known)) == far


def test_few_cells_are_far_by_chance(rng):
    known = {"unknown cells": Usual((0.01,), (0.1,), 0.01, ())}
    for count, unknown, far in ((10, 1, False), (200, 2, False), (200, 20, True)):
        figures = {"unknown cells": (np.arange(count) < unknown)[:, None].astype(float)}
        (found,) = find_drift(figures, np.full(count, ""), known)
        assert found.drifted == far, (count, unknown)
    none = {"unknown cells": np.zeros((500, 1))}
    assert find_drift(none, np.full(500, ""), known)[0].distance == 0  # fewer are no drift


def test_proportions_are_told_as_the_share_of_cells_that_are_other():
    types = np.repeat([0, 1, 2], [60, 30, 10])
    known = usual_figures(cell_figures(None, types, 3, np.zeros(100, bool)), np.full(100, ""))
    assert set(known) == {"proportions", "unknown cells"}
    now = np.repeat([0, 1, 2], [10, 30, 60])
    figures = cell_figures(None, now, 3, np.zeros(100, bool))
    found = {one.figure: one for one in find_drift(figures, np.full(100, ""), known)}
    assert found["proportions"].distance == pytest.approx(0.5)
    assert found["proportions"].drifted
    assert not found["unknown cells"].drifted


def test_small_slides_are_told_of_together_and_cells_without_a_nucleus_not_at_all(rng):
    figures, _ = cells(rng, [0.0], count=100)
    known = usual_figures(figures, np.full(100, ""))
    slides = np.array(["a"] * LEAST_SLIDE + ["b"] * 5 + [""] * 5)
    new = {"light": np.zeros((LEAST_SLIDE + 10, 1))}
    assert [(one.slide, one.cells) for one in find_drift(new, slides, known)] == [
        ("a", 20),
        ("", 10),
    ]
    new["light"][:] = np.nan
    assert find_drift(new, slides, known) == ()


def test_the_slide_that_differs_from_the_other_slides_is_found(rng):
    figures, slides = cells(rng, [0.0, 0.2, -0.2, 6.0, 0.1, -0.1])
    slides[-5:] = ""  # counts among the others
    found = compare_slides(figures, slides)
    assert [one.slide for one in found] == [f"s{n}" for n in range(6)]
    assert drifted(found) == [("s3", "light")]
    assert compare_slides(figures, np.where(slides < "s2", slides, "")) == ()


def test_a_set_of_three_slides_is_measured_against_the_cells_of_two(rng):
    figures, slides = cells(rng, [0.0, 0.1, 3.0], count=200)
    found = compare_slides(figures, slides)
    assert max(found, key=lambda one: one.distance / one.limit).slide == "s2"
    assert ("s2", "light") in drifted(found)
    alike, slides = cells(rng, [0.0, 0.1, 0.2], count=200)
    assert drifted(compare_slides(alike, slides)) == []


def test_slides_are_compared_with_the_mean_of_the_others(rng):
    means, counts = [0.0, 1.0, 5.0, 2.0], [20, 35, 50, 27]
    light = np.concatenate([rng.normal(m, 1, (n, 2)) for m, n in zip(means, counts, strict=True)])
    slides = np.repeat(["a", "b", "c", ""], counts)
    slides[-20:] = "d"
    light[3:8] = np.nan  # "a" is left too small
    known = usual_figures({"light": light}, slides)["light"]
    X, of = np.delete(light, range(3, 8), axis=0), np.delete(slides, range(3, 8))
    assert known.of_slides == pytest.approx(
        [
            np.sqrt((((X[of == n].mean(0) - X[of != n].mean(0)) / X.std(0)) ** 2).mean())
            for n in ("b", "c", "d")
        ]
    )


def test_hundreds_of_slides_are_compared_in_seconds(rng):
    figures, slides = cells(rng, rng.normal(0, 1, 200), count=100)
    before = time.process_time()
    assert len(compare_slides(figures, slides)) == 200
    assert time.process_time() - before < 5
