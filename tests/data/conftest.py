import io

import pytest
from PIL import Image

from celltransfer_core.data import check_image, stored_at, stored_dataset


@pytest.fixture
def save():
    """Save an image of one colour, with the folders it lies in."""

    def saved(path, value, size=12):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (size, size), (value, 255 - value, 7)).save(path)

    return saved


@pytest.fixture
def folder(tmp_path, save):
    """Two types of two cells, in class folders."""
    for number, name in enumerate(("a/1.png", "a/2.png", "b c/1.png", "b c/deep/er/4.png")):
        save(tmp_path / name, 10 * number)
    return tmp_path


@pytest.fixture
def png():
    """Give the bytes of an image of one colour."""

    def encoded(colour):
        buffer = io.BytesIO()
        Image.new("RGB", (16, 16), colour).save(buffer, "PNG")
        return buffer.getvalue()

    return encoded


@pytest.fixture
def store(tmp_path):
    """Put images by name into a store; give its folder, and what checking them found."""

    def stored(cells):
        root, checked = tmp_path / "store", {}
        for name, data in cells.items():
            checked[name] = check_image(data)
            if not checked[name].problem:
                path = stored_at(root, checked[name].sha256)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        return root, checked

    return stored


@pytest.fixture
def stored_sets(store, png):
    """Make sets with types, each given by the colours of its images by name."""

    def made(*colours):
        stored = [store({name: png(colour) for name, colour in one.items()}) for one in colours]
        return [stored_dataset(root, "set", found, {}, labelled=True) for root, found in stored]

    return made
