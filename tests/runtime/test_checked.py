import numpy as np
import pytest

from celltransfer_core.runtime.checked import load_checked, save_checked


@pytest.mark.parametrize("packed", [True, False])
def test_an_object_comes_back_or_not_at_all(tmp_path, rng, packed):
    value = {"rows": rng.normal(size=(40, 3)), "name": "α", "more": (None, 1.5)}
    path = save_checked(tmp_path / "a", value, packed=packed)
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    found = load_checked(path)
    np.testing.assert_array_equal(found.pop("rows"), value["rows"])
    assert found == {"name": "α", "more": (None, 1.5)}
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        with pytest.raises(ValueError, match="damaged"):
            load_checked(path)
    for length in (0, 5, 32, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged"):
            load_checked(path)


def test_what_is_written_twice_is_the_same(tmp_path):
    written = [save_checked(tmp_path / name, {"a": np.arange(9)}) for name in "ab"]
    assert written[0].read_bytes() == written[1].read_bytes()
