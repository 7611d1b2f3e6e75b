"""Make the small workspace that later versions are to open.

The version that it is to be of runs ``python tests/data/make_workspace.py`` once. No results are in
it: those of an earlier version are computed anew.
"""

import io
import sqlite3
import sys
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from celltransfer_core.about import __version__
from celltransfer_core.demo import REFERENCE_STYLE, draw_cell
from celltransfer_core.studies import Workspace

DATABASE = "studies.sqlite"


def pictures(rng, names):
    """Draw cells; give the name and the bytes of each."""
    for name in names:
        file = io.BytesIO()
        cell = draw_cell(Path(name).parent.name or "lymphocyte", rng, REFERENCE_STYLE)
        Image.fromarray(cell).resize((32, 32)).save(file, "PNG")
        yield name, file.getvalue()


def fill(space):
    """Do in a workspace what people do."""
    rng = np.random.default_rng(0)
    kept = space.create(f"Kept from {__version__}").id
    reference = space.add_set(kept, "reference", "Known types").id
    query = space.add_set(kept, "query", "New slides").id
    types = ("eosinophil", "neutrophil")
    cells = [f"{name}/{number}.png" for name in types for number in range(2)]
    space.receive(reference, [*pictures(rng, cells), ("notes.txt", b"no image")])
    table = ("metadata.csv", b"file,slide\n0.png,a\n1.png,b\n")
    space.receive(query, [*pictures(rng, ["0.png", "1.png"]), table])
    space.change_set(reference, mapping={"eosinophil": ""}, um_per_px=0.25)
    space.change_options(kept, encoders=[["colour"]], seed=1)
    space.decide(kept, "match", {"cluster": "1", "type": "neutrophil"}, "Ann")
    space.decide(kept, "match", {"cluster": "1", "type": "eosinophil"}, "Bob")
    space.undo(kept, "match", "Bob")
    space.decide(kept, "review", {"cell": "0.png", "answer": "unsure"}, "Ann")
    space.take(kept, "Ann", ["0.png", "1.png"], 1)
    job = space.add_job(kept, "embed", "an owner")
    space.end_job(job, "failed", "for this workspace")
    space.sign(space.duplicate(kept, f"Signed in {__version__}").id, "Ann")
    space.delete(space.create("Gone").id)
    space.sweep(who="Ann")


def pack(folder, place):
    """Put a workspace's database and images into an archive."""
    copy = folder / "copy"
    with (
        closing(sqlite3.connect(folder / DATABASE)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(copy, DATABASE)
        for path in sorted((folder / "images").rglob("*")):
            archive.write(path, path.relative_to(folder))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        fill(Workspace(home, f"sqlite:///{home / DATABASE}"))
        pack(home, Path(__file__).with_name(f"workspace-{__version__}.zip"))
