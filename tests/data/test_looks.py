import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from celltransfer_core.data import check_image, read_dataset
from celltransfer_core.data.looks import LOOK, MANY, looks_of
from celltransfer_core.demo import draw_cell


def look(image, kind="PNG", **how):
    file = io.BytesIO()
    image.save(file, kind, **how)
    return np.frombuffer(check_image(file.getvalue()).look, dtype=LOOK)[0]


@pytest.fixture
def cell():
    return Image.fromarray(draw_cell("monocyte", np.random.default_rng(1)))


@pytest.fixture
def disc():
    mask = Image.new("L", (60, 60))
    ImageDraw.Draw(mask).ellipse((15, 15, 45, 45), fill=255)
    return mask


def test_a_whole_cell_has_its_sides_and_the_colour_of_its_background(cell):
    seen = look(cell.resize((90, 60)))
    assert (seen["width"], seen["height"]) == (90, 60)
    assert seen["border"].astype(int) == pytest.approx(np.asarray(cell)[0, 0].astype(int), abs=25)
    assert (seen["black"], seen["clear"], seen["levels"]) == (0, 0, MANY)


def test_a_cut_out_has_a_black_border(cell, disc):
    cut = Image.composite(cell, Image.new("RGB", cell.size), disc.resize(cell.size))
    assert look(cut)["black"] == 100
    assert look(cut, "JPEG", quality=60)["black"] >= 95


def test_transparency_is_told_in_percent(cell, disc):
    assert look(Image.new("RGBA", (40, 40), (9, 9, 9, 255)))["clear"] == 0
    cell.putalpha(disc.resize(cell.size))
    assert look(cell)["clear"] == pytest.approx(100 * (1 - np.pi / 16), abs=3)
    almost = Image.new("RGBA", (40, 40), (9, 9, 9, 255))
    almost.putpixel((3, 3), (9, 9, 9, 250))
    assert look(almost)["clear"] == 1


@pytest.mark.parametrize("how", [{}, {"quality": 90}, {"quality": 40}])
def test_a_mask_has_few_grey_levels_however_it_was_saved(disc, how):
    assert look(disc, "JPEG" if how else "PNG", **how)["levels"] <= 16


def test_a_mask_that_numbers_objects_has_few_grey_levels(disc):
    numbered = np.asarray(disc, dtype=np.uint16) // 255
    numbered[:5] = 3
    assert look(Image.fromarray(numbered))["levels"] == 3


def test_a_pale_cell_has_many_grey_levels(cell):
    pale = cell.point(lambda value: 200 + value // 8)
    assert look(pale, "JPEG", quality=90)["levels"] == MANY


def test_a_small_cell_on_an_even_background_has_many_grey_levels(cell):
    plain = Image.new("RGB", (300, 300), (250, 228, 205))
    plain.paste(cell.resize((30, 30)), (135, 135))
    assert look(plain, "JPEG", quality=95)["levels"] == MANY


def test_looks_follow_the_cells_of_a_set(tmp_path, cell):
    for side in (30, 40, 50):
        cell.resize((side, side)).save(tmp_path / f"{side}.png")
    dataset = read_dataset(tmp_path)
    looks, seen = looks_of(dataset)
    assert seen.all()
    assert [f"{one['width']}.png" for one in looks] == list(dataset.first_file)
