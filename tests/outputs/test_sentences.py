from celltransfer_core.outputs import describe_concordance, describe_sample
from celltransfer_core.people import Review, cohen_kappa, wilson


def test_numbers_in_words():
    assert "not known" in describe_sample(wilson(0, 0))
    # Wilson's interval for 9 of 10 at 95 %.
    assert "90 % right, and with 95 % confidence between 60–98 %" in describe_sample(wilson(9, 10))
    reviews = [
        Review(cell, answer, reader, "2025-01-01T00:00:00", False)
        for reader, answers in (("a", "xxy"), ("b", "xyy"))
        for cell, answer in zip("123", answers, strict=True)
    ]
    assert "3 cells read by both, 2 alike (67 %); Cohen's κ is 0.40" in describe_concordance(
        cohen_kappa(reviews, "a", "b")
    )
    assert describe_concordance(cohen_kappa(reviews, "a", "c")).startswith("no cell")
