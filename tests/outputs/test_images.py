import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from celltransfer_core.data import read_dataset
from celltransfer_core.outputs import Pseudonyms, write_images


def test_images_by_type(result, tmp_path):
    names = ["a/b", "A_B", "..", *result.predicted[3:]]
    path = write_images(result.query, names, tmp_path / "images.zip")
    with zipfile.ZipFile(path) as archive:
        entries = archive.namelist()
        assert len(entries) == len(set(entries)) == len(result.query.files)
        assert {entry.split("/")[0] for entry in entries} == {
            "a_b-2",
            "A_B",
            "unnamed",
            *names[3:],
        }
        assert all(len(Path(entry).parts) == 2 and ".." not in entry for entry in entries)
        pixels = np.asarray(Image.open(io.BytesIO(archive.read(entries[0]))))
    np.testing.assert_array_equal(pixels, result.query.read(0))
    again = write_images(result.query, names, tmp_path / "again.zip")
    assert again.read_bytes() == path.read_bytes()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["again.zip", "images.zip"]
    hidden = Pseudonyms(b"key")
    path = write_images(result.query, names, tmp_path / "hidden.zip", pseudonyms=hidden)
    with zipfile.ZipFile(path) as archive:
        assert {Path(entry).stem for entry in archive.namelist()} == {
            hidden.of("file", file) for file in result.query.files
        }


def test_images_leave_what_tells_of_people_behind(tmp_path):
    folder = tmp_path / "query"
    folder.mkdir()
    image = Image.new("RGB", (20, 20), (200, 100, 50))
    exif = image.getexif()
    exif[0x013B] = "Patient Jo"
    image.save(folder / "cell.jpg", exif=exif, comment=b"Patient Jo")
    path = write_images(read_dataset(folder, workers=1), ["x"], tmp_path / "images.zip")
    assert b"Patient Jo" in (folder / "cell.jpg").read_bytes()
    assert b"Patient Jo" not in path.read_bytes()
