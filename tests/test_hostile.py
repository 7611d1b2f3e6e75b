"""A small part of the benchmark of files that do harm."""

import pytest

from tests.benchmarks import hostile
from tests.benchmarks.hostile_bombs import IMAGE_BOMBS
from tests.benchmarks.hostile_encoders import encoders
from tests.benchmarks.hostile_files import ZIP_BOMBS, bomb, make
from tests.benchmarks.hostile_images import images

HEAVY = ("MB", "GB", "megapixels", "gigapixels", "longer", "pages", "ratio", "entries", "scans")
HEAVY += ("million", "hours", "20,000")


def test_mutated_files_are_read_or_refused(tmp_path):
    found = list(hostile.watch(60, 5, str(tmp_path)))
    assert len(found) == 60
    assert [one for one in found if one[3] not in hostile.GOOD] == []


@pytest.mark.parametrize(("family", "bombs"), [("image", IMAGE_BOMBS), ("zip", ZIP_BOMBS)])
def test_bombs_are_read_or_refused(tmp_path, family, bombs):
    for name in bombs:
        if any(part in name for part in HEAVY):
            continue  # the benchmark draws them; it takes long
        data = bomb(family, name, tmp_path)
        outcome, *_ = hostile.attempt(family, name, data, tmp_path)
        assert outcome in hostile.GOOD, name


def test_whole_files_are_read(tmp_path):
    for name, data in images().items():
        assert hostile.attempt("image", f"{name}, as it was", data, tmp_path)[0] == "read", name


def test_a_model_without_an_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(hostile, "MAX_SECONDS", 1.0)
    described = (
        b'{"name": "x", "input_size": 8, "mean": [0, 0, 0], "std": [1, 1, 1], "dim": 3, '
        b'"source": "", "licence": ""}'
    )
    for name, outcome in {"short loop": "read", "endless loop": "refused"}.items():
        found = hostile.attempt("encoder", name, (encoders()[name], described), tmp_path)
        assert found[0] == outcome


def test_a_model_that_fails_is_refused(tmp_path):
    described = (
        b'{"name": "x", "input_size": 8, "mean": [0, 0, 0], "std": [1, 1, 1], "dim": 4, '
        b'"source": "", "licence": ""}'
    )
    for json in (described, b"[" * 100_000):
        data = (encoders()["shape that does not fit"], json)
        assert hostile.attempt("encoder", "x", data, tmp_path)[0] == "refused"


def test_files_are_the_same_for_a_seed(tmp_path):
    for number in range(20):
        assert make(1, number, tmp_path) == make(1, number, tmp_path)
