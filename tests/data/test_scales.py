import numpy as np
import pytest

from celltransfer_core.data import Remark, decode, describe_scale, read_dataset, read_pixels
from celltransfer_core.errors import ImageError
from tests.data.encoded import gradient, saved, tiff

BASE = np.linspace(0.08, 1.0, 600).reshape(20, 30)


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def whole_numbers(kind, low, high):
    """The same picture in numbers of a kind, twice: as it is, and at half its brightness."""
    spread = low + BASE * (high - low)
    return {
        "1.tif": tiff(spread.astype(kind)),
        "2.tif": tiff((low + (spread - low) / 2).astype(kind)),
    }


@pytest.mark.parametrize(
    ("kind", "low", "high", "words"),
    [
        (np.float32, 0, 1, "float"),
        (np.float32, 0, 1.02, "float"),
        (np.float32, 0, 38, "float"),
        (np.float32, -5, -1, "float"),
        (np.float64, 1e6, 1e6 + 1, "float"),
        (np.float16, 0, 1, "float"),
        (np.int8, -100, 100, "signed 8 bit"),
        (np.int16, -32_000, -28_000, "signed 16 bit"),
        (np.uint16, 0, 4095, "16 bit"),
        (np.uint16, 32_768, 36_863, "16 bit"),
        (np.uint32, 4_000_000_000, 4_000_004_000, "32 bit"),
        (np.int32, -2_000_000_000, -1_999_996_000, "signed 32 bit"),
    ],
)
def test_one_scale_a_set_whatever_its_numbers(tmp_path, kind, low, high, words):
    dataset = read_dataset(write(tmp_path, whole_numbers(kind, low, high)), workers=1)
    (scale,) = dataset.scales
    assert scale.numbers == words
    assert describe_scale(scale).startswith(f"{words}, ")
    images = {name: dataset.read(cell).astype(int) for cell, name in enumerate(dataset.first_file)}
    bottom, top = scale.intensity
    for name, darker in (("1.tif", 1), ("2.tif", 2)):
        values = low + BASE * (high - low) / darker
        wanted = np.clip((values - bottom) / (top - bottom) * 255, 0, 255)
        step = 255 / (top - bottom) if np.dtype(kind).kind in "iu" else 1
        np.testing.assert_allclose(images[name][..., 0], wanted, atol=1 + step)
    assert images["1.tif"].max() == 255
    assert images["2.tif"].max() == pytest.approx(120, abs=12)  # no file has a scale of its own


def test_colours_of_floats_share_one_scale(tmp_path):
    colours = (gradient() / 255).astype(np.float32)
    for planar, values in (("contig", colours), ("separate", np.moveaxis(colours, -1, 0).copy())):
        data = tiff(values, photometric="rgb", planarconfig=planar, compression="zlib")
        np.testing.assert_array_equal(read_pixels(data).values, colours)
        np.testing.assert_allclose(decode(data, (0.0, 1.0)), gradient(), atol=1)


def test_one_pixel_changes_no_scale(tmp_path):
    plain = [BASE.astype(np.float32) * part for part in np.linspace(0.5, 1, 9)]
    bright = [image.copy() for image in plain]
    bright[0][0, 0] = 1.3  # as flat-fielding leaves it
    scales = []
    for name, images in (("plain", plain), ("bright", bright)):
        files = {f"{number}.tif": tiff(image) for number, image in enumerate(images)}
        scales.append(read_dataset(write(tmp_path / name, files), workers=1).scales[0].intensity)
    assert scales[0] == pytest.approx(scales[1], rel=0.05)


def test_the_scale_does_not_depend_on_names(tmp_path):
    images = [tiff((BASE * part).astype(np.float32)) for part in (0.2, 0.5, 1.0)]
    one = write(tmp_path / "one", {f"{n}.tif": data for n, data in enumerate(images)})
    other = write(tmp_path / "other", {f"{9 - n}.tif": data for n, data in enumerate(images)})
    assert read_dataset(one, workers=1).scales == read_dataset(other, workers=1).scales


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_are_refused(bad):
    values = BASE.astype(np.float32)
    values[3, 4] = bad
    with pytest.raises(ImageError, match="not numbers"):
        decode(tiff(values))


def test_complex_numbers_are_refused_by_name():
    with pytest.raises(ImageError, match="complex"):
        decode(tiff(BASE.astype(np.complex64)))


def test_kinds_of_numbers_have_a_scale_each_and_that_is_said(tmp_path):
    files = {
        "8.png": saved(gradient()),
        "16.tif": tiff((BASE * 4000).astype(np.uint16)),
        "float.tif": tiff(BASE.astype(np.float32)),
    }
    dataset = read_dataset(write(tmp_path, files), workers=1)
    by_name = dict(zip(dataset.first_file, dataset.cell_scales, strict=True))
    assert by_name["8.png"].intensity is None
    assert by_name["16.tif"].intensity[1] == pytest.approx(4000, rel=0.01)
    assert by_name["float.tif"].intensity[1] == pytest.approx(1, rel=0.01)
    assert dataset.notes == (
        Remark(
            ".",
            "has several pixel formats: 16 bit in 1 files, 8 bit in 1 files, float in 1 files; "
            "each has its own black and white",
        ),
    )
    for cell in range(3):
        assert dataset.read(cell).max() > 220
    kept = dataset.take(np.array([0, 2]))
    assert kept.cell_scales == (dataset.cell_scales[0], dataset.cell_scales[2])


@pytest.mark.parametrize(("kind", "low", "high"), [(np.float32, 1, 255), (np.uint16, 4095, 65_000)])
def test_files_on_another_scale_are_noted(tmp_path, kind, low, high):
    dim = {f"dim {n}.tif": tiff((BASE * low * (1 + n / 50)).astype(kind)) for n in range(2)}
    bright = {f"bright {n}.tif": tiff((BASE * high * (1 - n / 50)).astype(kind)) for n in range(3)}
    dataset = read_dataset(write(tmp_path, dim | bright), workers=1)
    assert {one.file for one in dataset.notes} == dim.keys()
    (reason,) = {one.reason for one in dataset.notes}
    assert "check that all were saved in the same way" in reason
    even = read_dataset(write(tmp_path / "even", bright), workers=1)
    assert even.notes == ()
