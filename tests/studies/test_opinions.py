import numpy as np
import pytest

from celltransfer_core.errors import StudyError
from celltransfer_core.pipeline import edit_clusters, opinion_of_run, quick_opinion
from celltransfer_core.studies import (
    bring_up_to,
    embeddings_read,
    load_clusters,
    load_named,
    load_opinion,
    load_prepared,
    load_run,
    match_edited,
    match_payloads,
    rematched,
    split_edits,
    stage_keys,
    states,
)
from celltransfer_core.types import silent


def split(space, study, cluster=0):
    """Split a cluster as a page does; its new parts."""
    before = load_clusters(space, study).names.tolist()
    space.decide_all(study, "cluster", split_edits(space, study, cluster), "Ann")
    return [name for name in load_clusters(space, study).names.tolist() if name not in before]


def test_the_vote_is_the_opinion_also_after_clusters_were_edited(space, finished):
    expected = opinion_of_run(load_run(space, finished))
    np.testing.assert_array_equal(load_opinion(space, finished).winner, expected.winner)
    split(space, finished)
    assert load_run(space, finished) is None  # of these clusters nothing is typed yet
    found = load_opinion(space, finished)
    assert found.types == expected.types
    np.testing.assert_allclose(found.probabilities, expected.probabilities)


def test_before_a_vote_the_embeddings_are_compared_once(space, drawn_study, monkeypatch):
    with pytest.raises(StudyError, match="have not been computed"):
        load_opinion(space, drawn_study)
    bring_up_to(space, drawn_study, "clusters", silent)
    found = load_opinion(space, drawn_study)
    prepared = load_prepared(space, drawn_study)
    read = embeddings_read.with_embeddings(prepared, space.cache)
    np.testing.assert_array_equal(found.probabilities, quick_opinion(read).probabilities)
    assert found.types == prepared.types
    monkeypatch.setattr("celltransfer_core.studies.opinions.quick_opinion", None)
    np.testing.assert_array_equal(load_opinion(space, drawn_study).winner, found.winner)


def test_parts_are_matched_as_a_job_would_and_other_answers_stand(space, finished):
    clusters, query = load_clusters(space, finished), space.pooled(finished, "query")
    payloads = match_payloads(clusters, query.cells, [(1, "lymphocyte")], ["lymphocyte"])
    space.decide_all(finished, "match", payloads, "Ann")
    assert match_edited(space, finished) is False  # nothing was edited
    parts = split(space, finished)
    assert parts
    assert load_named(space, finished) is None
    assert match_edited(space, finished)
    assert states(space, finished)["matches"] == "done"
    named, standing = load_named(space, finished)
    assert [(one.confirmation.cluster, one.share) for one in standing] == [(1, 1.0)]
    assert {*parts} <= {int(number) for number in named.clusters.names}
    path = space.result_path(finished, "matches", stage_keys(space, finished)["matches"])
    path.unlink()
    bring_up_to(space, finished, "matches", silent)
    by_job = load_named(space, finished)[0]
    assert by_job.matches == named.matches
    np.testing.assert_array_equal(by_job.scores["query"].p, named.scores["query"].p)
    np.testing.assert_array_equal(by_job.alike, named.alike)


def test_a_split_is_undone_at_one_stroke(space, finished):
    before = load_clusters(space, finished)
    split(space, finished)
    space.undo(finished, "cluster", "Ann")
    np.testing.assert_array_equal(load_clusters(space, finished).labels, before.labels)
    with pytest.raises(StudyError, match="no longer exists"):
        split_edits(space, finished, 99)


def test_the_edits_of_a_split_part_the_cells_of_that_cluster_alone(space, finished):
    before, query = load_clusters(space, finished), space.pooled(finished, "query")
    edits = split_edits(space, finished, 0)
    after = edit_clusters(before, query.cells, edits)
    others = before.labels != 0
    np.testing.assert_array_equal(after.names[after.labels][others], before.labels[others])
    assert (after.labels == 0).any()


def test_more_cells_are_a_jobs_work(space, finished, monkeypatch):
    split(space, finished)
    monkeypatch.setattr(rematched, "AT_ONCE", 10)
    assert match_edited(space, finished) is False
    assert load_named(space, finished) is None
