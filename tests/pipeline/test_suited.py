"""What suits a reference: on drawn cells whose types differ in one part of the cell alone."""

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import read_dataset
from celltransfer_core.encoders import catalogue
from celltransfer_core.pipeline import prepare, typed_by_others
from celltransfer_core.pipeline.suited import TRYING
from tests.encoders.test_encoders import model

NETWORK = replace(DEFAULT, encoders=(("cell",),), draws=1)
PURPLE, PINK, GREEN = (90, 40, 140), (235, 190, 205), (160, 205, 170)
SIDE, NUCLEUS = 120, 11


def draw(rng, nucleus=PURPLE, body=PINK, edge=PINK):
    """Draw a cell, its nucleus in a body whose edge lies beyond the nucleus's field."""
    image = Image.new("RGB", (SIDE, SIDE), (245, 240, 235))
    pen = ImageDraw.Draw(image)
    x, y = SIDE / 2 + rng.uniform(-3, 3, 2)
    for radius, colour in ((52, edge), (3 * NUCLEUS, body), (NUCLEUS, nucleus)):
        r = radius * rng.uniform(0.95, 1.05)
        pen.ellipse([x - r, y - r, x + r, y + r], fill=colour)
    noisy = np.asarray(image) + rng.normal(0, 6, (SIDE, SIDE, 3))
    return Image.fromarray(np.rint(np.clip(noisy, 0, 255)).astype(np.uint8))


def write(folder, rng, of_types, cells=16, fields=0):
    """Write cells of each type, by field where there are some."""
    for name, parts in of_types.items():
        (folder / name).mkdir(parents=True)
        for number in range(cells):
            field = f"{number % fields:03}_" if fields else ""
            draw(rng, **parts(rng)).save(folder / name / f"{field}{number:02}.png")
    return read_dataset(folder, labelled=True, workers=1)


def any_colour(rng):
    return tuple(rng.integers(150, 240, 3).tolist())


@pytest.fixture(scope="module")
def by_cytoplasm(tmp_path_factory):
    """Types that differ beyond the field of the nucleus alone."""
    types = {"pink": lambda _: {"edge": PINK}, "green": lambda _: {"edge": GREEN}}
    return write(tmp_path_factory.mktemp("edges"), np.random.default_rng(1), types)


@pytest.fixture(scope="module")
def by_nucleus(tmp_path_factory):
    """Types that differ in the nucleus alone, in cells of any colour."""
    types = {
        "blue": lambda rng: {"nucleus": (50, 40, 160), "edge": any_colour(rng)},
        "red": lambda rng: {"nucleus": (130, 40, 120), "edge": any_colour(rng)},
    }
    return write(tmp_path_factory.mktemp("nuclei"), np.random.default_rng(2), types)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A network in place of those that came with CellTransfer: the mean colour of what it sees."""
    folder = tmp_path / "shipped"
    model(folder, "cell")
    monkeypatch.setattr(catalogue, "SHIPPED", folder)
    return folder


@pytest.fixture
def networks(shipped, monkeypatch):
    """Another network beside the usual one, which sees one channel alone."""
    model(shipped, "other")
    red = np.zeros((5, 3, 1, 1), np.float32)
    red[:, 0] = 1
    with monkeypatch.context() as patched:
        patched.setattr("tests.encoders.test_encoders.WEIGHTS", red)
        model(shipped, "cell")


@pytest.mark.usefixtures("shipped")
def test_cells_that_their_cytoplasm_tells_apart_are_shown_wider(by_cytoplasm, cache):
    found = prepare(by_cytoplasm, by_cytoplasm, NETWORK, cache=cache, workers=1)
    nuclei = found.framing.crops["query"].nuclei
    assert nuclei is None or nuclei.field == 4
    assert "which is clearly more" in found.framing.reason
    assert f"tried on {by_cytoplasm.n_cells} reference cells of 2 types: " in found.framing.reason
    again = prepare(by_cytoplasm, by_cytoplasm, NETWORK, cache=cache, workers=1)
    assert again.framing.reason == found.framing.reason
    np.testing.assert_array_equal(
        again.embeddings["query"]["cell"], found.embeddings["query"]["cell"]
    )


@pytest.mark.usefixtures("shipped")
def test_cells_that_their_nucleus_tells_apart_are_cut_as_usual(by_nucleus, cache):
    found = prepare(by_nucleus, by_nucleus, NETWORK, cache=cache, workers=1)
    asked = prepare(
        by_nucleus, by_nucleus, replace(NETWORK, framing="nucleus"), cache=cache, workers=1
    )
    assert found.framing.framed
    assert found.framing.reason.endswith("%: not more")  # it types fewer of them right
    assert found.framing.crops["query"].variant == asked.framing.crops["query"].variant
    np.testing.assert_array_equal(
        found.embeddings["query"]["cell"], asked.embeddings["query"]["cell"]
    )


@pytest.mark.usefixtures("shipped")
def test_a_field_that_is_asked_for_is_not_tried(by_cytoplasm, cache):
    for mode, field in (("nucleus", 2), ("wide", 4)):
        config = replace(NETWORK, framing=mode)
        found = prepare(by_cytoplasm, by_cytoplasm, config, cache=cache, workers=1)
        assert found.framing.crops["reference"].nuclei.field == field
        assert "as requested" in found.framing.reason
        assert "tried on" not in found.framing.reason


@pytest.fixture(scope="module")
def by_hue(tmp_path_factory):
    """Types that differ in green and blue, in cells of much the same red."""

    def parts(green, blue):
        return lambda rng: {"body": (int(rng.integers(195, 206)), green, blue)}

    types = {"greenish": parts(220, 180), "bluish": parts(180, 220)}
    return write(tmp_path_factory.mktemp("hues"), np.random.default_rng(3), types)


@pytest.mark.usefixtures("networks")
def test_the_network_that_fits_takes_the_place_of_the_usual_one(by_hue, cache):
    config = replace(NETWORK, encoders=(("cell",), ("shape",)))
    found = prepare(by_hue, by_hue, config, cache=cache, workers=1)
    assert found.voters == (("other",), ("shape",))
    assert [spec.id for spec in found.encoders] == ["other", "shape"]
    assert re.search(
        r"; in the field of the nucleus with other, [\d.]+%, which is clearly more$",
        found.framing.reason,
    )
    named = prepare(by_hue, by_hue, replace(config, network="named"), cache=cache, workers=1)
    assert named.voters == config.encoders


@pytest.mark.usefixtures("networks")
def test_a_network_as_good_as_the_usual_one_is_not_taken(by_cytoplasm, cache):
    tried = []

    def heard(phase, done, total):
        if phase == TRYING:
            tried.append((done, total))

    found = prepare(by_cytoplasm, by_cytoplasm, NETWORK, cache=cache, workers=1, progress=heard)
    assert found.voters == (("cell",),)
    # Three fields, then the other network in the chosen one.
    assert tried == [(done, 4) for done in range(5)]


def test_cells_that_were_taken_together_do_not_type_each_other(rng):
    # Each field has a colour of its own and one type alone: it is learned by heart, and useless.
    groups = np.repeat(np.arange(8), 6)
    numbers = groups % 2
    X = (10 * rng.normal(size=(8, 4))[groups] + rng.normal(size=(48, 4))).astype(np.float32)
    alone = typed_by_others(X, numbers, np.arange(48))
    apart = typed_by_others(X, numbers, groups)
    assert (alone == numbers).mean() > 0.95
    assert (apart == numbers).mean() < 0.75
    assert (typed_by_others(X, numbers, np.zeros(48, int)) == -1).all()
