"""A workspace that release 0.1.0 made opens with all decisions; its results are computed anew."""

import zipfile
from pathlib import Path

import pytest

from celltransfer_core.errors import StudyError
from celltransfer_core.studies import (
    Workspace,
    bring_up_to,
    has_result,
    load_clusters,
    load_current,
    load_evaluation,
    load_map,
    load_named,
    load_prepared,
    load_result,
    load_run,
    states,
    study_config,
)
from celltransfer_core.types import silent

ARCHIVE = Path(__file__).parents[1] / "data" / "workspace-0.1.0.zip"
LOADERS = (
    load_prepared,
    load_map,
    load_clusters,
    load_named,
    load_run,
    load_current,
    load_evaluation,
)


@pytest.fixture
def earlier(tmp_path):
    folder = tmp_path / "workspace"
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return Workspace(folder)


@pytest.fixture
def kept(earlier):
    return next(study for study in earlier.studies() if study.name == "Kept from 0.1.0")


@pytest.fixture
def signed(earlier):
    return next(study for study in earlier.studies() if study.name == "Signed in 0.1.0")


def test_options_mapping_and_images_are_there(earlier, kept):
    assert len(earlier.studies()) == 2
    assert kept.options == {"encoders": [["colour", "shape"], ["colour"]], "seed": 1} | {
        "keep": ["monocyte"]
    }
    config = study_config(earlier, kept)
    assert config.encoders == (("colour", "shape"), ("colour",))
    assert (config.seed, config.keep) == (1, ("monocyte",))
    earlier.decide(kept.id, "keep", {"type": "monocyte", "kept": False}, "Ann")
    assert study_config(earlier, kept).keep == ()
    earlier.undo(kept.id, "keep", "Ann")
    assert study_config(earlier, kept).keep == ("monocyte",)
    reference, query = (earlier.pooled(kept.id, role) for role in ("reference", "query"))
    assert earlier.sets(kept.id, "reference")[0].mapping == {"basophil": ""}
    assert "basophil" not in reference.cell_labels
    assert query.n_cells == 30
    assert query.read(0).ndim == 3


def test_decisions_stand_with_who_and_when(earlier, kept):
    (match,) = earlier.decisions(kept.id, "match")  # Bob's was undone
    assert (match.who, match.payload["type"]) == ("Ann", "neutrophil")
    assert match.at.startswith("20")
    reviews = earlier.decisions(kept.id, "review")
    assert len(reviews) == 6
    assert {review.who for review in reviews} == {"Ann"}
    assert reviews[0].payload["answer"] == "unsure"
    assert [review.payload["blind"] for review in reviews] == [True] * 4 + [False] * 2


def test_a_signature_holds(earlier, signed):
    assert signed.signed_by == "Ann"
    assert signed.signed
    with pytest.raises(StudyError, match="signed off by Ann"):
        earlier.decide(signed.id, "match", {}, "Bob")
    assert len(earlier.decisions(signed.id)) == 7


def test_no_result_is_taken_for_one_of_today(earlier, kept, signed):
    results = sorted((earlier.folder / "results").rglob("*.joblib"))
    assert len(results) == 10
    for path in results:  # whether its classes are still there or not, no error comes of it
        assert has_result(path) == (load_result(path) is not None)
    assert not any(has_result(path) for path in results if path.name.startswith("classify"))
    for study in (kept, signed):
        for read in (True, False):
            assert set(states(earlier, study.id, read=read).values()) == {"stale"}
        for load in LOADERS:
            assert load(earlier, study.id) is None
        assert load_run(earlier, study.id, stale=True) is None


def test_a_copied_study_can_be_worked_on(earlier, signed):
    copied = earlier.duplicate(signed.id, "Copy")
    assert len(earlier.decisions(copied.id)) == 7
    assert set(states(earlier, copied.id).values()) == {"stale"}


def test_results_are_computed_anew_and_decisions_count_again(earlier, kept):
    bring_up_to(earlier, kept.id, "classify", silent)
    assert set(states(earlier, kept.id).values()) == {"done"}
    named, standing = load_named(earlier, kept.id)
    (confirmed,) = (match for match in named.matches if match.confirmed)
    assert (confirmed.matched_type, confirmed.by) == ("neutrophil", "Ann")
    (decision,) = earlier.decisions(kept.id, "match")
    assert [one.at for one in standing] == [decision.at]
    current = load_current(earlier, kept.id)
    assert current.fresh
    assert len(current.reviews) == 6
    typed = dict(current.run.updated.annotations.cells)
    names = {current.run.query.cells[cell]: name for cell, name in typed.items()}
    answers = {review.cell: review.answer for review in current.reviews}
    assert names == {cell: name for cell, name in answers.items() if name != "unsure"}
