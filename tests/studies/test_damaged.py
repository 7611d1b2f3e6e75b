from hashlib import sha256

import pytest
from PIL import Image

from celltransfer_core.data.dataset import stored_at
from celltransfer_core.errors import ImageError, StudyError
from celltransfer_core.studies import Workspace, bring_up_to, load_prepared, work
from celltransfer_core.studies.damaged import ask_again, damaged_files
from celltransfer_core.types import silent
from tests.studies.samples import png


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:10])


@pytest.fixture
def image(space, query_set):
    """Stored file of the one image of that set."""
    space.receive(query_set.id, [("1.png", png(1))])
    (cell,) = space.dataset(query_set_now(space, query_set)).cells
    return stored_at(space.images, cell)


def query_set_now(space, query_set):
    return space.image_set(query_set.id)


@pytest.mark.parametrize("spoil", [flip_a_bit, cut_short])
def test_an_image_that_is_sent_again_is_mended(space, query_set, image, spoil):
    spoil(image)
    before = space.image_set(query_set.id)
    assert space.receive(query_set.id, [("1.png", png(1))]).taken == 1
    assert image.read_bytes() == png(1)
    assert space.image_set(query_set.id) == before  # results stay
    assert space.dataset(before).read(0).shape == (16, 16, 3)


@pytest.mark.parametrize("spoil", [flip_a_bit, cut_short, lambda path: path.unlink()])
def test_an_image_that_was_seen_to_be_damaged_is_asked_for_again(space, query_set, image, spoil):
    assert space.known_files(query_set.id)["1.png"]
    spoil(image)
    with pytest.raises(ImageError, match=r"1\.png is damaged on disk or missing; add it again"):
        space.dataset(query_set_now(space, query_set)).read(0)
    assert space.known_files(query_set.id) == {"1.png": ""}
    assert damaged_files(space, query_set.study) == ("1.png",)
    space.receive(query_set.id, [("1.png", png(1))])
    assert space.known_files(query_set.id)["1.png"] == image.name
    assert damaged_files(space, query_set.study) == ()


def test_the_grey_scale_of_a_set_is_not_taken_from_damaged_images(space, query_set, tmp_path):
    for number in range(3):
        deep = Image.new("I;16", (16, 16), 1000 * (number + 1))
        deep.save(tmp_path / f"{number}.tif")
    files = [(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    space.receive(query_set.id, files)
    whole = Workspace(space.folder).dataset(query_set_now(space, query_set))
    (scale,) = whole.scales
    damaged = stored_at(space.images, sha256(files[2][1]).hexdigest())
    data = damaged.read_bytes()
    damaged.write_bytes(data.replace((3000).to_bytes(2, "little"), b"\xff\xff"))
    (other,) = Workspace(space.folder).dataset(query_set_now(space, query_set)).scales
    assert other.intensity == (1000.0, 2000.0) != scale.intensity


def test_a_study_with_damaged_images_says_which_and_goes_on_when_they_are_added(
    space, drawn_study, drawn, monkeypatch
):
    monkeypatch.setattr(work, "draw_map", lambda *_: None)  # takes the longest, and reads no image
    whole = bring_up_to_embed(space, drawn_study)
    sets = {one.role: one for one in space.sets(drawn_study)}
    spoilt = ["reference/neutrophil/3.png", "query/07.png", "query/11.png", "query/29.png"]
    for name in spoilt:
        flip_a_bit(stored_at(space.images, sha256((drawn / name).read_bytes()).hexdigest()))
    drop_results(space)
    with pytest.raises(StudyError) as said:
        bring_up_to(space, drawn_study, "embed", silent)
    assert str(said.value).startswith(
        "4 images are damaged on disk or missing: 07.png, 11.png, 29.png and 1 more. Add them again"
    )
    for name in spoilt:
        role, _, file = name.partition("/")
        assert space.known_files(sets[role].id)[file] == ""
        space.receive(sets[role].id, [(file, (drawn / name).read_bytes())])
    assert bring_up_to_embed(space, drawn_study) == whole


def bring_up_to_embed(space, study):
    bring_up_to(space, study, "embed", silent)
    prepared = load_prepared(space, study)
    return prepared.framing.crops["query"].variant, prepared.query.cells


def drop_results(space):
    for path in [*space.folder.rglob("*.joblib"), *(space.folder / "cache").glob("*.sqlite")]:
        path.unlink()


def test_one_image_is_named():
    assert ask_again(["a.png"]).startswith("1 image is damaged on disk or missing: a.png. Add it")
