import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from celltransfer_core.data import check_image, count_unseen, find_shared
from celltransfer_core.demo import draw_cell
from celltransfer_core.studies import Workspace

ARCHIVE = Path(__file__).parents[1] / "data" / "workspace-0.1.0.zip"


def cell(seed):
    file = io.BytesIO()
    Image.fromarray(draw_cell("monocyte", np.random.default_rng(seed))).save(file, "PNG")
    return file.getvalue()


def test_what_images_look_like_is_kept_with_their_files(tmp_path):
    space = Workspace(tmp_path)
    study = space.create("Cells").id
    one = space.add_set(study, "query", "query")
    images = [cell(seed) for seed in range(3)]
    space.receive(one.id, [(f"{n}.png", data) for n, data in enumerate(images)])
    dataset = Workspace(tmp_path).pooled(study, "query")
    assert sorted(dataset.looks.values()) == sorted(check_image(data).look for data in images)
    assert count_unseen(dataset) == 0


def test_a_workspace_without_looks_opens_and_its_cells_count_as_not_looked_at(tmp_path):
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path / "workspace")
    space = Workspace(tmp_path / "workspace")
    for study in space.studies():
        sets = [space.pooled(study.id, role) for role in ("reference", "query")]
        assert [count_unseen(one) for one in sets] == [one.n_cells for one in sets]
        assert len(find_shared(*sets)) == 0
