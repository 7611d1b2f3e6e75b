import io

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.data import check_image, stored_at, stored_dataset
from celltransfer_core.data.background import over_one_background, usual_background
from celltransfer_core.framing import Crops


@pytest.fixture
def dataset(tmp_path):
    def made(images, name="set"):
        files = {}
        for number, image in enumerate(images):
            file = io.BytesIO()
            image.save(file, "PNG")
            found = files[f"{number}.png"] = check_image(file.getvalue())
            path = stored_at(tmp_path, found.sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.getvalue())
        return stored_dataset(tmp_path, name, files, {})

    return made


def cell(background, inner):
    image = Image.new("RGB", (40, 40), background)
    image.paste(inner, (10, 10, 30, 30))
    return image


def cut_out(inner):
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((*inner, 255), (10, 10, 30, 30))
    return image


@pytest.fixture
def reference(dataset):
    return dataset([cell((220 + n, 210, 240), (90, 40, 10 * n)) for n in range(5)])


@pytest.fixture
def query(dataset):
    return dataset([cut_out((90, 40, 10 * n)) for n in range(3)])


def test_transparent_images_are_laid_over_the_references_background(reference, query):
    assert usual_background(reference) == (222, 210, 240)
    sets = over_one_background({"query": query, "reference": reference}, "reference")
    image = sets["query"].read(0)
    assert image[0, 0].tolist() == [222, 210, 240]
    assert image[20, 20].tolist()[:2] == [90, 40]
    assert sets["reference"] is reference


def test_a_transparent_reference_takes_the_background_of_the_query(reference, query):
    sets = over_one_background({"reference": query, "query": reference}, "reference")
    assert sets["reference"].read(0)[0, 0].tolist() == [222, 210, 240]


def test_without_any_background_all_is_laid_over_white(query):
    sets = over_one_background({"reference": query, "query": query}, "reference")
    assert sets["query"] is query
    assert query.read(0)[0, 0].tolist() == [255, 255, 255]


def test_another_background_is_another_key_of_the_cache(reference, query, dataset):
    plain = Crops(query).variant
    over = over_one_background({"reference": reference, "query": query}, "reference")["query"]
    darker = dataset([cell((90, 80, 70), (9, 4, n)) for n in range(5)])
    other = over_one_background({"reference": darker, "query": query}, "reference")["query"]
    assert len({plain, Crops(over).variant, Crops(other).variant}) == 3
    assert Crops(reference).variant == "whole"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_half_transparent_pixels_are_mixed(dataset, reference, mode):
    half = Image.new(mode, (30, 30), (100, 100, 100, 128)[-len(mode) :])
    over = over_one_background({"r": reference, "q": dataset([half])}, "r")["q"]
    mixed = 128 / 255 * 100 + (1 - 128 / 255) * np.array([222, 210, 240])
    assert np.abs(over.read(0)[5, 5] - mixed).max() <= 1
