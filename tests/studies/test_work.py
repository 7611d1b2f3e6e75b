import numpy as np
import pytest

from celltransfer_core.data import Dataset
from celltransfer_core.encoders import embedding
from celltransfer_core.errors import StudyError
from celltransfer_core.framing import nuclei, sets
from celltransfer_core.pipeline import layouts, shorten_hashes
from celltransfer_core.studies import (
    arrived,
    bring_up_to,
    evaluation_path,
    expected_seconds,
    load_clusters,
    load_map,
    load_named,
    load_prepared,
    load_run,
    plan_job,
    stage_keys,
    start,
    states,
    work,
)
from celltransfer_core.types import silent
from tests.studies.conftest import OPTIONS


def test_stages_follow_each_other(space, drawn_study):
    assert set(states(space, drawn_study).values()) == {"next"}
    assert load_run(space, drawn_study) is None
    bring_up_to(space, drawn_study, "clusters", silent)
    assert list(states(space, drawn_study).values()) == ["done", "done", "next", "next"]
    assert load_prepared(space, drawn_study).embeddings == {}
    shown = load_map(space, drawn_study)
    assert shown.xy.shape == (72, 2)
    assert shown.sets.count("query") == 30
    bring_up_to(space, drawn_study, "classify", silent)
    assert set(states(space, drawn_study).values()) == {"done"}
    assert len(load_run(space, drawn_study).predicted) == 30


def test_the_vote_is_counted_anew_without_work(space, drawn_study, monkeypatch):
    # Voters that differ, all of them there.
    options = {
        **OPTIONS,
        "clusters": "louvain",
        "naming": "scores",
        "mapping": "barycentric",
        "transport": "always",
    }
    space.change_options(drawn_study, **options)
    bring_up_to(space, drawn_study, "classify", silent)
    found = load_run(space, drawn_study)
    monkeypatch.setattr(work, "transfer", None)  # nothing may ask for it
    space.change_options(drawn_study, vote_weights="prior", flag_threshold=1.0)
    assert set(states(space, drawn_study).values()) == {"done"}
    bring_up_to(space, drawn_study, "classify", silent)
    other = load_run(space, drawn_study)
    assert [v.weight for v in found.voters] == [0.5, 0.0, 0.5]
    assert all(0 < v.weight < 1 for v in other.voters)
    assert (other.vote.confidence != found.vote.confidence).any()
    assert other.flagged.sum() >= found.flagged.sum()
    assert (other.config.vote_weights, other.config.flag_threshold) == ("prior", 1.0)
    measured = evaluation_path(space, drawn_study)
    space.change_options(drawn_study, vote_weights=None, flag_threshold=None)
    assert evaluation_path(space, drawn_study) != measured  # scores do depend on the weighing
    assert [v.weight for v in load_run(space, drawn_study).voters] == [0.5, 0.0, 0.5]


def test_decisions_reach_the_matches_and_the_vote(space, finished):
    named, standing = load_named(space, finished)
    assert standing == ()
    query = space.pooled(finished, "query")
    cells = [query.cells[i] for i in np.flatnonzero(named.clusters.labels == 0)]
    decision = {"cells": shorten_hashes(cells), "type": "lymphocyte", "cluster": 0}
    space.decide(finished, "match", decision, "Ann")
    named, standing = load_named(space, finished)
    assert named.matches[0].matched_type == "lymphocyte"
    assert (named.matches[0].confirmed, named.matches[0].by) == (True, "Ann")
    assert states(space, finished)["matches"] == "done"
    assert states(space, finished)["classify"] == "stale"
    bring_up_to(space, finished, "classify", silent)
    assert load_run(space, finished).matches[0].by == "Ann"
    space.undo(finished, "match", "Ann")
    assert states(space, finished)["classify"] == "done"  # as before the decision


def test_edited_clusters_are_matched_again(space, finished):
    clusters = load_clusters(space, finished)
    query = space.pooled(finished, "query")
    moved = shorten_hashes([query.cells[i] for i in np.flatnonzero(clusters.labels == 0)[:5]])
    key = stage_keys(space, finished)["clusters"]
    space.decide(finished, "cluster", {"key": key, "cells": moved, "to": None}, "Ann")
    space.decide(finished, "cluster", {"key": "of others", "cells": moved, "to": 0}, "Ann")
    edited = load_clusters(space, finished)
    assert len(edited.names) == len(clusters.names) + 1
    assert states(space, finished)["matches"] == "stale"
    bring_up_to(space, finished, "matches", silent)
    assert len(load_named(space, finished)[0].matches) == len(edited.names)


def test_work_needs_two_sets_and_two_types(space, drawn):
    study = space.create("Empty").id
    assert set(states(space, study).values()) == {"waiting"}
    with pytest.raises(StudyError, match="reference and a query"):
        start(space, study)
    for role in ("reference", "query"):
        images = space.add_set(study, role, role)
        files = sorted((drawn / role).rglob("*.png"))[:5]
        space.receive(images.id, [(f"one/{p.name}", p.read_bytes()) for p in files])
    with pytest.raises(StudyError, match="only one type"):
        bring_up_to(space, study, "embed", silent)


def test_the_map_can_be_laid_out_by_umap(space, finished):
    assert layouts() == ("t-SNE", "UMAP")
    space.change_options(finished, layout="UMAP")
    assert load_map(space, finished) is None
    assert states(space, finished)["embed"] == "done"
    bring_up_to(space, finished, "embed", silent)
    shown = load_map(space, finished)
    assert shown.layout == "UMAP"
    assert np.isfinite(shown.xy).all()
    assert shown.xy.shape == (72, 2)
    space.change_options(finished, layout=None)
    assert load_map(space, finished).layout == "t-SNE"


def phases_of(space, study, target="classify", look=len):
    """Bring a study up to a stage; list the phases in the order in which they began."""
    seen = []

    def progress(phase, done, total):
        if phase not in seen:
            seen.append(phase)
            look(phase)

    bring_up_to(space, study, target, progress)
    return seen


def test_the_map_comes_after_the_types_and_before_transport(space, drawn_study):
    space.change_options(drawn_study, transport="always")
    shown = {}

    def look(phase):
        if phase == "drawing the map" or phase.startswith("aligning"):
            shown[phase.split(" ")[0]] = arrived(space, drawn_study)

    order = phases_of(space, drawn_study, look=look)
    kinds = [phase.split(" ")[0] for phase in order if not phase.startswith("embedding")]
    before = ["framing", "colour", "trying", "clusters", "matches", "vote"]
    assert kinds == [*before, "drawing", "aligning"]
    typed = {"embed", "clusters", "matches", "unaligned"}
    assert shown == {"drawing": typed, "aligning": typed | {"map"}}
    assert arrived(space, drawn_study) == typed | {"map", "classify"}


def test_stages_are_done_before_their_map(space, drawn_study):
    def look(phase):
        if phase == "drawing the map":
            assert set(states(space, drawn_study).values()) == {"done"}
            assert load_map(space, drawn_study) is None
            assert load_run(space, drawn_study) is not None

    assert phases_of(space, drawn_study, look=look)[-1] == "drawing the map"
    assert load_map(space, drawn_study) is not None


def test_a_later_job_reads_no_image_again(space, drawn_study, monkeypatch):
    first = phases_of(space, drawn_study, "clusters")
    assert {"framing", "colour"} <= {*first}

    def refuse(*_, **__):
        raise AssertionError("an image is read again")

    monkeypatch.setattr(Dataset, "read", refuse)
    for module in (nuclei, sets, embedding):
        monkeypatch.setattr(module, "run_tasks", refuse)
    monkeypatch.setattr(work, "prepare", refuse)
    assert phases_of(space, drawn_study) == ["matches", "vote"]
    assert len(load_run(space, drawn_study).predicted) == 30


def test_rows_that_the_cache_lost_are_made_again(space, drawn_study):
    bring_up_to(space, drawn_study, "matches", silent)
    for table in space.cache.folder.glob("embedding_*"):
        table.unlink()
    later = phases_of(space, drawn_study)
    assert "vote" in later
    assert any(phase.startswith("embedding") for phase in later)


def test_settings_that_came_after_the_embedding_count(space, drawn_study):
    bring_up_to(space, drawn_study, "embed", silent)
    space.change_options(drawn_study, clusters="louvain", subset_size=20)
    bring_up_to(space, drawn_study, "classify", silent)
    found = load_run(space, drawn_study)
    assert (found.config.clusters, found.clusters.method) == ("louvain", "louvain")
    assert found.parts == 2


def test_a_plan_names_the_phases_that_come(space, drawn_study):
    def planned(target="classify"):
        return [phase.name for phase in plan_job(space, drawn_study, target)]

    def came(target="classify"):
        return ["reading", *phases_of(space, drawn_study, target)]

    assert planned("clusters") == (plan := planned())[: plan.index("matches")] + plan[-1:]
    assert planned("check")[-1] == "checking the reference"
    assert all(phase.seconds > 0 for phase in plan_job(space, drawn_study, "classify"))
    whole = expected_seconds(space, drawn_study)
    assert planned("matches") == came("matches")
    assert planned() == ["reading", "vote", "drawing the map"] == came()
    assert expected_seconds(space, drawn_study) < whole / 2
    assert planned() == ["reading"]
    assert planned("evaluate") == ["reading", "evaluate", "identify shared types", "reader"]
    space.change_options(drawn_study, transport="always")
    assert planned("batch")[0] == "reading"  # without the transport, which has no reference there
    space.change_options(drawn_study, layout="UMAP")
    assert planned() == ["reading", "vote", "drawing the map", "aligning shape+colour"] == came()
