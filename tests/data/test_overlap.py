import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from celltransfer_core.data import check_image, find_repeated, find_shared, stored_dataset
from celltransfer_core.demo import CELL_TYPES, draw_cell


def saved(image, kind="PNG", **how):
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


@pytest.fixture(scope="module")
def cells():
    """Three cells of each of four types: those of one type look most alike."""
    rng = np.random.default_rng(0)
    names = [name for name in sorted(CELL_TYPES)[:4] for _ in range(3)]
    return [Image.fromarray(draw_cell(name, rng)) for name in names]


@pytest.fixture
def dataset(tmp_path):
    def made(files):
        named = {f"{number:02}.png": data for number, data in enumerate(files)}
        checked = {name: check_image(data) for name, data in named.items()}
        return stored_dataset(tmp_path, "set", checked, {})

    return made


def names(found, first, second):
    pairs = found.pairs.tolist()
    return {(first.first_file[one], second.first_file[other]) for one, other in pairs}


CHANGES = {
    "saved again": lambda cell: saved(cell, "JPEG", quality=60),
    "smaller": lambda cell: saved(cell.resize((cell.width // 2, cell.height // 2))),
    "larger": lambda cell: saved(cell.resize((cell.width * 3 // 2, cell.height * 3 // 2))),
    "brighter": lambda cell: saved(ImageEnhance.Brightness(cell).enhance(1.1)),
    "darker": lambda cell: saved(ImageEnhance.Brightness(cell).enhance(0.85)),
    "more contrast": lambda cell: saved(ImageEnhance.Contrast(cell).enhance(1.2)),
    "cut elsewhere": lambda cell: saved(cell.crop((2, 1, cell.width, cell.height))),
    "in grey": lambda cell: saved(cell.convert("L")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_copies_are_found_and_different_cells_are_not(cells, dataset, change):
    first = dataset([saved(cell) for cell in cells[:8]])
    second = dataset([change(cell) for cell in cells[4:]])
    found = find_shared(first, second)
    assert names(found, first, second) == {(f"{n + 4:02}.png", f"{n:02}.png") for n in range(4)}
    assert not found.identical.any()


def test_the_same_bytes_are_told_from_nearly_the_same(cells, dataset):
    first = dataset([saved(cell) for cell in cells])
    second = dataset([saved(cells[0]), saved(cells[1], "JPEG")])
    found = find_shared(first, second)
    assert names(found, first, second) == {("00.png", "00.png"), ("01.png", "01.png")}
    assert found.how == "1 byte for byte, 1 nearly"


def test_all_repetitions_of_a_cell_count_as_repeating_the_first(cells, dataset):
    again = [saved(cells[3], "JPEG", quality=quality) for quality in (95, 80, 60)]
    whole = dataset([*map(saved, cells), *again])
    found = find_repeated(whole)
    assert len(found) == 3
    assert len(set(found.pairs[:, 0].tolist())) == 1
    repeated = {whole.first_file[cell] for cell in found.pairs.ravel()}
    assert repeated == {"03.png", "12.png", "13.png", "14.png"}


def test_pictures_that_show_nothing_are_not_the_same(dataset):
    blank = dataset([saved(Image.new("RGB", (40, 40), (200, 180, shade))) for shade in range(5)])
    assert len(find_repeated(blank)) == 0


def test_pictures_too_small_to_tell_are_not_the_same(cells, dataset):
    first = dataset([saved(cell.resize((12, 12))) for cell in cells])
    second = dataset([saved(cell.resize((13, 13))) for cell in cells])
    assert len(find_shared(first, second)) == 0


def test_cells_that_nobody_looked_at_are_compared_by_their_bytes(cells, tmp_path):
    def unseen(files):
        found = {f"{n}.png": replace(check_image(data), look=b"") for n, data in enumerate(files)}
        return stored_dataset(tmp_path, "set", found, {})

    first = unseen([saved(cell) for cell in cells[:3]])
    second = unseen([saved(cells[0]), saved(cells[1], "JPEG")])
    assert find_shared(first, second).how == "1 byte for byte"
    assert len(find_repeated(first)) == 0


def test_sets_without_cells_share_nothing(cells, dataset):
    empty, some = dataset([]), dataset([saved(cells[0])])
    assert len(find_shared(empty, some)) == len(find_shared(some, empty)) == 0
    assert len(find_repeated(empty)) == len(find_repeated(some)) == 0


@pytest.mark.parametrize("clear", [False, True])
def test_cells_cut_out_by_one_mask_are_not_the_same_for_its_edge(dataset, clear):
    rng = np.random.default_rng(3)
    down, right = np.mgrid[-1:1:96j, -1:1:96j]
    outside = down**2 + right**2 > 0.7

    def cut_out(image):
        pixels = np.array(image.resize((96, 96)))
        if clear:
            alpha = np.where(outside, 0, 255).astype(np.uint8)
            return Image.fromarray(np.dstack([pixels, alpha]), "RGBA")
        pixels[outside] = 0
        return Image.fromarray(pixels)

    shown = [cut_out(Image.fromarray(draw_cell(name, rng))) for name in sorted(CELL_TYPES)[:3] * 8]
    assert len(find_repeated(dataset([saved(image) for image in shown]))) == 0
    smaller = [saved(image.resize((80, 80))) for image in shown[:5]]
    first, second = dataset([saved(image) for image in shown]), dataset(smaller)
    found = find_shared(first, second)
    assert names(found, first, second) == {(f"{n:02}.png", f"{n:02}.png") for n in range(5)}
