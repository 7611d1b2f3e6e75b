"""Each call of a workspace, on both databases; a new one fails this until it is called here."""

import hashlib

import pytest

from celltransfer_core.studies import Workspace
from celltransfer_core.types import silent
from tests.studies.samples import png

NO_DATABASE = {"cache", "derive", "images", "job_log", "one_look", "result_path", "secret"}


@pytest.fixture
def called(monkeypatch):
    """Names of the calls so far, by this test or by one another."""
    names = set()

    def noting(name, call):
        def noted(*arguments, **options):
            names.add(name)
            return call(*arguments, **options)

        return noted

    for name in all_calls():
        monkeypatch.setattr(Workspace, name, noting(name, getattr(Workspace, name)))
    return names


def hash_of(data):
    return hashlib.sha256(data).hexdigest()


def all_calls():
    return {name for name in dir(Workspace) if not name.startswith("_")} - NO_DATABASE


def test_every_call_of_a_workspace(space, called):
    study = space.create("Slides").id
    space.rename(study, "Slides of May")
    space.change_options(study, seed=3)
    found = space.study(study)
    assert (found.name, found.options) == ("Slides of May", {"seed": 3})

    reference = space.add_set(study, "reference", "reference").id
    query = space.add_set(study, "query", "query").id
    extra = space.add_set(study, "extra", "extra").id
    labels = b"file,label\n1.png,a\n2.png,b\n"
    files = [("1.png", png(1)), ("2.png", png(2)), ("labels.csv", labels)]
    assert space.receive(reference, files).taken == 3
    space.receive(query, [("3.png", png(3)), ("metadata.csv", b"file,slide\n3.png,s\n")])
    assert set(space.known_files(reference)) == {"1.png", "2.png"}
    assert set(space.known_tables(query)) == {"metadata.csv"}
    space.choose_columns(query, "metadata.csv", {"file": "file"})
    assert space.table_headers(query)["metadata.csv"].counts == {"file": "file"}
    space.take_out_table(query, "metadata.csv")
    assert space.known_tables(query) == {}
    space.change_set(reference, name="May", mapping={"a": "c"}, um_per_px=0.25, types_at="2")
    may = space.image_set(reference)
    assert (may.name, may.mapping, may.um_per_px) == ("May", {"a": "c"}, 0.25)
    space.take_over(extra, query, {space.known_files(query)["3.png"]: "b/3.png"})
    assert set(space.known_files(extra)) == {"b/3.png"}
    assert space.image_hashes([extra]) == {*space.known_files(extra).values()}
    space.remove_set(extra)
    space.drop_old_batches(study)
    assert [one.role for one in space.sets(study)] == ["reference", "query"]
    assert space.filled(study) == {"reference", "query"}
    assert space.count_files(study) == {"reference": 2, "query": 1}
    assert space.has_image(study, space.known_files(query)["3.png"])
    assert sorted(space.dataset(may).labels) == sorted(space.labelled(may).labels) == ["b", "c"]
    assert sorted(space.as_sent(may).labels) == ["a", "b"]
    assert space.pooled(study, "query").n_cells == space.pool_sets([may]).n_cells - 1 == 1
    assert space.size(study) == sum(len(png(n)) for n in (1, 2, 3))

    before = space.pulse(study)
    space.decide_first(study, {"keep": [{"type": "b"}]}, "Ann")
    assert space.decisions(study, "keep") == ()  # the mapping is a decision
    space.decide(study, "match", {"n": 1}, "Ann")
    space.decide_all(study, "match", [{"n": 2, "together": 2}, {"n": 3, "together": 2}], "Ann")
    assert space.decide_unseen(study, "review", [{"n": 4}], "Ann", before) == before
    assert space.count_decisions(study, "match") == 3
    assert [one.payload["n"] for one in space.undo(study, "match", "Ann")] == [2, 3]
    snapshot = space.snapshot(study)
    assert [one.payload["n"] for one in space.decisions_of(snapshot, "match")] == [1]
    assert space.take(study, "Ann", ["x", "y"], 1) == ("x",)

    job = space.add_job(study, "embed", "here")
    assert space.hand_over(job.id, "here", "there", 7)
    assert space.begin_job(job.id, "there", 7)
    assert space.update_job(job.id, "there", done=1, total=2).done == 1
    assert space.ask_to_cancel(job.id)
    assert space.end_job(space.job(job.id), "cancelled", "as asked")
    assert [one.message for one in space.jobs(study)] == ["as asked"]

    watch = space.watch(study, "/data", "Ann")
    assert space.watches() == (watch,)
    assert space.own_watch(watch, "here")
    assert space.update_watch(watch, "here", taken={"1.png": [1, 2]})
    assert space.taken_files(watch) == {"1.png": [1, 2]}
    assert space.watched(study).owner == "here"
    space.stop_watching(study)
    assert space.watched(study) is None

    assert space.readers() == {study: ("Ann",)}
    space.tag(study, ["site:  blood", "Site: blood", ""])
    space.archive(study)
    assert space.study(study).tags == ["site: blood"]
    assert space.study(study).archived
    space.take_out(study)
    assert space.study(study).archived is None

    copied = space.duplicate(study, "Copy").id
    space.sign(study, "Ann")
    assert space.study(study).signed_by == "Ann"
    assert space.study(copied).signed is None
    told, sent = space.contents(copied), {hash_of(png(n)): png(n) for n in (1, 2, 3)}
    came = space.take_in(told, copied, sent.get, fill=str, check=str, progress=silent)
    assert came.id != copied
    assert space.contents(came.id) == told
    space.delete(came.id)
    space.delete(copied)
    space.restore(copied)
    space.delete(copied)
    assert space.sweepable().studies == space.sweep(who="Ann").studies == 2
    assert [one.who for one in space.erasures()] == ["Ann"]
    assert [one.id for one in space.studies()] == [study]
    assert called == all_calls()
