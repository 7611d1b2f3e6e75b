import copy
from dataclasses import replace
from hashlib import sha256

import joblib
import numpy as np
import pytest

from celltransfer_core.config import Config
from celltransfer_core.errors import EncoderError, OutputError
from celltransfer_core.pipeline import Clusters, prepare
from celltransfer_core.runtime import Cache
from celltransfer_core.runtime.checked import save_checked
from celltransfer_core.studies import (
    bring_up_to,
    embeddings_read,
    has_result,
    load_clusters,
    load_current,
    load_map,
    load_named,
    load_prepared,
    load_result,
    load_run,
    query_embeddings,
    save_result,
    stage_keys,
    states,
    work,
)
from celltransfer_core.types import silent


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def spoilt_by(pickled):
    """Write a pickle that is whole, but cannot be read."""
    return lambda path: path.write_bytes(sha256(pickled).digest() + pickled)


SPOILT = {
    "truncated": cut_short,
    "damaged": damage,
    "a flipped bit": flip_a_bit,
    "of an earlier version": lambda path: joblib.dump(np.zeros(500), path),
    "empty": lambda path: path.write_bytes(b""),
    "no pickle": spoilt_by(b"no pickle"),
    "module gone": spoilt_by(b"cceltransfer_core.gone\nClusters\n."),
    "class gone": spoilt_by(b"cceltransfer_core.types\nGone\n."),
    "attribute gone": spoilt_by(b"cnumpy\ngone.ndarray\n."),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "not there": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_result_that_cannot_be_read_is_not_there(tmp_path, how):
    path = tmp_path / "clusters-1.joblib"
    save_result(path, np.random.default_rng(0).normal(size=500))
    assert has_result(path)
    assert load_result(path).shape == (500,)
    SPOILT[how](path)
    assert load_result(path) is None
    assert not has_result(path)


def test_a_result_of_a_class_with_fewer_fields_is_not_there(tmp_path):
    found = Clusters("louvain", *np.zeros((3, 2)), np.arange(2), 0.1)
    old = copy.copy(found)
    del old.__dict__["density"]
    for name, result in (("itself", old), ("tuple", (old,)), ("mapping", {"query": (old,)})):
        path = tmp_path / f"{name}.joblib"
        save_checked(path, result)
        assert load_result(path) is None
        assert not has_result(path)
    save_result(path, (found,))
    assert has_result(path)


STAGES = {
    "embed": (load_prepared, []),
    "map": (load_map, []),
    "clusters": (load_clusters, ["embed"]),
    "matches": (load_named, ["embed", "clusters"]),
    "classify": (load_run, ["embed", "clusters", "matches"]),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_spoilt_result_is_computed_anew(space, finished, stage, monkeypatch):
    load, done = STAGES[stage]
    assert load(space, finished) is not None
    before = load_run(space, finished)
    key = stage_keys(space, finished)["embed" if stage == "map" else stage]
    path = space.result_path(finished, stage, key)
    cut_short(path)
    assert load(space, finished) is None
    load_current(space, finished)
    load_run(space, finished, stale=True)
    assert [name for name, state in states(space, finished).items() if state == "done"] == done
    assert set(states(space, finished, read=False).values()) == {"done"}
    if stage != "classify":  # what is whole is not computed again
        monkeypatch.setattr(work, "transfer", None)
    bring_up_to(space, finished, "classify", silent)
    assert load(space, finished) is not None
    assert set(states(space, finished).values()) == {"done"}
    assert load_run(space, finished).predicted == before.predicted


def test_a_result_is_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(TypeError):
        save_result(tmp_path / "a.joblib", (number for number in range(3)))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_result(tmp_path / "file" / "a.joblib", 1)


def test_embeddings_of_a_finished_study_are_read_back(reference, query, cache):
    config = Config(encoders=(("shape", "colour"),))
    prepared = prepare(reference, query, config, cache=cache, workers=1)
    expected = prepared.cluster_features
    without = replace(prepared, embeddings={})
    np.testing.assert_array_equal(query_embeddings(without, cache), expected)


def test_no_page_runs_a_model(reference, query, tmp_path, monkeypatch):
    config = Config(encoders=(("colour",),))
    prepared = prepare(reference, query, config, cache=Cache(tmp_path / "a"), workers=1)
    without = replace(prepared, embeddings={})

    def refuse(*_):
        raise AssertionError("a model was loaded here")

    monkeypatch.setattr(embeddings_read, "load_encoder", refuse)
    elsewhere = Cache(tmp_path / "b")  # nothing is kept: a process apart makes them again
    found = query_embeddings(without, elsewhere)
    np.testing.assert_array_equal(found, prepared.cluster_features)
    monkeypatch.setattr(embeddings_read, "run_apart", lambda *_, **__: None)
    other = replace(prepared.encoders[0], version="of another file")
    with pytest.raises(EncoderError, match="the encoder has changed"):
        query_embeddings(replace(without, encoders=(other,)), elsewhere)
