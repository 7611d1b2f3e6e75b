import pickle
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw
from skimage.color import rgb2lab

from celltransfer_core.data import Dataset, PixelScale, pool, read_dataset, resize
from celltransfer_core.framing import (
    MEASURES,
    ColourMap,
    Crops,
    Nuclei,
    Nucleus,
    balance,
    choose_framing,
    cut,
    find_nuclei,
    find_nucleus,
    frame_sets,
    lab_moments,
    look_at,
    nuclei as nuclei_module,
)

LIGHT, PINK, RED, PURPLE = (250, 235, 225), (215, 170, 200), (210, 140, 140), (90, 50, 140)
LILAC = (205, 176, 188)  # red cells, as May Grünwald–Giemsa shows them


def picture(lobes, size=(160, 160), cell=None, reds=(), scale=1, red=RED):
    """Draw discs (x, y, radius): lobes purple, the cell's body pink, red cells around."""
    image = Image.new("RGB", tuple(side * scale for side in size), LIGHT)
    draw = ImageDraw.Draw(image)
    for discs, colour in ((reds, red), ([cell] if cell else [], PINK), (lobes, PURPLE)):
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
        ([(64, 66, 11), (98, 70, 11), (77, 99, 11)], (80, 80, 38), (81, 82.5), 56),  # far apart
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


def test_a_neighbours_nucleus_is_no_lobe():
    # The cells touch, so that nothing light lies between them.
    lobes, cell = [(80, 80, 16), (130, 80, 16)], (105, 80, 45)
    nucleus = find_nucleus(picture(lobes, cell=cell))
    assert nucleus.x == pytest.approx(80, abs=3)
    assert nucleus.extent == pytest.approx(32, rel=0.15)


def test_dark_red_cells_that_touch_the_nucleus_are_left_out():
    dark = (120, 85, 105)
    reds = ((50, 80, 20), (110, 80, 20), (80, 50, 20), (80, 110, 20))
    nucleus = find_nucleus(picture([(80, 80, 18)], reds=reds, red=dark))
    assert nucleus.extent == pytest.approx(36, rel=0.15)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: image * [1.0, 0.9, 0.6],  # a warm lamp
        lambda image: image * 0.5,
        lambda image: 200 + 0.4 * (image - 200.0),
        lambda image: 0.6 * image.mean(axis=2, keepdims=True) + 0.4 * image,  # washed out
        lambda image: image * np.linspace(0.6, 1, 160)[None, :, None],
    ],
)
def test_another_lamp_and_camera_change_little(spoil):
    image = picture([(70, 84, 22)], cell=(72, 82, 32), reds=REDS, red=LILAC)
    plain = find_nucleus(image)
    nucleus = find_nucleus(np.rint(spoil(image)).clip(0, 255).astype(np.uint8))
    assert (nucleus.x, nucleus.y) == pytest.approx((plain.x, plain.y), abs=3)
    assert nucleus.extent == pytest.approx(plain.extent, rel=0.1)


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
        picture([], reds=REDS, red=LILAC),
        picture([], reds=((80, 80, 30),), red=LILAC),
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


def test_what_was_found_is_kept_and_goes_on(reference, nuclei, cache, monkeypatch):
    assert nuclei.found.all()
    monkeypatch.setattr(nuclei_module, "look_at", lambda _: pytest.fail("looked again"))
    second = find_nuclei(reference, cache, workers=1)
    np.testing.assert_array_equal(nuclei.x, second.x)
    np.testing.assert_array_equal(nuclei.background, second.background)
    np.testing.assert_array_equal(nuclei.measures, second.measures)


def test_an_interrupted_search_goes_on(reference, cache, monkeypatch):
    monkeypatch.setattr(nuclei_module, "BATCH", 10)
    looked = []

    def interrupted(image):
        if len(looked) == 25:
            raise KeyboardInterrupt
        looked.append(image)
        return look_at(image)

    monkeypatch.setattr(nuclei_module, "look_at", interrupted)
    with pytest.raises(KeyboardInterrupt):
        find_nuclei(reference, cache, workers=1)
    again, seen = [], []

    def again_at(image):
        again.append(image)
        return look_at(image)

    monkeypatch.setattr(nuclei_module, "look_at", again_at)
    find_nuclei(reference, cache, workers=1, progress=lambda *state: seen.append(state))
    assert len(again) == len(reference) - 20  # two batches of ten had been kept
    assert seen[0] == ("framing", 20, len(reference))
    assert seen[-1] == ("framing", len(reference), len(reference))


def nuclei_with(share, n=100):
    found = np.arange(n) < share * n
    zero = np.zeros(n, np.float32)
    of_rows = [np.zeros((n, columns), np.float32) for columns in (3, len(MEASURES))]
    return Nuclei(found, zero, zero, zero, *of_rows)


@pytest.mark.parametrize(
    ("mode", "shares", "framed", "word"),
    [
        ("auto", (0.95, 0.8), True, "80 of 100 nuclei found in query"),
        ("auto", (0.99, 0.79), False, "too few nuclei"),
        ("nucleus", (0.99, 0.1), True, "; 91 cells without one are left whole"),
        ("auto", (0.99, 1.0), True, "; 1 cell without one is left whole"),
        ("none", (), False, "as requested"),
    ],
)
def test_both_sets_are_framed_or_neither(mode, shares, framed, word):
    sets = dict(zip(("reference", "query"), map(nuclei_with, shares), strict=False))
    decided, reason = choose_framing(mode, sets)
    assert decided is framed
    assert word in reason


def test_cells_without_a_nucleus_are_left_whole(tmp_path, frame):
    Image.fromarray(picture([(80, 80, 20)], cell=(80, 80, 30))).save(tmp_path / "a.png")
    Image.new("RGB", (50, 40), LIGHT).save(tmp_path / "b.png")
    dataset = read_dataset(tmp_path).with_um_per_px(0.5)
    options = {"sets": {"reference": dataset}, "colour": "none", "in_um": True}
    crops = frame(**options).crops["reference"]
    shapes = {name: crops[i].shape for i, name in enumerate(dataset.first_file)}
    assert shapes["b.png"] == (40, 50, 3)
    assert shapes["a.png"][0] == shapes["a.png"][1] == pytest.approx(80, abs=8)
    extents = dict(zip(dataset.first_file, crops.extents, strict=True))
    assert np.isnan(extents["b.png"])
    assert extents["a.png"] == pytest.approx(20, abs=2)  # µm
    whole = frame(mode="auto", **options)
    assert not whole.framed
    assert np.isnan(whole.crops["reference"].extents).all()


def test_the_variant_names_what_decides_the_pixels(reference, nuclei):
    one, two = np.ones(3), np.full(3, 2.0)
    deep = replace(reference, scales=(PixelScale((0.0, 900.0)),))
    variants = [
        Crops(reference),
        Crops(reference, nuclei),
        Crops(reference.with_um_per_px(0.2), nuclei, in_um=True),
        Crops(reference.with_um_per_px(0.25), nuclei, in_um=True),
        Crops(reference, nuclei, colours={"": ColourMap(one, one, two, two)}),
        Crops(reference, nuclei, colours={"": ColourMap(one, one, two, one)}),
        Crops(reference, nuclei, white=(250, 240, 230)),
        Crops(reference, nuclei, white=(250, 240, 231)),
        Crops(deep, nuclei),
    ]
    assert len({crops.variant for crops in variants}) == len(variants)
    assert Crops(reference.with_um_per_px(0.2), nuclei).variant == Crops(reference, nuclei).variant


def test_lab_brings_the_querys_colours_to_the_references(frame):
    plain, mapped = (frame(colour=colour).crops for colour in ("none", "lab"))
    assert mapped["reference"].colours == {}
    target = lab_moments(plain["reference"], workers=1)
    before, after = (lab_moments(crops["query"], workers=1) for crops in (plain, mapped))
    for moment in (0, 1):
        distance = [np.abs(found[moment] - target[moment]).max() for found in (before, after)]
        assert distance[1] < 0.35 * distance[0]


def test_colours_are_measured_once(reference, query, cache, monkeypatch):
    seen = []

    def framed():
        return frame_sets(
            {"reference": reference, "query": query},
            mode="auto",
            colour="balanced",
            cache=cache,
            workers=1,
            progress=lambda *told: seen.append(told),
        )

    first, both = framed(), len(reference) + len(query)
    assert seen[-1] == ("colour", both, both)  # both sets are one stage
    assert ("framing", both, both) in seen
    monkeypatch.setattr(Dataset, "read", None)
    again = framed()
    assert [crops.variant for crops in again.crops.values()] == [
        crops.variant for crops in first.crops.values()
    ]
    monkeypatch.undo()
    other = lab_moments(again.crops["query"], cache=cache, workers=1)
    assert not np.array_equal(other[0], first.crops["query"].colours[""].source_mean)


def test_a_background_is_brought_to_another_colour():
    image = picture([(80, 80, 24)], cell=(80, 80, 32))
    yellow = np.rint(image * [0.95, 0.95, 0.6]).astype(np.uint8)
    balanced = balance(yellow, yellow[0, 0], LIGHT)
    # What light takes away is given back, in the cell as around it.
    assert np.abs(balanced.astype(int) - image).max() <= 2
    np.testing.assert_array_equal(balance(image, LIGHT, LIGHT), image)
    # A channel without light is noise; no more than twice as much is made of it.
    dark = np.full((4, 4, 3), 10, dtype=np.uint8)
    np.testing.assert_array_equal(
        balance(dark, (10, 0, 40), (250, 250, 8)), [[[20, 20, 5]] * 4] * 4
    )


def test_slides_of_unlike_light_look_alike_when_they_are_balanced(tmp_path, reference, frame):
    folder = tmp_path / "slides"
    folder.mkdir()
    yellow = np.array([1.0, 1.0, 0.6])
    for number in range(12):
        light = yellow if number % 2 else np.ones(3)
        image = picture([(80, 80, 20 + number)], cell=(80, 80, 40), reds=REDS) * light
        Image.fromarray(np.rint(image).astype(np.uint8)).save(folder / f"{number:02}.png")
    slides = read_dataset(folder, workers=1)
    sets = {"reference": reference, "query": slides}

    def blue(colour):
        crops = frame(sets, colour=colour).crops["query"]
        return [np.quantile(image[..., 2], 0.9) for image in crops.resized(range(12), 40)]

    by_set, by_cell = blue("lab"), blue("balanced")
    assert np.ptp(by_set) > 40
    assert np.ptp(by_cell) < 10


def test_cells_are_lit_as_the_reference_usually_is(reference, frame):
    framed = frame(colour="balanced")
    crops = framed.crops
    found = crops["reference"].nuclei
    usual = np.median(found.background[found.found], axis=0)
    assert crops["query"].white == crops["reference"].white
    assert crops["query"].white == pytest.approx(usual, abs=0.5)
    assert "background" in framed.reason
    whole = frame(mode="none", colour="balanced")
    assert whole.crops["query"].white is None
    assert "background" not in whole.reason


def test_cells_without_a_nucleus_are_lit_like_the_others(tmp_path, reference, frame):
    folder = tmp_path / "dim"
    folder.mkdir()
    for number in range(13):
        cell = {"lobes": [(80, 80, 20 + number)], "cell": (80, 80, 40)}
        image = picture(**(cell if number else {"lobes": []}), reds=REDS, red=LILAC)
        image = image * [0.6, 0.5, 0.45]
        Image.fromarray(np.rint(image).astype(np.uint8)).save(folder / f"{number:02}.png")
    dim = read_dataset(folder, workers=1)
    crops = frame({"reference": reference, "query": dim}, colour="balanced").crops["query"]
    found = crops.nuclei.found
    assert [dim.first_file[cell] for cell in np.flatnonzero(~found)] == ["00.png"]
    around = np.quantile(crops.resized(range(13), 40), 0.9, axis=(1, 2))
    assert np.ptp(around, axis=0).max() < 10


@pytest.mark.parametrize("colour", ["lab", "balanced"])
def test_resizing_before_recolouring_is_no_other_picture(colour, frame):
    crops = frame(colour=colour).crops
    for cell in (0, 3):
        plain = crops["reference"]
        off = np.abs(plain.resized([cell], 40)[0].astype(int) - resize(plain[cell], 40))
        assert off.max() <= (2 if plain.white else 0)
        first, last = crops["query"].resized([cell], 40)[0], resize(crops["query"][cell], 40)
        off = np.abs(first.astype(int) - last)
        assert first.shape == (40, 40, 3)
        assert off.mean() < 2
        assert np.percentile(off, 99) < 12


def test_several_cells_are_resized_and_recoloured_as_one_by_one(pooled, query, frame):
    crops = frame({"reference": pooled, "query": query}, colour="lab").crops["reference"]
    sources = crops.dataset.cell_sources.tolist()
    cells = [sources.index(1), sources.index(0), len(sources) - 1]  # of both, in any order
    together = crops.resized(cells, 40)
    assert together.shape == (3, 40, 40, 3)
    for image, cell in zip(together, cells, strict=True):
        np.testing.assert_array_equal(image, crops.resized([cell], 40)[0])


@pytest.mark.parametrize("colour", ["lab", "balanced"])
def test_each_of_several_references_is_brought_to_the_largests_colours(
    colour, reference, typed_query, pooled, query, frame
):
    crops = frame({"reference": pooled, "query": query}, colour=colour).crops
    assert set(crops["reference"].colours) == {"away"}
    alone = frame({"reference": reference, "query": typed_query}, colour=colour).crops
    for cells, part in crops["reference"].by_source():
        other = alone[
            "query" if pooled.sources[pooled.cell_sources[cells[0]]] == "away" else "reference"
        ]
        assert part.variant == other.variant  # what was embedded before is found again
        for one, cell in enumerate(cells):
            assert (part[one] == crops["reference"][int(cell)]).all()
            assert (part[one] == other[one]).all()


def test_a_set_of_one_colour_is_mapped_without_fault():
    colours = ColourMap(np.array([50.0, 0, 0]), np.zeros(3), np.array([60.0, 5, 5]), np.ones(3))
    mapped = colours(np.full((9, 9, 3), 119, np.uint8))
    assert np.isfinite(mapped).all()


def test_a_grey_set_stays_without_colour():
    grey = np.repeat(picture([(80, 80, 24)], cell=(80, 80, 34))[..., 1:2], 3, axis=2)
    lab = rgb2lab(grey).reshape(-1, 3)
    colours = ColourMap(lab.mean(axis=0), lab.std(axis=0), np.array([60.0, 8, 5]), np.full(3, 12.0))
    mapped = rgb2lab(colours(grey)).reshape(-1, 3)
    assert mapped[:, 1:].std(axis=0).max() < 2  # only what clipping to the screen's colours makes
    assert mapped[:, 0].std() == pytest.approx(12, abs=3)


def test_parts_see_the_same_pixels_and_travel(reference, nuclei):
    crops = Crops(reference, nuclei)
    cells = np.array([3, 7, 20])
    part = pickle.loads(pickle.dumps(crops.take(cells)))  # noqa: S301
    assert len(part) == 3
    assert part.variant == crops.variant
    for position, cell in enumerate(cells):
        np.testing.assert_array_equal(part[position], crops[cell])
    np.testing.assert_array_equal(part.extents, crops.extents[cells])
    assert len(pickle.dumps(part)) < 3000


@pytest.fixture
def deep_sets(tmp_path):
    """One drawn cell a set, three sizes each: 16 bits, and 12 bits in 16-bit files."""

    def made(name, factor):
        for number in range(3):
            image = picture([(80, 80, 20 + number)], cell=(80, 80, 34), reds=REDS)
            path = tmp_path / name / f"a/{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, image.astype(np.uint16) * factor, photometric="rgb")
        return read_dataset(tmp_path / name, workers=1)

    return made("full", 257), made("twelve", 16)


@pytest.mark.parametrize("names", [None, ("full", "twelve")])
def test_pooled_16_bit_sets_have_a_grey_scale_each(deep_sets, names, frame):
    pooled = pool(deep_sets, names=names)
    for dataset in deep_sets:
        for number, cell in enumerate(dataset.cells):
            together = pooled.read(pooled.cells.index(cell))
            np.testing.assert_array_equal(together, dataset.read(number))
            assert together.max() == 255  # 16 on the scale of the other set
    levels = [np.median(pooled.read(cell)[:5]) for cell in range(6)]
    assert np.ptp(levels) <= 1
    crops = frame({"reference": pooled}, colour="none").crops["reference"]
    assert crops.nuclei.found.all()
    # Nuclei that were found in a set alone are found again under the same keys.
    alone = [frame({"reference": one}, colour="none").crops["reference"] for one in deep_sets]
    parts = crops.by_scale()
    assert {part.variant for _, part in parts} == {one.variant for one in alone}
    assert sorted(np.concatenate([cells for cells, _ in parts])) == [*range(6)]
    for cells, part in parts:
        one = alone[[a.variant for a in alone].index(part.variant)]
        assert one.dataset.cells == part.dataset.cells == tuple(pooled.cells[c] for c in cells)
        np.testing.assert_array_equal(part.nuclei.extent, one.nuclei.extent)
        np.testing.assert_array_equal(part[0], one[0])


def test_nuclei_have_the_size_in_um_of_their_own_source(tmp_path, frame):
    def made(name, scale):
        image = picture([(80, 80, 20)], cell=(80, 80, 30), reds=REDS, scale=scale)
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / "1.png")
        return read_dataset(tmp_path / name, workers=1).with_um_per_px(0.4 / scale)

    pooled = pool([made("coarse", 1), made("fine", 2)], names=("coarse", "fine"))
    assert sorted(pooled.um_per_px.tolist()) == [0.2, 0.4]
    crops = frame({"reference": pooled}, colour="none", in_um=True).crops["reference"]
    assert crops.extents == pytest.approx([16, 16], abs=1)
    assert {part.variant[-5:] for _, part in crops.by_scale()} == {"0.2um", "0.4um"}
    pixels = frame({"reference": pooled}, colour="none").crops["reference"]
    assert sorted(pixels.extents) == pytest.approx([40, 80], abs=3)
    assert len(pixels.by_scale()) == 2  # of two sources
