"""Files that are written whole or not at all, and read if they are whole."""

import io
import pickle
import struct
import zipfile
import zlib

import joblib
import numpy as np
import pytest

from celltransfer_core.errors import OutputError
from celltransfer_core.runtime import (
    check_writable,
    read_if_whole,
    write_atomically,
    write_whole,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folder(tmp_path):
    path = tmp_path / "new" / "a.txt"
    assert write_whole(path, lambda beside: beside.write_text("one")) == path
    assert write_atomically(path, b"two") == path
    assert path.read_text() == "two"
    assert names(path.parent) == ["a.txt"]


def test_readers_meet_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = write_atomically(tmp_path / "a.txt", b"old")

    def write(beside):
        beside.write_text("half")
        assert path.read_text() == "old"
        beside.write_text("new")

    write_whole(path, write)
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_goes_wrong_leaves_the_old_file_and_no_other(tmp_path, error):
    path = write_atomically(tmp_path / "a.txt", b"old")

    def write(beside):
        beside.write_text("half")
        raise error

    with pytest.raises((OutputError, KeyboardInterrupt)):
        write_whole(path, write)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device"), r"\(No space left on device\); free some space"),
        (OSError(13, "Permission denied"), r"\(Permission denied\); give another folder"),
        (OSError("odd"), r"\(odd\); give another folder"),
    ],
)
def test_the_message_says_what_to_do(tmp_path, error, message):
    def write(beside):
        raise error

    with pytest.raises(OutputError, match=message) as caught:
        write_whole(tmp_path / "a.txt", write)
    assert caught.value.__cause__ is error


def test_a_caller_gives_a_message_of_its_own(blocked):
    def problem(reason):
        return f"No place for it ({reason}); take another."

    with pytest.raises(OutputError, match=r"No place for it \(Not a directory\); take another\."):
        write_atomically(blocked / "a.txt", b"", problem=problem)


def test_a_folder_is_tried_before_the_work(tmp_path, blocked):
    check_writable(tmp_path / "out")
    assert names(tmp_path / "out") == []
    with pytest.raises(OutputError, match="another folder with --out"):
        check_writable(blocked)


class Gone:
    """Of an earlier version: no class of this name is found any more."""


def cut(data):
    return data[: len(data) // 2]


def pickled(value):
    return pickle.dumps(value)


def compressed(value):
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=1)
    return buffer.getvalue()


def archived():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, rows=np.random.default_rng(0).normal(size=1000))
    return buffer.getvalue()


def spoilt(data):
    middle = len(data) // 2
    return (
        data[:middle]
        + bytes(255 - byte for byte in data[middle : middle + 40])
        + data[middle + 40 :]
    )


def read_npz(path):
    with np.load(path) as kept:
        return kept["rows"]


GONE = pickled(Gone())

UNREADABLE = {
    "empty": (joblib.load, b"", EOFError),
    "truncated": (joblib.load, cut(pickled(list(range(1000)))), pickle.UnpicklingError),
    "no pickle": (joblib.load, b"no pickle", (KeyError, pickle.UnpicklingError)),
    "no number": (joblib.load, b"Iabc\n.", ValueError),
    "packed, truncated": (
        joblib.load,
        cut(compressed(list(range(9000)))),
        (EOFError, struct.error),
    ),
    "packed, spoilt": (joblib.load, spoilt(compressed(list(range(9000)))), zlib.error),
    "class gone": (joblib.load, GONE.replace(b"Gone", b"Lost"), AttributeError),
    "module gone": (
        joblib.load,
        b"cceltransfer_core.flat_module\nResult\n.",
        ModuleNotFoundError,
    ),
    "npz empty": (read_npz, b"", EOFError),
    "npz truncated": (read_npz, cut(archived()), zipfile.BadZipFile),
    "npz spoilt": (read_npz, spoilt(archived()), (zlib.error, zipfile.BadZipFile)),
    "npz of pickles": (read_npz, pickled(1), ValueError),
}


# joblib and NumPy leave a file that they cannot read open until it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("read", "data", "error"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_not_there(tmp_path, read, data, error):
    path = write_atomically(tmp_path / "kept", data)
    with pytest.raises(error):
        read(path)
    assert read_if_whole(path, read) is None


def test_what_can_be_read_is_read(tmp_path):
    path = tmp_path / "kept"
    assert read_if_whole(path, joblib.load) is None
    write_whole(path, lambda beside: joblib.dump({"a": 1}, beside))
    assert read_if_whole(path, joblib.load) == {"a": 1}


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"

    def first(beside):
        beside.write_text("first")
        write_whole(path, lambda other: other.write_text("second"))
        assert beside.read_text() == "first"

    write_whole(path, first)
    assert path.read_text() == "first"
    assert names(tmp_path) == ["a.txt"]
