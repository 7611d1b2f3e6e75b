import os
import signal
import time

import numpy as np
import pytest

from celltransfer_core.errors import OutputError, StudyError
from celltransfer_core.pipeline import layouts, maps, short
from celltransfer_core.studies import (
    Workspace,
    bring_up_to,
    cancel,
    current_job,
    evaluation_path,
    layout_of,
    load_clusters,
    load_map,
    load_named,
    load_prepared,
    load_run,
    run_job,
    save_result,
    stage_keys,
    start,
    states,
    work,
)
from celltransfer_core.types import silent

OPTIONS = {"encoders": [["shape", "colour"]], "draws": 1}


@pytest.fixture
def space(home):
    return Workspace()


@pytest.fixture
def study(space, drawn):
    made = space.create("Drawn")
    for role in ("reference", "query"):
        images = space.add_set(made.id, role, role)
        folder = drawn / role
        files = sorted(path for path in folder.rglob("*.png"))
        space.receive(images.id, [(str(p.relative_to(folder)), p.read_bytes()) for p in files])
    space.set_options(made.id, OPTIONS)
    return made.id


def wait(space, study, until):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        job = current_job(space, study)
        if until(job):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def test_stages_follow_each_other(space, study):
    assert set(states(space, study).values()) == {"next"}
    assert load_run(space, study) is None
    bring_up_to(space, study, "clusters", silent)
    assert list(states(space, study).values()) == ["done", "done", "next", "next"]
    assert load_prepared(space, study).embeddings == {}
    shown = load_map(space, study)
    assert shown.xy.shape == (72, 2)
    assert shown.sets.count("query") == 30
    bring_up_to(space, study, "classify", silent)
    assert set(states(space, study).values()) == {"done"}
    assert len(load_run(space, study).predicted) == 30


def test_settings_make_only_what_depends_on_them_stale(space, study):
    bring_up_to(space, study, "classify", silent)
    space.set_options(study, {**OPTIONS, "alignment": "none"})
    assert list(states(space, study).values()) == ["done", "done", "done", "stale"]
    assert load_run(space, study) is None
    assert load_run(space, study, stale=True).config.alignment == "fgw"
    space.set_options(study, {**OPTIONS, "resolution": 1.0})
    assert list(states(space, study).values()) == ["done", "stale", "stale", "stale"]
    space.set_options(study, OPTIONS)
    assert set(states(space, study).values()) == {"done"}
    images = space.sets(study, "reference")[0]
    space.change_set(images.id, mapping={"eosinophil": "granulocyte"})
    assert set(states(space, study).values()) == {"stale"}


def test_the_vote_is_counted_anew_without_work(space, study, monkeypatch):
    options = {**OPTIONS, "clusters": "louvain", "mapping": "barycentric"}  # voters differ
    space.set_options(study, options)
    bring_up_to(space, study, "classify", silent)
    found = load_run(space, study)
    monkeypatch.setattr(work, "transfer", None)  # nothing may ask for it
    space.set_options(study, {**options, "vote_weights": "prior", "flag_threshold": 1.0})
    assert set(states(space, study).values()) == {"done"}
    bring_up_to(space, study, "classify", silent)
    other = load_run(space, study)
    assert [v.weight for v in found.voters] == [1.0, 0.0]
    assert all(0 < v.weight < 1 for v in other.voters)
    assert (other.vote.confidence != found.vote.confidence).any()
    assert other.flagged.sum() >= found.flagged.sum()
    assert (other.config.vote_weights, other.config.flag_threshold) == ("prior", 1.0)
    measured = evaluation_path(space, study)
    space.set_options(study, options)
    assert evaluation_path(space, study) != measured  # scores do depend on the weighing
    assert [v.weight for v in load_run(space, study).voters] == [1.0, 0.0]


def test_words_reach_the_matches_and_the_vote(space, study):
    bring_up_to(space, study, "classify", silent)
    named, standing = load_named(space, study)
    assert standing == ()
    query = space.pooled(study, "query")
    cells = [query.cells[i] for i in np.flatnonzero(named.clusters.labels == 0)]
    said = {"cells": short(cells), "type": "lymphocyte", "cluster": 0}
    space.decide(study, "match", said, "Ann")
    named, standing = load_named(space, study)
    assert named.matches[0].matched_type == "lymphocyte"
    assert (named.matches[0].confirmed, named.matches[0].by) == (True, "Ann")
    assert states(space, study)["matches"] == "done"
    assert states(space, study)["classify"] == "stale"
    bring_up_to(space, study, "classify", silent)
    assert load_run(space, study).matches[0].by == "Ann"
    space.undo(study, "match", "Ann")
    assert states(space, study)["classify"] == "done"  # as before the word


def test_edited_clusters_are_matched_again(space, study):
    bring_up_to(space, study, "matches", silent)
    clusters = load_clusters(space, study)
    query = space.pooled(study, "query")
    moved = short([query.cells[i] for i in np.flatnonzero(clusters.labels == 0)[:5]])
    key = stage_keys(space, study)["clusters"]
    space.decide(study, "cluster", {"key": key, "cells": moved, "to": None}, "Ann")
    space.decide(study, "cluster", {"key": "of others", "cells": moved, "to": 0}, "Ann")
    edited = load_clusters(space, study)
    assert len(edited.names) == len(clusters.names) + 1
    assert states(space, study)["matches"] == "stale"
    bring_up_to(space, study, "matches", silent)
    assert len(load_named(space, study)[0].matches) == len(edited.names)


def test_work_needs_two_sets_and_two_types(space, drawn):
    study = space.create("Empty").id
    assert set(states(space, study).values()) == {"waiting"}
    with pytest.raises(StudyError, match="reference and a query"):
        start(space, study)
    for role in ("reference", "query"):
        images = space.add_set(study, role, role)
        files = sorted((drawn / role).rglob("*.png"))[:5]
        space.receive(images.id, [(f"one/{p.name}", p.read_bytes()) for p in files])
    with pytest.raises(StudyError, match="one type only"):
        bring_up_to(space, study, "embed", silent)


def test_a_job_runs_in_a_process_of_its_own(space, study):
    job = start(space, study, "embed")
    assert job.pid not in (None, os.getpid())
    assert start(space, study).id == job.id  # one at a time
    assert states(space, study)["embed"] == "running"
    ended = wait(space, study, lambda job: not job.active)
    assert (ended.state, ended.message) == ("done", "")
    assert states(space, study)["embed"] == "done"


def test_a_job_that_is_killed_says_so_and_goes_on(space, study):
    start(space, study)
    running = wait(space, study, lambda job: job.phase.startswith("embedding"))
    os.kill(running.pid, signal.SIGKILL)
    stopped = wait(space, study, lambda job: not job.active)
    assert stopped.state == "stopped"
    assert "go on" in stopped.message
    start(space, study)
    assert wait(space, study, lambda job: not job.active).state == "done"
    assert set(states(space, study).values()) == {"done"}


def test_a_job_can_be_cancelled(space, study):
    job = start(space, study)
    wait(space, study, lambda job: job.state == "running")
    cancel(space, job.id)
    ended = wait(space, study, lambda job: not job.active)
    assert ended.state == "cancelled"
    assert load_run(space, study) is None


def test_what_went_wrong_is_said(space, study):
    space.set_options(study, {"encoders": [["dinosaur"]]})
    run_job(space, space.add_job(study, "embed").id)
    ended = current_job(space, study)
    assert ended.state == "failed"
    assert "There is no encoder 'dinosaur'" in ended.message


def test_a_job_of_a_dead_server_is_found_out(space, study):
    job = space.add_job(study, "embed")
    # As a server would have left it: a process that is no child of this one, and is gone.
    space.update_job(job.id, state="running", pid=2**22 - 3, beat=time.time())
    assert current_job(space, study).state == "stopped"


def test_a_result_is_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(TypeError):
        save_result(tmp_path / "a.joblib", (number for number in range(3)))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_result(tmp_path / "file" / "a.joblib", 1)


def test_the_map_can_be_laid_out_by_umap(space, study):
    assert layouts() == ("t-SNE", "UMAP")
    bring_up_to(space, study, "embed", silent)
    space.set_options(study, {**OPTIONS, "layout": "UMAP"})
    assert load_map(space, study) is None
    assert states(space, study)["embed"] == "done"
    bring_up_to(space, study, "embed", silent)
    shown = load_map(space, study)
    assert shown.layout == "UMAP"
    assert np.isfinite(shown.xy).all()
    assert shown.xy.shape == (72, 2)
    space.set_options(study, OPTIONS)
    assert load_map(space, study).layout == "t-SNE"


def test_without_umap_there_is_one_layout(space, study, monkeypatch):
    monkeypatch.setattr(maps, "find_spec", lambda _: None)
    space.set_options(study, {**OPTIONS, "layout": "UMAP"})
    assert layouts() == ("t-SNE",)
    assert layout_of(space.study(study)) == "t-SNE"
