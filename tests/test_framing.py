import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from celltransfer_core import framing
from celltransfer_core.datasets import read_dataset
from celltransfer_core.framing import (
    ColourMap,
    Crops,
    Nuclei,
    Nucleus,
    choose_framing,
    cut,
    find_nuclei,
    find_nucleus,
    frame_sets,
    lab_moments,
)

LIGHT, PINK, RED, PURPLE = (250, 235, 225), (215, 170, 200), (210, 140, 140), (90, 50, 140)


def picture(lobes, size=(160, 160), cell=None, reds=(), scale=1):
    """Draw discs (x, y, radius): lobes purple, the cell's body pink, red cells around."""
    image = Image.new("RGB", tuple(side * scale for side in size), LIGHT)
    draw = ImageDraw.Draw(image)
    for discs, colour in ((reds, RED), ([cell] if cell else [], PINK), (lobes, PURPLE)):
        for x, y, r in discs:
            box = [(x - r) * scale, (y - r) * scale, (x + r) * scale, (y + r) * scale]
            draw.ellipse(box, fill=colour)
    return np.asarray(image)


REDS = ((20, 30, 16), (140, 25, 18), (25, 140, 17), (135, 130, 18))


@pytest.mark.parametrize(
    ("lobes", "cell", "centre", "extent"),
    [
        ([(80, 80, 24)], (80, 80, 32), (80, 80), 48),
        ([(62, 95, 14)], (66, 92, 24), (62, 95), 28),  # off centre
        ([(80, 80, 9)], (80, 80, 12), (80, 80), 18),  # small in a wide field
        ([(66, 70, 11), (90, 74, 11), (80, 94, 11)], (80, 80, 36), (78.5, 82), 46),  # lobes
    ],
)
def test_a_nucleus_is_found_where_it_was_drawn(lobes, cell, centre, extent):
    nucleus = find_nucleus(picture(lobes, cell=cell, reds=REDS))
    assert (nucleus.x, nucleus.y) == pytest.approx(centre, abs=4)
    assert nucleus.extent == pytest.approx(extent, rel=0.15)
    assert nucleus.background == pytest.approx(LIGHT, abs=20)


def test_a_cell_that_fills_the_frame():
    nucleus = find_nucleus(picture([(40, 40, 26)], size=(80, 80), cell=(40, 40, 38)))
    assert nucleus.extent == pytest.approx(52, rel=0.15)


def test_extent_grows_with_the_image():
    lobes, cell = [(66, 70, 11), (90, 74, 11)], (80, 80, 36)
    small, large = (find_nucleus(picture(lobes, cell=cell, scale=s)) for s in (1, 4))
    assert large.extent == pytest.approx(4 * small.extent, rel=0.05)
    assert large.x == pytest.approx(4 * small.x, rel=0.05)


@pytest.mark.parametrize(
    "image",
    [
        np.full((60, 60, 3), 200, np.uint8),
        picture([], reds=REDS),  # red cells alone
        np.repeat(picture([(80, 80, 24)])[..., 1:2], 3, axis=2),  # dark, but without stain
        np.full((8, 8, 3), 9, np.uint8),
        np.arange(8 * 300 * 3, dtype=np.uint8).reshape(8, 300, 3) // 9,
    ],
)
def test_nothing_that_looks_like_a_nucleus(image):
    assert find_nucleus(image) is None


def test_the_cut_is_square_and_filled_with_background():
    image = np.full((50, 60, 3), 100, np.uint8)
    cropped = cut(image, Nucleus(5.0, 25.0, 20.0, (10.0, 20.0, 30.0)))
    assert cropped.shape == (40, 40, 3)
    assert (cropped[:, :15] == (10, 20, 30)).all()  # left of the image
    assert (cropped[:, 15:] == 100).all()


def test_what_was_found_is_kept_and_goes_on(reference, cache, monkeypatch):
    first = find_nuclei(reference, cache, workers=1)
    assert first.found.all()
    monkeypatch.setattr(framing, "find_nucleus", lambda _: pytest.fail("looked again"))
    second = find_nuclei(reference, cache, workers=1)
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(first.background, second.background)


def nuclei_with(share, n=100):
    found = np.arange(n) < share * n
    zero = np.zeros(n, np.float32)
    return Nuclei(found, zero, zero, zero, np.zeros((n, 3), np.float32))


@pytest.mark.parametrize(
    ("mode", "shares", "framed", "word"),
    [
        ("auto", (0.95, 0.8), True, "80 of 100 nuclei found in query"),
        ("auto", (0.99, 0.79), False, "too few nuclei"),
        ("nucleus", (0.99, 0.1), True, "91 cells without one are left whole"),
        ("none", (), False, "as asked for"),
    ],
)
def test_both_sets_are_framed_or_neither(mode, shares, framed, word):
    sets = dict(zip(("reference", "query"), map(nuclei_with, shares), strict=False))
    decided, reason = choose_framing(mode, sets)
    assert decided is framed
    assert word in reason


def test_cells_without_a_nucleus_are_left_whole(tmp_path, cache):
    Image.fromarray(picture([(80, 80, 20)], cell=(80, 80, 30))).save(tmp_path / "a.png")
    Image.new("RGB", (50, 40), LIGHT).save(tmp_path / "b.png")
    dataset = read_dataset(tmp_path)
    options = {"colour": "none", "um_per_px": {"reference": 0.5}, "cache": cache, "workers": 1}
    crops = frame_sets({"reference": dataset}, mode="nucleus", **options).crops["reference"]
    shapes = {name: crops[i].shape for i, name in enumerate(dataset.first_file)}
    assert shapes["b.png"] == (40, 50, 3)
    assert shapes["a.png"][0] == shapes["a.png"][1] == pytest.approx(80, abs=8)
    extents = dict(zip(dataset.first_file, crops.extents, strict=True))
    assert np.isnan(extents["b.png"])
    assert extents["a.png"] == pytest.approx(20, abs=2)  # µm
    whole = frame_sets({"reference": dataset}, mode="auto", **options)
    assert not whole.framed
    assert np.isnan(whole.crops["reference"].extents).all()


def test_the_variant_names_what_decides_the_pixels(reference, cache):
    nuclei = find_nuclei(reference, cache, workers=1)
    one, two = np.ones(3), np.full(3, 2.0)
    variants = [
        Crops(reference),
        Crops(reference, nuclei),
        Crops(reference, nuclei, um_per_px=0.2),
        Crops(reference, nuclei, colour=ColourMap(one, one, two, two)),
        Crops(reference, nuclei, colour=ColourMap(one, one, two, one)),
        Crops(replace(reference, intensity=(0.0, 900.0)), nuclei),
    ]
    assert len({crops.variant for crops in variants}) == len(variants)


def test_lab_brings_the_querys_colours_to_the_references(reference, query, cache):
    sets = {"reference": reference, "query": query}
    options = {"mode": "nucleus", "um_per_px": {}, "cache": cache, "workers": 1}
    plain = frame_sets(sets, colour="none", **options).crops
    mapped = frame_sets(sets, colour="lab", **options).crops
    assert mapped["reference"].colour is None
    target = lab_moments(plain["reference"], workers=1)
    before, after = (lab_moments(crops["query"], workers=1) for crops in (plain, mapped))
    for moment in (0, 1):
        distance = [np.abs(found[moment] - target[moment]).max() for found in (before, after)]
        assert distance[1] < 0.35 * distance[0]


def test_a_set_of_one_colour_is_mapped_without_fault():
    colours = ColourMap(np.array([50.0, 0, 0]), np.zeros(3), np.array([60.0, 5, 5]), np.ones(3))
    mapped = colours(np.full((9, 9, 3), 119, np.uint8))
    assert np.isfinite(mapped).all()


def test_parts_see_the_same_pixels_and_travel(reference, cache):
    crops = Crops(reference, find_nuclei(reference, cache, workers=1))
    cells = np.array([3, 7, 20])
    part = pickle.loads(pickle.dumps(crops.take(cells)))  # noqa: S301
    assert len(part) == 3
    assert part.variant == crops.variant
    for position, cell in enumerate(cells):
        np.testing.assert_array_equal(part[position], crops[cell])
    np.testing.assert_array_equal(part.extents, crops.extents[cells])
    assert len(pickle.dumps(part)) < 3000
