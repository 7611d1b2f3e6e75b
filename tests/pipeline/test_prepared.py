from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.encoders import BUILTIN, encoder_names, load_encoder
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.outputs import manifest
from celltransfer_core.pipeline import prepared, run
from tests.pipeline.samples import FAST


class Broken:
    """An encoder that gives one value."""

    in_workers = False
    batch = 1

    def __init__(self, name, value):
        self.spec = replace(BUILTIN[0], id=name, dim=2)
        self.value = value

    def encode(self, images, extents):
        return np.full((len(images), 2), self.value)


@pytest.fixture
def with_broken(monkeypatch):
    """Let encoders ``nan`` and ``constant`` stand beside the built-in ones."""
    real_load = load_encoder
    broken = {"nan": Broken("nan", np.nan), "constant": Broken("constant", 3.0)}
    names = (*encoder_names(), *broken)
    monkeypatch.setattr(prepared, "encoder_names", lambda: names)
    monkeypatch.setattr(prepared, "load_encoder", lambda name: broken.get(name) or real_load(name))


@pytest.mark.usefixtures("with_broken")
def test_one_encoder_of_five_fails_and_the_others_go_on(reference, query, store):
    voters = (
        ("colour",),
        ("texture",),
        ("shape",),
        ("nan",),
        ("colour", "shape"),
        ("nan", "shape"),
    )
    found = run(reference, query, replace(FAST, encoders=voters), cache=store, workers=1)
    assert [failure.encoder for failure in found.failures] == ["nan"]
    assert {voter.encoders for voter in found.voters} == {v for v in voters if "nan" not in v}
    assert "NaN" in manifest(found)["failures"][0]["reason"]


@pytest.mark.usefixtures("with_broken")
@pytest.mark.parametrize("name", ["nan", "constant"])
def test_no_encoder_left(name, reference, query, store):
    with pytest.raises(EncoderError, match="No encoder could be used"):
        run(reference, query, replace(FAST, encoders=((name,),)), cache=store, workers=1)


def test_an_unknown_encoder_is_reported_at_once(reference, query, store):
    with pytest.raises(EncoderError, match="no encoder 'dinosaur'; there are cell, colour"):
        run(reference, query, replace(FAST, encoders=(("dinosaur",),)), cache=store)


def test_a_type_named_like_an_answer_is_refused(reference, query, store):
    named = replace(reference, labels=("unsure", *reference.labels[1:]))
    with pytest.raises(DataError, match="a type named 'unsure'"):
        run(named, query, FAST, cache=store)
