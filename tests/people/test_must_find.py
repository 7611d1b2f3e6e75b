"""Types that must not be missed: which cells are shown besides, and what may be promised."""

import numpy as np
import pytest

from celltransfer_core.outputs.sentences import describe_sensitivity
from celltransfer_core.people import cells_to_show, sensitivity


def test_the_likely_are_shown_and_the_rest_holds_hardly_any(rng):
    probability = rng.beta(0.1, 2, size=500)
    predicted = probability > 0.5
    shown = cells_to_show(probability, predicted, np.zeros(500, dtype=bool))
    assert not (shown & predicted).any()
    assert shown[(probability >= 0.05) & ~predicted].all()
    unseen = ~(shown | predicted)
    assert probability[unseen].sum() <= 0.02 * probability.sum()
    assert probability[unseen].max() <= probability[shown].min()


def test_of_calibrated_probabilities_nineteen_of_twenty_are_seen(rng):
    reached = []
    for _ in range(100):
        probability = rng.beta(0.1, 1, size=300)
        true = rng.random(300) < probability
        predicted = probability > 0.5
        seen = predicted | cells_to_show(probability, predicted, np.zeros(300, dtype=bool))
        reached.append((true & seen).sum() >= 0.95 * true.sum())
    assert np.mean(reached) >= 0.9


def test_typed_cells_are_not_shown_again(rng):
    probability, nobody = rng.random(50), np.zeros(50, dtype=bool)
    shown = cells_to_show(probability, nobody, nobody)
    assert not (cells_to_show(probability, nobody, shown) & shown).any()


def test_a_limit_covers_the_truth_and_59_seen_are_enough(rng):
    below = []
    for _ in range(300):
        seen = rng.random(40) < 0.9
        found = sensitivity(seen, np.arange(40), ["blast"] * 40, "blast")
        below.append(found.low <= 0.9)
    assert np.mean(below) >= 0.93
    all_seen = sensitivity(np.ones(59, dtype=bool), np.arange(59), ["blast"] * 59, "blast")
    assert (all_seen.low >= 0.95, all_seen.missing) == (True, 0)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (
            [],
            ("No randomly drawn cell was of this type yet, so nothing can be guaranteed. 59 more"),
        ),
        (
            [True, False],
            (
                "Of 2 randomly drawn cells of the type, 1 are among them: at least 2 % are "
                "flagged or predicted. 91 more"
            ),
        ),
    ],
)
def test_what_is_not_known_is_said(seen, said):
    found = sensitivity(np.array(seen, dtype=bool), np.arange(len(seen)), ["a"] * len(seen), "a")
    assert describe_sensitivity(found, 200).startswith(said)
    assert describe_sensitivity(found, 50).endswith("too few of them to guarantee 95 %.")
