import os
import sqlite3

import numpy as np
import pytest

from celltransfer_core.errors import OutputError
from celltransfer_core.runtime import Cache, cache as cache_module, fingerprint


def test_what_is_put_is_got(cache, rng):
    keys = [f"{n:04}" for n in range(1200)]
    rows = rng.normal(size=(1200, 3)).astype(np.float32)
    cache.put("t", keys[:1000], rows[:1000])
    known, got = cache.get("t", keys, 3)
    assert known.tolist() == [True] * 1000 + [False] * 200
    np.testing.assert_array_equal(got[:1000], rows[:1000])
    assert not got[1000:].any()
    known, got = cache.get("t", ["0005", "0005"], 3)
    np.testing.assert_array_equal(got, rows[[5, 5]])


def test_tables_and_widths_do_not_mix(cache):
    cache.put("a/b", ["k"], np.ones((1, 2), np.float32))
    assert not cache.get("a_b", ["k"], 2)[0].any()
    assert not cache.get("a/b", ["k"], 3)[0].any()


def test_the_first_row_stays(cache):
    for value in (1, 2):
        cache.put("t", ["k"], np.full((1, 1), value, np.float32))
    assert cache.get("t", ["k"], 1)[1][0, 0] == 1


def test_a_damaged_table_says_what_to_do(cache):
    cache.put("t", ["k"], np.ones((1, 1), np.float32))
    (path,) = cache.folder.iterdir()
    path.write_bytes(b"no database, but long enough to be taken for one" * 50)
    with pytest.raises(OutputError, match="delete it"):
        cache.get("t", ["k"], 1)


def test_a_table_made_by_a_process_that_was_killed_at_once(cache):
    cache.put("t", ["k"], np.ones((1, 1), np.float32))
    (path,) = cache.folder.iterdir()
    path.unlink()
    sqlite3.connect(path).close()
    assert not cache.get("t", ["k"], 1)[0].any()
    cache.put("t", ["k"], np.ones((1, 1), np.float32))
    assert cache.get("t", ["k"], 1)[0].all()


def test_a_folder_that_cannot_be_written(blocked):
    with pytest.raises(OutputError, match="CELLTRANSFER_HOME"):
        Cache(blocked).put("t", ["k"], np.ones((1, 1), np.float32))


def test_a_full_disk(cache, monkeypatch):
    cache.put("t", ["k"], np.ones((1, 1), np.float32))

    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def close(self):
            pass

        def execute(self, *_):
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: Full())
    with pytest.raises(OutputError, match="free some space"):
        cache.put("t", ["l"], np.ones((1, 1), np.float32))


def test_a_result_is_made_once(cache):
    made = []

    def make():
        made.append(1)
        return {"rows": np.arange(3), "name": "α"}

    first, second = cache.once("k", make), Cache(cache.folder).once("k", make)
    assert len(made) == 1
    np.testing.assert_array_equal(first["rows"], second["rows"])
    assert second["name"] == "α"
    cache.once("other", make)
    assert len(made) == 2


def test_a_damaged_result_is_made_anew(cache):
    cache.once("k", lambda: 1)
    (path,) = (cache.folder / "results").iterdir()
    path.write_bytes(path.read_bytes()[:5])
    assert cache.once("k", lambda: 2) == 2
    assert cache.once("k", lambda: 3) == 2


def test_a_result_whose_class_is_gone_is_made_anew(cache):
    path = cache.folder / "results" / "k.joblib"
    cache.once("k", lambda: 1)
    path.write_bytes(b"cceltransfer_core.flat_module\nResult\n.")
    assert cache.once("k", lambda: 2) == 2


def test_a_result_in_a_folder_that_cannot_be_written_is_read(cache, monkeypatch):
    cache.once("k", lambda: 1)

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.once("k", pytest.fail) == 1


def test_a_fault_while_making_is_shown_alone(cache):
    with pytest.raises(ZeroDivisionError) as caught:
        cache.once("k", lambda: 1 / 0)
    assert caught.value.__context__ is None


def test_results_asked_for_the_longest_ago_make_room(cache, monkeypatch):
    def noise():
        return np.random.default_rng(0).bytes(1000)

    monkeypatch.setattr(cache_module, "MAX_RESULT_BYTES", 3500)
    for number in range(3):
        cache.once(f"{number}", noise)
        os.utime(cache.folder / "results" / f"{number}.joblib", (number, number))
    cache.once("0", pytest.fail)  # asked for: younger than the others now
    cache.once("3", noise)
    assert sorted(p.stem for p in (cache.folder / "results").iterdir()) == ["0", "2", "3"]
    monkeypatch.setattr(cache_module, "MAX_RESULT_BYTES", 10)
    cache.once("large", noise)
    assert [p.stem for p in (cache.folder / "results").iterdir()] == ["large"]


def test_a_result_that_cannot_be_written(blocked):
    with pytest.raises(OutputError, match="CELLTRANSFER_HOME"):
        Cache(blocked).once("k", lambda: 1)


def test_a_fingerprint_tells_values_shapes_and_types_apart():
    a = np.arange(6, dtype=np.float32)
    parts = [(a,), (a.reshape(2, 3),), (a.astype(np.float64),), (a + 1,), (a, a), ("a", 1), ("a1",)]
    assert len({fingerprint(*part) for part in parts}) == len(parts)
    assert fingerprint(a, {"x": 1, "y": 2}) == fingerprint(a.copy(), {"y": 2, "x": 1})
    assert fingerprint(a.reshape(2, 3).T) == fingerprint(np.ascontiguousarray(a.reshape(2, 3).T))
