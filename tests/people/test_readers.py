from celltransfer_core.people import Review, read_reviews, reader_pairs


def test_pairs_of_readers():
    answers = [
        Review(cell, "x", reader, "2025-01-01T00:00:00", False)
        for reader, cells in (("c", "12"), ("a", "1"), ("b", "12"), ("d", "9"))
        for cell in cells
    ]
    assert reader_pairs(answers) == [("b", "c"), ("a", "b"), ("a", "c")]


def test_reviews_are_read_from_what_is_kept():
    payload = {"cell": "1", "answer": "x", "reader": "a", "time": "t", "blind": True, "together": 3}
    assert read_reviews([payload]) == [Review("1", "x", "a", "t", True)]
