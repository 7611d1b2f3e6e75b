import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from celltransfer_core.data import (
    check_image,
    count_unseen,
    find_suspicions,
    read_dataset,
    stored_dataset,
)
from celltransfer_core.demo import draw_cell

SIDE = 96


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(2)
    drawn = [draw_cell(name, rng) for name in ("monocyte", "lymphocyte") for _ in range(3)]
    return [Image.fromarray(cell).resize((SIDE, SIDE)) for cell in drawn]


@pytest.fixture
def dataset(tmp_path):
    def made(images):
        if not isinstance(images, dict):
            images = {f"{number}.png": image for number, image in enumerate(images)}
        files = {}
        for name, image in images.items():
            file = io.BytesIO()
            image.save(file, "PNG")
            files[name] = check_image(file.getvalue())
        return stored_dataset(tmp_path, "set", files, {})

    return made


@pytest.fixture
def disc():
    mask = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(mask).ellipse((20, 20, 70, 70), fill=255)
    return mask


def on_black(cell, disc):
    return Image.composite(cell, Image.new("RGB", cell.size), disc)


def on_nothing(cell, disc):
    cut = cell.copy()
    cut.putalpha(disc)
    return cut


def the_one(found):
    assert len(found) == 1, [one.what for one in found]
    return found[0]


def test_whole_cells_are_not_doubted(cells, dataset):
    whole, darker = dataset(cells), dataset([cell.point(lambda v: v * 3 // 4) for cell in cells])
    assert find_suspicions(whole) == find_suspicions(whole, darker) == ()
    assert find_suspicions(dataset([])) == find_suspicions(whole, dataset([])) == ()


def test_masks_beside_images_are_left_out_and_told(cells, dataset, disc):
    masks = [disc.rotate(n, translate=(n, 0)) for n in range(6)]
    files = {f"c{n}.png": cell for n, cell in enumerate(cells)}
    files |= {f"c{n}_cp_masks.png": mask for n, mask in enumerate(masks[:3])}
    files |= {f"masks/c{n}.png": mask for n, mask in enumerate(masks[3:])}
    found = dataset(files)
    assert found.n_cells == len(cells)
    told = the_one(find_suspicions(found))
    assert told.what.startswith("6 of 12 images are masks of other images")
    assert set(told.files) == files.keys() - {f"c{n}.png" for n in range(6)}
    assert told.cells == ()


def test_masks_of_a_folder_are_left_out(cells, disc, tmp_path):
    for number, cell in enumerate(cells):
        cell.save(tmp_path / f"c{number}.png")
    disc.save(tmp_path / "c0_mask.png")
    found = read_dataset(tmp_path)
    assert "c0_mask.png" not in found.files
    assert [remark.file for remark in found.left_out] == ["c0_mask.png"]


def test_a_mask_without_its_image_is_told_and_stays(cells, dataset, disc):
    found = dataset({"a.png": cells[0], "b.png": cells[1], "x_mask.png": disc})
    assert found.n_cells == 3
    told = the_one(find_suspicions(found))
    assert told.what.startswith("1 of 3 images has only two or a few grey values, as masks do.")
    assert told.files == ("x_mask.png",)
    assert told.cells == (dict(zip(found.files, found.sha256, strict=True))["x_mask.png"],)


def test_a_picture_that_is_named_as_a_mask_is_told_and_stays(cells, dataset, disc):
    found = dataset({"a.png": cells[0], "a_mask.png": cells[1]})
    told = the_one(find_suspicions(found))
    assert told.what.startswith("1 of 2 images is named as a mask of another image, but is none")


@pytest.mark.parametrize(("cut", "what"), [(on_black, "black"), (on_nothing, "transparency")])
def test_cut_outs_in_one_set_alone_are_told(cells, dataset, disc, cut, what):
    whole, cut_out = dataset(cells), dataset([cut(cell, disc) for cell in cells])
    told = the_one(find_suspicions(cut_out, whole))
    assert told.what.startswith(f"6 of 6 images are cut out on {what}, those of the other set")
    assert find_suspicions(whole, cut_out) == ()
    assert find_suspicions(cut_out, cut_out) == find_suspicions(cut_out) == ()


def test_sides_too_short_to_show_a_cell_are_told(cells, dataset):
    found = dataset([cells[0].resize((23, 40)), cells[1].resize((24, 24)), *cells[2:]])
    told = the_one(find_suspicions(found))
    assert told.what.startswith("1 of 6 images has a side under 24 px.")


def test_strips_are_told_unless_they_are_few(cells, dataset):
    found = dataset([cells[0].crop((0, 0, SIDE, 36)), *cells[1:]])
    told = the_one(find_suspicions(found)).what
    assert told.startswith("1 of 6 images is more than 2.5 times as long as wide")
    many = [cells[n % 6].crop((0, 0, SIDE - n // 6, SIDE)) for n in range(120)]
    assert find_suspicions(dataset([cells[0].crop((0, 0, SIDE, 36)), *many])) == ()


def test_whole_fields_are_told(cells, dataset):
    def field(shift):
        whole = Image.new("RGB", (5 * SIDE, 5 * SIDE))
        for n in range(25):
            whole.paste(cells[(n + shift) % 6], (n % 5 * SIDE, n // 5 * SIDE))
        return whole

    fields, single = dataset([field(shift) for shift in range(4)]), dataset(cells)
    told = the_one(find_suspicions(fields, single))
    assert told.what.startswith("4 of 4 images are large and have dark spots everywhere")
    assert find_suspicions(single, fields) == ()
    large = dataset([cell.resize((5 * SIDE, 5 * SIDE)) for cell in cells])
    assert find_suspicions(large, single) == ()


def test_images_that_nobody_looked_at_are_counted_and_not_doubted(cells, tmp_path):
    file = io.BytesIO()
    cells[0].resize((12, 12)).save(file, "PNG")
    known = replace(check_image(file.getvalue()), look=b"")
    found = stored_dataset(tmp_path, "set", {"old.png": known}, {})
    assert find_suspicions(found) == ()
    assert count_unseen(found) == 1
