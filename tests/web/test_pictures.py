import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.data import Dataset
from celltransfer_core.data.dataset import stored_at
from celltransfer_core.framing import (
    MEASURES,
    Crops,
    Framing,
    Nuclei,
    Nucleus,
    balance,
    cut,
    draw_cut,
)
from celltransfer_core.web import addresses, image_url, pictures
from celltransfer_core.web.addresses import framing_version
from tests.counting import statements
from tests.data.encoded import tiff
from tests.web.asking import ask, query_now


def test_an_image_is_served_small_and_kept_by_the_browser(space, study, sha256):
    answer = ask("GET", image_url(space, study, sha256, size=20))
    assert answer.status == 200
    assert answer.image.shape == (10, 20, 3)
    assert answer.headers["content-type"] == "image/jpeg"
    assert "private" in answer.headers["cache-control"]
    assert "max-age=86400" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_damaged_image_is_not_shown_and_wanted_again(space, study, query, sha256):
    stored = stored_at(space.images, sha256)
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1  # behind the pixels: it can be decoded all the same
    stored.write_bytes(data)
    assert ask("GET", image_url(space, study, sha256, size=20)).status == 404
    assert space.known_files(query.id) == {"1.png": ""}


def test_a_cell_is_served_by_its_number_too(space, study, sha256):
    cells = space.pooled(study, "query").cells
    number = cells.index(sha256)
    by_hash = ask("GET", image_url(space, study, sha256, size=20, role="query"))
    url = image_url(space, study, "{cell}", size=20, cut=True, role="query")
    answer = ask("GET", url.replace("{cell}", str(number)))
    assert answer.body == by_hash.body
    assert answer.headers["cache-control"] == "private, no-cache"
    assert ask("GET", url.replace("{cell}", str(len(cells)))).status == 404
    unknown = url.replace("role=query", "role=other").replace("{cell}", "0")
    assert ask("GET", unknown).status == 404


def test_what_the_browser_has_is_not_sent_again(space, study, sha256):
    url = image_url(space, study, sha256, size=20)
    tag = ask("GET", url).headers["etag"]
    again = ask("GET", url, headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    assert ask("GET", url, headers={"If-None-Match": '"other"'}).status == 200
    assert ask("GET", image_url(space, study, sha256, size=21)).headers["etag"] != tag


def test_large_pictures_lose_nothing_and_are_never_enlarged(space, study, sha256):
    answer = ask("GET", image_url(space, study, sha256, size=10**6))
    assert answer.headers["content-type"] == "image/png"
    assert answer.image.shape == (20, 40, 3)
    assert ask("GET", image_url(space, study, sha256, size=0)).image.shape == (8, 16, 3)


def test_sizes_that_are_none_are_refused(space, study, sha256):
    url = image_url(space, study, sha256, size=20)
    assert ask("GET", url.replace("size=20", "size=x")).status == 400
    assert ask("GET", url + "&show=secret").status == 400


@pytest.mark.parametrize("how", [{}, {"cut": True}, {"outline": True}])
def test_a_thumbnail_takes_three_statements_at_most(space, study, sha256, how):
    url = image_url(space, study, sha256, size=20, **how)
    ask("GET", url)
    with statements() as sent:
        assert ask("GET", url).status == 200
    assert len(sent) <= 3
    by_number = url.replace(sha256, "0")
    ask("GET", by_number)
    with statements() as sent:
        assert ask("GET", by_number).status == 200
    assert len(sent) <= 3


def test_images_of_other_studies_are_not_served(space, study, sha256):
    other = space.create("Another").id
    assert ask("GET", image_url(space, other, sha256, size=20)).status == 404


@pytest.mark.parametrize("name", ["../../secret.key", "..%2F..%2Fsecret.key", "0" * 64, "%00"])
def test_no_file_is_reached_by_a_path(space, study, sha256, name):
    answer = ask("GET", image_url(space, study, name, size=20))
    assert answer.status == 404
    assert space.secret.encode() not in answer.body


def test_images_of_deleted_studies_are_not_served(space, study, sha256):
    space.delete(study)
    assert ask("GET", image_url(space, study, sha256, size=20)).status == 404


def test_a_damaged_store_is_no_fault(space, study, sha256):
    (space.images / sha256[:2] / sha256).write_bytes(b"gone bad")
    assert ask("GET", image_url(space, study, sha256, size=20)).status == 404


def test_an_image_of_16_bits_is_shown_at_the_scale_of_its_set(space, study, query):
    files = []
    for number, top in enumerate((1000, 30000)):
        file = io.BytesIO()
        Image.fromarray(np.linspace(0, top, 256).astype(np.uint16).reshape(16, 16)).save(
            file, "PNG"
        )
        files.append((f"{number}.png", file.getvalue()))
    space.receive(query.id, files)
    dataset = space.dataset(query_now(space, study))
    dark = dataset.cells[dataset.cell_index[dataset.files.index("0.png")]]
    answer = ask("GET", image_url(space, study, dark, size=1000))
    assert np.array_equal(answer.image, dataset.read(dataset.cells.index(dark)))
    assert answer.image.max() < 20


def test_the_channels_that_were_chosen_are_shown_and_others_under_another_address(
    space, study, query
):
    values = np.zeros((4, 20, 20), np.uint8)
    values[:] = np.array([10, 60, 120, 240])[:, None, None]
    data = tiff(values, imagej=True, metadata={"axes": "CYX"})
    space.receive(query.id, [("four.tif", data)])
    sha256 = space.known_files(query.id)["four.tif"]
    shown = {}
    for channels in ("4,1,2", "3"):
        space.change_set(query.id, channels=channels)
        addresses.channels_version.cache_clear()  # as it is after two seconds
        shown[image_url(space, study, sha256, size=2000)] = channels
    assert len(shown) == 2
    assert ask("GET", [*shown][-1]).image[5, 5].tolist() == [120, 120, 120]


def test_an_image_of_16_bits_is_shown_at_the_scale_of_the_set_that_is_looked_at(
    space, study, query
):
    def ramp(top):
        file = io.BytesIO()
        pixels = np.linspace(0, top, 256).astype(np.uint16).reshape(16, 16)
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    reference = space.add_set(study, "reference", "Reference")
    for image_set, top in ((query, 30000), (reference, 3000)):
        space.receive(image_set.id, [("a/1.png", ramp(1000)), ("b/2.png", ramp(top))])
    for role in ("query", "reference"):
        dataset = space.pooled(study, role)
        cell = dataset.cell_index[dataset.files.index("a/1.png")]
        url = image_url(space, study, dataset.cells[cell], size=1000, role=role)
        assert np.array_equal(ask("GET", url).image, dataset.read(cell))


def test_an_image_of_a_batch_is_shown_as_typed_though_another_batch_has_a_bad_table(space, study):
    def ramp(top):
        file = io.BytesIO()
        pixels = np.linspace(0, top, 256).astype(np.uint16).reshape(16, 16)
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    june, july, bad = (space.add_set(study, "batch", name) for name in ("June", "July", "Bad"))
    space.receive(june.id, [("1.png", ramp(1000)), ("2.png", ramp(2000))])
    space.receive(july.id, [("3.png", ramp(30000))])
    space.receive(bad.id, [("4.png", ramp(500)), ("metadata.csv", b"nofile;x\n1;2\n")])
    dataset = space.dataset(space.image_set(june.id))
    for cell, sha256 in enumerate(dataset.cells):
        answer = ask("GET", image_url(space, study, sha256, size=1000, role="batch"))
        assert np.array_equal(answer.image, dataset.read(cell))


NUCLEUS = Nucleus(10.0, 10.0, 8.0, (255.0, 255.0, 255.0))


@pytest.fixture
def embedded(space, study, sha256, monkeypatch):
    """Make the routes see a study whose cell is cut around (10, 10)."""
    dataset: Dataset = space.dataset(query_now(space, study))
    nuclei = Nuclei(
        np.array([True]),
        *(np.array([value], np.float32) for value in NUCLEUS[:3]),
        np.array([NUCLEUS.background], np.float32),
        np.zeros((1, len(MEASURES)), np.float32),
    )
    crops = Crops(dataset, nuclei, white=(240, 250, 200))  # behind it, all light
    prepared = SimpleNamespace(framing=Framing({"query": crops}, True, "cut"))
    monkeypatch.setattr(addresses, "stage_keys", lambda *_: {"embed": "key"})
    monkeypatch.setattr(pictures, "keys_of", lambda *_: {"embed": "key"})
    monkeypatch.setattr(pictures, "embedded_of", lambda *_: prepared)
    framing_version.cache_clear()
    yield dataset
    framing_version.cache_clear()


def test_the_cut_is_what_encoders_see(space, study, sha256, embedded):
    answer = ask("GET", image_url(space, study, sha256, size=1000, cut=True))
    field = cut(embedded.read(0), NUCLEUS)
    assert np.array_equal(answer.image, balance(field, NUCLEUS.background, (240, 250, 200)))
    assert not np.array_equal(answer.image, field)
    assert "max-age" in answer.headers["cache-control"]
    whole = ask("GET", image_url(space, study, sha256, size=1000))
    assert answer.headers["etag"] != whole.headers["etag"]


def test_what_encoders_see_is_shown_in_original_colours_too(space, study, sha256, embedded):
    url = image_url(space, study, sha256, size=1000, cut=True, original=True)
    answer = ask("GET", url)
    assert np.array_equal(answer.image, cut(embedded.read(0), NUCLEUS))
    assert "max-age" in answer.headers["cache-control"]
    seen = ask("GET", image_url(space, study, sha256, size=1000, cut=True))
    assert answer.headers["etag"] != seen.headers["etag"]


@pytest.mark.parametrize("original", [False, True])
def test_a_number_is_kept_by_the_browser_until_it_is_another_cells(
    space, study, query, sha256, embedded, original
):
    url = image_url(space, study, "{cell}", size=20, cut=True, original=original)
    answer = ask("GET", url.replace("{cell}", "0"))
    by_hash = image_url(space, study, sha256, size=20, cut=True, original=original)
    assert answer.body == ask("GET", by_hash).body
    assert "max-age=86400" in answer.headers["cache-control"]
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    space.receive(query.id, [("2.png", file.getvalue())])
    place = space.pooled(study, "query").cells.index(sha256)
    answer = ask("GET", url.replace("{cell}", str(place)))
    assert answer.headers["cache-control"] == "private, no-cache"


def test_the_cut_is_drawn_on_the_whole_image(space, study, sha256, embedded):
    shown = ask("GET", image_url(space, study, sha256, size=1000, outline=True)).image
    image = embedded.read(0)
    assert shown.shape == image.shape
    assert np.array_equal(shown, draw_cut(image, NUCLEUS))
    assert (shown[2, 2:18] == 0).all()
    assert np.array_equal(shown[4:16, 4:16], image[4:16, 4:16])


def test_until_cells_are_cut_the_whole_is_shown_and_not_kept(space, study, sha256):
    answer = ask("GET", image_url(space, study, sha256, size=1000, cut=True))
    assert answer.image.shape == (20, 40, 3)
    assert answer.headers["cache-control"] == "private, no-cache"


def test_pictures_of_an_earlier_cut_are_not_kept(space, study, sha256, embedded):
    url = image_url(space, study, sha256, size=100, cut=True)
    answer = ask("GET", url.replace("v=key", "v=old"))
    assert answer.headers["cache-control"] == "private, no-cache"


def test_an_outline_beyond_the_image_widens_it():
    image = np.full((20, 20, 3), 9, np.uint8)
    shown = draw_cut(image, Nucleus(2.0, 18.0, 10.0, (1.0, 2.0, 3.0)))
    assert shown.shape == (28, 28, 3)
    assert shown[10, 2].tolist() == [1, 2, 3]
