import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from celltransfer_core.data import Dataset, resize
from celltransfer_core.encoders import BATCH_SIZE, BUILTIN, embed, embed_together, load_encoder
from celltransfer_core.errors import CellTransferError, EncoderError, ImageError
from celltransfer_core.framing import Crops
from celltransfer_core.runtime import Cache


class Counting:
    """An encoder that counts images and fails when told to."""

    in_workers = False
    batch = 1

    def __init__(self, fail_at=None, rows=None):
        self.spec = replace(BUILTIN[0], id="counting", dim=3)
        self.seen = 0
        self.fail_at = fail_at
        self.rows = rows

    def encode(self, images, extents):
        if self.fail_at is not None and self.seen >= self.fail_at:
            raise RuntimeError("out of paint")
        self.seen += len(images)
        if self.rows is not None:
            return self.rows(len(images))
        return np.array([image.mean(axis=(0, 1)) for image in images])


@pytest.fixture
def crops(reference):
    return Crops(reference)


def test_rows_are_those_of_the_cells(crops, cache):
    rows = embed(crops, Counting(), cache)
    seen = resize(crops[5], 96)
    np.testing.assert_allclose(rows[5], seen.mean(axis=(0, 1)), rtol=1e-6)
    assert rows.shape == (len(crops), 3)


def test_nothing_is_embedded_twice(crops, cache):
    first = embed(crops, Counting(), cache)
    again = Counting()
    np.testing.assert_array_equal(embed(crops, again, cache), first)
    assert again.seen == 0
    other = Counting()
    other.spec = replace(other.spec, version="another")
    embed(crops, other, cache)
    assert other.seen == len(crops)


def test_an_interrupted_embedding_goes_on(crops, cache):
    assert len(crops) > BATCH_SIZE
    with pytest.raises(EncoderError, match="counting failed"):
        embed(crops, Counting(fail_at=BATCH_SIZE), cache)
    rest = Counting()
    rows = embed(crops, rest, cache)
    assert rest.seen == len(crops) - BATCH_SIZE
    np.testing.assert_allclose(rows[0], resize(crops[0], 96).mean(axis=(0, 1)), rtol=1e-6)


def test_batches_may_be_smaller_and_rows_stay_the_same(crops, cache, tmp_path):
    rows = embed(crops, Counting(), cache, batch_size=5)
    other = Cache(tmp_path / "other")
    with pytest.raises(EncoderError):
        embed(crops, Counting(fail_at=10), other, batch_size=5)
    rest = Counting()
    resumed = embed(crops, rest, other, batch_size=7)
    assert rest.seen == len(crops) - 10
    np.testing.assert_array_equal(resumed, rows)


def test_control_c_keeps_what_was_done_and_is_no_fault_of_the_encoder(crops, cache):
    def stop(stage, done, total):
        if done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(crops, Counting(), cache, batch_size=5, progress=stop)
    rest = Counting()
    embed(crops, rest, cache)
    assert rest.seen == len(crops) - 10


class FailsInWorkers(Counting):
    in_workers = True
    batch = 1

    def encode(self, images, extents):
        raise ZeroDivisionError("no paint")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_in_a_worker_names_the_encoder_and_keeps_its_cause(crops, cache, workers):
    with pytest.raises(EncoderError, match="counting failed") as caught:
        embed(crops, FailsInWorkers(), cache, batch_size=5, workers=workers)
    assert "no paint" in str(caught.value.__cause__)


def test_rows_that_are_unusable_are_not_kept(crops, cache):
    with pytest.raises(EncoderError):
        embed(crops, Counting(rows=lambda n: np.full((n, 3), np.nan)), cache)
    rest = Counting()
    assert np.isfinite(embed(crops, rest, cache)).all()
    assert rest.seen == len(crops)


def test_progress_counts_what_was_there(crops, cache):
    seen = []
    embed(crops, Counting(), cache, progress=lambda *report: seen.append(report))
    assert seen[0] == ("embedding counting", 0, len(crops))
    assert seen[-1] == ("embedding counting", len(crops), len(crops))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda n: np.zeros((n, 2)), "shape"),
        (lambda n: np.zeros((n + 1, 3)), "shape"),
        (lambda n: np.full((n, 3), np.nan), "NaN or infinite"),
        (lambda n: np.full((n, 3), np.inf), "NaN or infinite"),
        (lambda n: np.full((n, 3), 4.0), "the same embedding"),
    ],
)
def test_unusable_embeddings_name_the_encoder(crops, cache, rows, message):
    with pytest.raises(EncoderError, match=message) as caught:
        embed(crops, Counting(rows=rows), cache)
    assert "counting" in str(caught.value)


def test_worker_processes_give_the_same_rows(crops, cache, tmp_path):
    encoder = load_encoder("shape")
    alone = embed(crops, encoder, cache, workers=1)
    together = embed(crops, encoder, Cache(tmp_path / "other"), workers=2)
    np.testing.assert_array_equal(alone, together)


def test_built_in_encoders_share_what_they_read(crops, cache, tmp_path, monkeypatch):
    encoders = [load_encoder(name) for name in ("colour", "texture", "shape")]
    alone = [embed(crops, encoder, cache, workers=1) for encoder in encoders]
    read, reading = [], Dataset.read
    monkeypatch.setattr(Dataset, "read", lambda self, cell: read.append(1) or reading(self, cell))
    other = Cache(tmp_path / "other")
    embed(crops, encoders[0], other, batch_size=10, workers=1)  # some may be there already
    del read[:]
    together = embed_together(crops, encoders, other, workers=1)
    assert len(read) == len(crops)
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(found, expected)
    del read[:]
    assert all(
        (embed(crops, encoder, other, workers=1) == rows).all()
        for encoder, rows in zip(encoders, alone, strict=True)
    )
    assert read == []


def test_a_file_that_vanishes_is_no_fault_of_the_encoder(tmp_path, rng, cache):
    from PIL import Image

    from celltransfer_core.data import read_dataset

    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    dataset = read_dataset(tmp_path)
    dataset.path(1).unlink()
    with pytest.raises(ImageError, match="can no longer be read"):
        embed(Crops(dataset), Counting(), cache)
    assert issubclass(ImageError, CellTransferError)


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from celltransfer_core.data import read_dataset
from celltransfer_core.encoders import embed
from celltransfer_core.framing import Crops
from celltransfer_core.runtime import Cache
sys.path.insert(0, {tests!r})
from test_embedding import Counting

class Killed(Counting):
    def encode(self, images, extents):
        if self.seen:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(images, extents)

embed(Crops(read_dataset({reference!r}, workers=1)), Killed(), Cache(Path({cache!r})))
"""


def test_kill_9_loses_only_the_batch_under_way(reference, cache, crops):
    script = KILLED.format(
        tests=str(Path(__file__).parent), reference=str(reference.root), cache=str(cache.folder)
    )
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    rest = Counting()
    embed(crops, rest, cache)
    assert rest.seen == len(crops) - BATCH_SIZE
