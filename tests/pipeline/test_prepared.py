from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.data import PixelScale, pool
from celltransfer_core.encoders import BUILTIN, encoder_names, load_encoder
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.outputs import manifest
from celltransfer_core.pipeline import embedded, prepared, run
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
    monkeypatch.setattr(embedded, "encoder_names", lambda: names)
    monkeypatch.setattr(embedded, "load_encoder", lambda name: broken.get(name) or real_load(name))


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


def test_a_built_in_encoder_that_fails_takes_no_other_along(reference, query, cache, monkeypatch):
    def fail(cell):
        raise ZeroDivisionError("no paint")

    shape = load_encoder("shape")
    shape.describe = fail
    real_load = load_encoder
    monkeypatch.setattr(
        embedded, "load_encoder", lambda name: shape if name == "shape" else real_load(name)
    )
    voters = (("colour",), ("shape",), ("texture",))
    found = run(reference, query, replace(FAST, encoders=voters), cache=cache, workers=1)
    assert [failure.encoder for failure in found.failures] == ["shape"]
    assert "no paint" in found.failures[0].reason
    assert {voter.encoders for voter in found.voters} == {("colour",), ("texture",)}


@pytest.mark.usefixtures("with_broken")
@pytest.mark.parametrize("name", ["nan", "constant"])
def test_no_encoder_left(name, reference, query, store):
    with pytest.raises(EncoderError, match="No encoder could be used"):
        run(reference, query, replace(FAST, encoders=((name,),)), cache=store, workers=1)


def test_an_unknown_encoder_is_reported_at_once(reference, query, store):
    with pytest.raises(
        EncoderError, match="no encoder 'dinosaur'; installed are cell, cervix, colour"
    ):
        run(reference, query, replace(FAST, encoders=(("dinosaur",),)), cache=store)


def test_a_type_named_like_an_answer_is_refused(reference, query, store):
    named = replace(reference, labels=("unsure", *reference.labels[1:]))
    with pytest.raises(DataError, match="a type named 'unsure'"):
        run(named, query, FAST, cache=store)


def test_each_set_has_its_own_pixel_size_and_all_have_one_unit(reference, query, store):
    halves = np.arange(21), np.arange(21, len(reference))
    first, second = (reference.take_typed(cells) for cells in halves)
    extra = query.take(np.arange(10))

    def extents(sizes, query_size, extra_size=None, config=FAST):
        sets = [one.with_um_per_px(size) for one, size in zip((first, second), sizes, strict=True)]
        found = prepared.prepare(
            pool(sets, names=("first", "second")),
            query.with_um_per_px(query_size),
            replace(config, encoders=(("colour",),)),
            extras={"extra": extra.with_um_per_px(extra_size)},
            cache=store,
            workers=1,
        )
        crops = found.framing.crops
        return [crops[name].extents for name in ("reference", "query", "extra")]

    px = extents((None, None), None)
    source = np.repeat([0, 1], [len(half) for half in halves])

    def check(found, sizes, query_size, extra_size=1.0):
        np.testing.assert_allclose(found[0], px[0] * np.array(sizes)[source], rtol=1e-5)
        np.testing.assert_allclose(found[1], px[1] * query_size, rtol=1e-5)
        np.testing.assert_allclose(found[2], px[2] * extra_size, rtol=1e-5)

    check(extents((0.1, 0.2), 0.3, 0.4), (0.1, 0.2), 0.3, 0.4)
    check(extents((0.1, 0.2), 0.3), (0.1, 0.2), 0.3)
    # Where one is missing, all sizes are compared in px.
    check(extents((0.1, None), 0.3, 0.4), (1, 1), 1)
    check(extents((0.1, 0.2), None, 0.4), (1, 1), 1)
    # Numbers for all are those of the sets that have none.
    given = replace(FAST, um_per_px=(0.5, 0.6))
    check(extents((0.1, None), None, config=given), (0.1, 0.5), 0.6)
    check(extents((None, None), 0.3, config=given), (0.5, 0.5), 0.3)


def test_the_manifest_has_the_scale_of_each_source(reference, query, store):
    first = reference.take_typed(np.arange(21)).with_um_per_px(0.1)
    second = reference.take_typed(np.arange(21, len(reference)))
    deep = replace(second, scales=(PixelScale((100.0, 3000.0), 0.2),))
    found = run(pool([first, deep], names=("first", "second")), query, FAST, cache=store, workers=1)
    inputs = manifest(found)["inputs"]
    assert inputs["reference"]["scales"] == [
        {"source": "first", "cells": 21, "intensity": None, "um_per_px": 0.1},
        {"source": "second", "cells": 21, "intensity": (100.0, 3000.0), "um_per_px": 0.2},
    ]
    assert "scales" not in inputs["query"]
