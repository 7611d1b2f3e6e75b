import numpy as np
import pytest
from sqlalchemy import update

from celltransfer_core.errors import StudyError
from celltransfer_core.studies import Workspace
from celltransfer_core.studies.database import FileRow
from tests.data.encoded import tiff

AXES = {"imagej": True, "metadata": {"axes": "CYX"}}


@pytest.fixture
def four(space, query_set):
    """A query of files with four channels."""
    values = np.arange(4 * 16 * 16, dtype=np.uint16).reshape(4, 16, 16)
    files = [(f"{n}.tif", tiff(values + n, **AXES)) for n in range(3)]
    assert space.receive(query_set.id, files).taken == 3
    return space.image_set(query_set.id)


def test_images_of_a_set_wait_until_channels_are_chosen(space, four):
    waiting = space.dataset(four)
    assert (len(waiting), waiting.channel_counts) == (0, ((4, 3),))
    space.change_set(four.id, channels="4,1,2")
    chosen = space.image_set(four.id)
    assert chosen.revision != four.revision  # its cells are other pictures
    shown = space.dataset(chosen)
    assert [scale.channels for scale in shown.scales] == [(4, 1, 2)]
    assert len(shown) == 3
    assert shown.read(0).shape == (16, 16, 3)
    space.change_set(four.id, channels="4,1,2")
    assert space.image_set(four.id).revision == chosen.revision
    space.change_set(four.id, channels="")
    assert len(space.dataset(space.image_set(four.id))) == 0


@pytest.mark.parametrize("channels", ["0", "1,2", "x"])
def test_what_is_no_choice_is_refused(space, four, channels):
    with pytest.raises(StudyError, match="channel"):
        space.change_set(four.id, channels=channels)


def test_files_that_an_earlier_version_checked_are_looked_at_again(space, query_set, four):
    floats = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    space.receive(query_set.id, [("float.tif", tiff(floats))])
    earlier = {"numbers": None, "reach": None, "channels": None, "note": None, "pages": 1}
    with space._engine.begin() as connection:
        connection.execute(update(FileRow.__table__).values(**earlier, deep=False))
    found = Workspace(space.folder, space.url).dataset(space.image_set(four.id))
    assert found.files == ("float.tif",)
    assert found.channel_counts == ((4, 3),)
    assert (found.scales[0].numbers, found.scales[0].intensity) == ("float", (0.0, 1.0))
