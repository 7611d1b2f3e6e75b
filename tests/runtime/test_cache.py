import os
import sqlite3
from contextlib import closing
from hashlib import sha256

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


def flip(path, at, bits=1):
    data = bytearray(path.read_bytes())
    data[at] ^= bits
    path.write_bytes(data)


def test_a_row_whose_bytes_changed_is_not_there_and_is_replaced(cache):
    rows = np.arange(8, dtype=np.float32).reshape(2, 4)
    cache.put("t", ["good", "bad"], rows)
    (path,) = cache.folder.iterdir()
    flip(path, path.read_bytes().index(rows[1].tobytes()) + 5)
    known, got = cache.get("t", ["good", "bad"], 4)
    assert known.tolist() == [True, False]
    assert not got[1].any()
    cache.put("t", ["good", "bad"], rows + 1)
    known, got = cache.get("t", ["good", "bad"], 4)
    assert known.all()
    np.testing.assert_array_equal(got, [rows[0], rows[1] + 1])


def test_a_row_under_the_key_of_another_is_not_there(cache):
    cache.put("t", ["a", "b"], np.float32([[1, 2], [3, 4]]))
    (path,) = cache.folder.iterdir()
    with closing(sqlite3.connect(path)) as database, database:
        (row,) = database.execute("SELECT row FROM rows WHERE key = 'b'").fetchone()
        database.execute("UPDATE rows SET row = ? WHERE key = 'a'", [row])
    assert cache.get("t", ["a", "b"], 2)[0].tolist() == [False, True]


def no_database(path):
    path.write_bytes(b"no database, but long enough to be taken for one" * 50)


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def another_table(path):
    path.write_bytes(path.read_bytes().replace(b"TABLE rows (key TEXT", b"TABLE rows (kex TEXT"))


def unreadable_name(path):
    path.write_bytes(path.read_bytes().replace(b"TABLE rows (key TEXT", b"TABLE \xd7\xd7ws (\xff"))


@pytest.mark.parametrize("spoil", [no_database, half, another_table, unreadable_name])
def test_a_damaged_table_is_begun_anew(cache, spoil):
    keys, rows = [f"{n}" for n in range(300)], np.ones((300, 9), np.float32)
    cache.put("t", keys, rows)
    (path,) = cache.folder.iterdir()
    mode = path.stat().st_mode
    spoil(path)
    known, got = cache.get("t", keys, 9)
    assert not known.all()
    assert got[known].all()
    cache.put("t", keys, rows)
    assert cache.get("t", keys, 9)[0].all()
    assert path.stat().st_mode == mode


def test_bytes_that_rot_never_give_other_rows(cache, rng):
    keys = [f"{n:03}" for n in range(150)]
    rows = rng.normal(size=(150, 8)).astype(np.float32)
    cache.put("t", keys, rows)
    (path,) = cache.folder.iterdir()
    whole = path.read_bytes()
    for _ in range(40):
        path.write_bytes(whole)
        flip(path, rng.integers(len(whole)), 1 << rng.integers(8))
        known, got = cache.get("t", keys, 8)
        np.testing.assert_array_equal(got[known], rows[known])
        cache.put("t", keys, rows)
        known, got = cache.get("t", keys, 8)
        np.testing.assert_array_equal(got[known], rows[known])


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

        def create_function(self, *_, **__):
            pass

        def execute(self, *_):
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: Full())
    with pytest.raises(OutputError, match="free some space"):
        cache.put("t", ["l"], np.ones((1, 1), np.float32))


def test_rows_that_are_forgotten_are_gone_from_a_damaged_table_too(cache):
    secret = np.full((1, 50), 1234.5, np.float32)
    for spoil in (lambda _: None, another_table):
        cache.put("t", ["a", "b"], np.concatenate([secret, secret + 1]))
        (path,) = cache.folder.iterdir()
        assert secret.tobytes() in path.read_bytes()
        spoil(path)
        cache.forget(["a"])
        assert not path.exists() or secret.tobytes() not in path.read_bytes()


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


def test_a_result_with_a_flipped_bit_is_made_anew(cache):
    for packed in (True, False):
        cache.once(f"{packed}", lambda: np.zeros(1000), packed=packed)
        path = cache.folder / "results" / f"{packed}.joblib"
        flip(path, path.stat().st_size // 2)
        assert cache.once(f"{packed}", lambda: 2) == 2


def test_a_result_whose_class_is_gone_is_made_anew(cache):
    path = cache.folder / "results" / "k.joblib"
    data = b"cceltransfer_core.flat_module\nResult\n."
    path.parent.mkdir(parents=True)
    path.write_bytes(sha256(data).digest() + data)
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
