from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.config import DEFAULT
from celltransfer_core.data import PixelScale
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.matching import Confirmation
from celltransfer_core.people import Review
from celltransfer_core.pipeline import FLAGGED_BELOW, CellClassifier, run


@pytest.fixture(scope="module")
def model(result):
    return CellClassifier(workers=1).fit(result)


def test_it_agrees_with_the_run_that_taught_it(model, result, query):
    assert np.mean(model.predict(query) == np.array(result.predicted)) >= 0.95
    assert model.classes_.tolist() == sorted(model.classes_.tolist())
    assert model.taught_["agreement"] >= 0.9


def test_features_of_single_cells_are_those_of_the_run(result, query, store):
    """Centring and scaling are folded into the matrices: nothing depends on the batch."""
    model = CellClassifier(workers=1).fit(result)
    whole = model.predict_proba(query)
    some = query.take(np.array([3, 17]))
    assert np.allclose(model.predict_proba(some), whole[[3, 17]], atol=1e-9)


def test_images_and_folders_are_typed_like_data_sets(model, query, drawn):
    whole = model.predict_proba(query)
    assert (model.predict_proba(drawn / "query") == whole).all()
    cells = [5, 0, 5]
    assert np.allclose(model.predict_proba([query.read(cell) for cell in cells]), whole[cells])


@pytest.mark.parametrize(
    "options",
    [
        {"features": "raw", "framing": "none", "colour": "none"},
        {"encoders": (("shape",),), "colour": "lab"},
    ],
)
def test_every_setting_of_a_run_is_followed(options, reference, query, store):
    config = replace(DEFAULT, encoders=(("shape", "colour"),), alignment="none")
    found = run(reference, query, replace(config, **options), cache=store, workers=1)
    model = CellClassifier(workers=1).fit(found)
    assert np.mean(model.predict(query) == np.array(found.predicted)) >= 0.95
    rows = found.features[:, : sum(len(block.mean) for block in found.blocks)]
    odds = rows.astype(np.float64) @ np.concatenate(
        [w / b.scale for w, b in zip(model.weights_, found.blocks, strict=True)]
    )
    own = odds - odds.mean(axis=0)
    again = np.log(np.maximum(model.predict_proba(query), 1e-300))
    again -= again[:, :1]
    own = own - own[:, :1]
    shift = (again - own)[np.abs(again).max(axis=1) < 50]
    assert np.ptp(shift, axis=0).max() < 0.01


def test_words_of_people_are_what_is_learned(reference, query, store, result):
    cells, clusters = query.cells, result.clusters
    typed = [Review(cells[n], "odd", "Dr. Ann", "2026-01-01T00:00", blind=False) for n in (0, 1)]
    typed.append(Review(cells[2], "artefact", "Dr. Ann", "2026-01-01T00:00", blind=False))
    none = Confirmation(int(clusters.names[0]), "none")
    found = run(
        reference,
        query,
        result.config,
        clusters=clusters,
        confirmations=[none],
        reviews=typed,
        cache=store,
        workers=1,
    )
    model = CellClassifier(workers=1).fit(found, typed)
    assert "odd" in model.classes_
    taught = sum(model.taught_["query"]["types"].values())
    rest = np.flatnonzero(clusters.labels != 0)
    assert taught == len({*rest.tolist(), 0, 1} - {2})
    assert model.taught_["answers"] == 2


def test_what_another_machine_lacks_is_told(model, query, monkeypatch):
    where = "celltransfer_core.encoders.references.encoder_names"
    monkeypatch.setattr(where, lambda: ())
    with pytest.raises(EncoderError, match=r"needs the encoder .* There is no encoder"):
        model.predict(query)
    monkeypatch.undo()
    other = CellClassifier(workers=1)
    vars(other).update(vars(model))
    other.encoders_ = (replace(model.encoders_[0], version="0", fingerprint="0"),)
    with pytest.raises(EncoderError, match="is not the one the classifier was trained with"):
        other.predict(query)


def test_images_of_another_kind_are_refused(model, query):
    deep = replace(query, scales=(PixelScale((0, 4095), numbers="16 bit"),))
    with pytest.raises(
        DataError, match=r"pixel format 16 bit; the classifier was trained on 8 bit"
    ):
        model.predict(deep)


def test_sizes_in_um_are_asked_for(reference, query, store):
    config = replace(DEFAULT, encoders=(("shape",),), um_per_px=(0.2, 0.1), alignment="none")
    found = run(reference, query, config, cache=store, workers=1)
    model = CellClassifier(workers=1).fit(found)
    assert model.view_.in_um
    with pytest.raises(DataError, match="--um-per-px"):
        model.predict(query)
    agreed = model.predict(query.with_um_per_px(0.1)) == np.array(found.predicted)
    assert np.mean(agreed) >= 0.95


def test_a_result_of_an_earlier_version_says_so(result):
    with pytest.raises(DataError, match="earlier version"):
        CellClassifier().fit(replace(result, blocks=None))


def test_a_batch_is_typed_as_its_cells_are(model, query):
    batch = model.type_batch(query)
    assert batch.predicted == tuple(model.predict(query).tolist())
    assert (batch.probabilities == model.predict_proba(query)).all()
    assert np.mean(batch.unknown) < 0.1
    doubtful = batch.confidence < FLAGGED_BELOW
    assert (batch.flagged == (doubtful | batch.unknown)).all()


def test_other_slides_are_told_by_their_drift(model, query, reference):
    assert set(model.usual_) == {"stain", "light", "proportions", "unknown cells"}
    assert not [one for one in model.type_batch(query).drift if one.drifted]
    other = model.type_batch(replace(reference, labels=None))  # another laboratory's
    assert {"stain", "light"} & {one.figure for one in other.drift if one.drifted}


def test_a_field_that_the_run_found_better_is_followed(reference, query, store, result):
    wide = replace(result.config, framing="wide")
    found = run(reference, query, wide, cache=store, workers=1)
    model = CellClassifier(workers=1).fit(found)
    assert model.view_.field > CellClassifier(workers=1).fit(result).view_.field
    assert np.mean(model.predict(query) == np.array(found.predicted)) >= 0.95
