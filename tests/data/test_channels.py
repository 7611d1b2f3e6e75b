import numpy as np
import pytest

from celltransfer_core.data import decode, parse_channels, read_dataset, read_pixels
from celltransfer_core.errors import DataError, ImageError
from tests.data.encoded import gradient, tiff


def channels(number, kind=np.uint8):
    """One picture a channel, all different, shape (channels, h, w)."""
    y, x = np.mgrid[:20, :30]
    return np.stack([(x * (n + 1) + 7 * y + 5 * n) % 200 for n in range(number)]).astype(kind)


def layouts(values):
    """Give the same channels in every way in which programs store them."""
    return {
        "ImageJ": tiff(values, imagej=True, metadata={"axes": "CYX"}),
        "OME": tiff(values, ome=True, metadata={"axes": "CYX"}),
        "described": tiff(values, photometric="minisblack", metadata={"axes": "CYX"}),
        "plane by plane": tiff(values, photometric="minisblack", planarconfig="separate"),
        "pixel by pixel": tiff(
            np.moveaxis(values, 0, -1).copy(), photometric="minisblack", planarconfig="contig"
        ),
    }


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_channels_are_counted_and_kept_apart(number, kind):
    values = channels(number, kind)
    for way, data in layouts(values).items():
        if way == "ImageJ" and kind == np.int16:
            continue  # ImageJ's own format has no such numbers
        pixels = read_pixels(data)
        assert (pixels.channels, pixels.pages) == (number, 1), way
        np.testing.assert_array_equal(pixels.values, np.moveaxis(values, 0, -1), err_msg=way)


def test_three_channels_become_colours_and_others_wait_for_a_choice():
    three, four = channels(3), channels(4)
    for data in layouts(three).values():
        np.testing.assert_array_equal(decode(data), np.moveaxis(three, 0, -1))
    for data in layouts(four).values():
        with pytest.raises(ImageError, match=r"has 4 channels; choose one .* or three"):
            decode(data)
        shown = decode(data, channels=(4, 1, 2))
        np.testing.assert_array_equal(shown, np.moveaxis(four[[3, 0, 1]], 0, -1))
        grey = decode(data, channels=(3,))
        np.testing.assert_array_equal(grey, np.repeat(four[2][..., None], 3, axis=2))
        with pytest.raises(ImageError, match="has 4 channels, but channel 5 was chosen"):
            decode(data, channels=(5,))


def test_a_choice_changes_no_ordinary_colours():
    data = tiff(gradient(), photometric="rgb")
    assert read_pixels(data).channels == 0
    np.testing.assert_array_equal(decode(data, channels=(3,)), gradient())


def test_a_fourth_sample_beside_colours_is_opacity_or_a_channel():
    four = np.concatenate([gradient(), gradient()[..., :1]], axis=2)
    told = tiff(four, photometric="rgb", extrasamples=["unassalpha"])
    assert read_pixels(told).channels == 0
    untold = tiff(four, photometric="rgb", extrasamples=["unspecified"])
    assert read_pixels(untold).channels == 4
    np.testing.assert_array_equal(decode(untold, channels=(1, 2, 3)), gradient())


@pytest.mark.parametrize("axes", ["ZCYX", "CZYX"])
def test_channels_of_a_stack_come_from_its_first_plane(axes):
    values = np.stack([channels(3), channels(3) + 50])  # z, c, y, x
    stored = values if axes[0] == "Z" else np.moveaxis(values, 1, 0).copy()
    for options in ({"ome": True}, {"photometric": "minisblack"}):
        pixels = read_pixels(tiff(stored, metadata={"axes": axes}, **options))
        assert (pixels.channels, pixels.pages) == (3, 2)
        np.testing.assert_array_equal(pixels.values, np.moveaxis(values[0], 0, -1))


def test_pages_that_are_no_channels_stay_pages():
    for options in ({"imagej": True, "metadata": {"axes": "ZYX"}}, {"photometric": "minisblack"}):
        pixels = read_pixels(tiff(channels(5), **options))
        assert (pixels.channels, pixels.pages) == (0, 5)
        np.testing.assert_array_equal(pixels.values[..., 0], channels(5)[0])


def test_channels_in_other_files_are_missed():
    whole = tiff(channels(3), ome=True, metadata={"axes": "CYX"})
    data = whole.replace(b'SizeC="3"', b'SizeC="9"')
    with pytest.raises(ImageError, match="declares 9 channels but contains 3 of their pages"):
        decode(data)


@pytest.mark.parametrize("text", ["", "1,2", "0", "a", "1,2,3,4", "101", "-1", "1,,3", "1.5"])
def test_what_is_no_choice_of_channels(text):
    with pytest.raises(ValueError, match="channel"):
        parse_channels(text)


def test_a_choice_of_channels():
    assert parse_channels("2") == (2,)
    assert parse_channels(" 3, 1,2 ") == (3, 1, 2)


def test_a_set_waits_until_channels_are_chosen(tmp_path):
    for number in range(3):
        data = tiff(channels(4) + number, imagej=True, metadata={"axes": "CYX"})
        (tmp_path / f"{number}.tif").write_bytes(data)
    (tmp_path / "grey.tif").write_bytes(tiff(channels(1)[0]))
    waiting = read_dataset(tmp_path, workers=1)
    assert waiting.files == ("grey.tif",)
    assert {one.reason.split(";")[0] for one in waiting.left_out} == {"has 4 channels"}
    assert waiting.channel_counts == ((4, 3),)
    shown = read_dataset(tmp_path, channels=(4, 2, 1), workers=1)
    assert len(shown) == 4
    assert shown.scales[0].channels == (4, 2, 1)
    assert {one.reason for one in shown.notes} == {
        "has 4 channels; channels shown: 4 as red, 2 as green, 1 as blue"
    }
    cell = shown.first_file.index("0.tif")
    np.testing.assert_array_equal(shown.read(cell), np.moveaxis(channels(4)[[3, 1, 0]], 0, -1))
    (tmp_path / "grey.tif").unlink()
    with pytest.raises(DataError, match="channel 7 was chosen"):
        read_dataset(tmp_path, channels=(7,), workers=1)


def test_the_scale_is_that_of_the_chosen_channels(tmp_path):
    values = channels(4, np.uint16)
    values[3] += 10_000
    (tmp_path / "1.tif").write_bytes(tiff(values, imagej=True, metadata={"axes": "CYX"}))
    intensity = read_dataset(tmp_path, channels=(1, 2, 3), workers=1).scales[0].intensity
    assert intensity[1] < 1000
    assert read_dataset(tmp_path, channels=(4,), workers=1).scales[0].intensity[0] >= 10_000
