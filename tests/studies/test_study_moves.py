"""A study moves between workspaces as one file; a file that no study is in changes nothing."""

import hashlib
import io
import json
import shutil
import zipfile
from collections import namedtuple

import pytest

from celltransfer_core.errors import DataError, OutputError, StudyError
from celltransfer_core.studies import (
    Workspace,
    add_batch,
    bring_up_to,
    export_study,
    import_study,
    load_current,
    moved,
    now,
    review_payloads,
    save_result,
    unfinished,
)
from celltransfer_core.studies.plain_results import PlainResult, from_plain, to_plain
from celltransfer_core.types import silent
from tests.studies.samples import files_below, png


@pytest.fixture
def other(tmp_path):
    """An empty workspace elsewhere."""
    folder = tmp_path / "other"
    return Workspace(folder, f"sqlite:///{folder / 'studies.sqlite'}")


@pytest.fixture
def small(space, ready_study, query_set):
    """Id of a study with two images, a refused file, a table and two decisions."""
    space.receive(query_set.id, [("bad.png", b"no image"), ("metadata.csv", b"file,slide\n")])
    space.decide(ready_study, "keep", {"type": "a", "kept": True}, "Ann")
    space.decide(ready_study, "keep", {"type": "a", "kept": False}, "Bob")
    space.undo(ready_study, "keep", "Bob")
    space.change_options(ready_study, seed=3)
    return ready_study


def exported(space, study, folder):
    return export_study(space, study, folder / "study.zip").read_bytes()


def taken(space, data):
    return import_study(space, io.BytesIO(data))


def state(space):
    """All files of a workspace but the database's own, and the studies in it."""
    files = {p.relative_to(space.folder): p.read_bytes() for p in space.folder.rglob("*")
             if p.is_file() and "sqlite" not in p.name and p.parent.name != "owners"}  # fmt: skip
    return files, space.studies(), space.studies(deleted=True)


def altered(data, change, *, told=True, packed=zipfile.ZIP_STORED):
    """Write a study's file anew with other entries; by default its manifest tells of them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(entries.pop("manifest.json"))
    change(entries, manifest)
    if told:
        manifest["entries"] = {
            name: {"size": len(one), "sha256": hashlib.sha256(one).hexdigest()}
            for name, one in entries.items()
        }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packed) as archive:
        for name, one in {**entries, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, one)
    return file.getvalue()


def test_a_study_moves_with_results_decisions_and_bytes(space, finished, other, tmp_path):
    cell = load_current(space, finished).run.query.cells[0]
    answers = review_payloads([(cell, "neutrophil", False)], "Ann", now())
    space.decide_all(finished, "review", answers, "Ann")
    space.sign(finished, "Ann")
    data = exported(space, finished, tmp_path)
    found = taken(other, data)
    assert found.study == space.study(finished)
    assert not found.was_here
    assert found.results >= 5
    assert found.left_out == 0
    ours, theirs = load_current(space, finished), load_current(other, finished)
    assert theirs.run.predicted == ours.run.predicted
    assert theirs.reviews == ours.reviews
    assert theirs.fresh
    assert theirs.run.query.root == other.images
    assert exported(other, finished, tmp_path / "other") == data


def test_no_path_of_a_workspace_is_in_the_file_or_in_results(space, finished, tmp_path):
    data = exported(space, finished, tmp_path)
    results = [path.read_bytes() for path in (space.folder / "results").rglob("*.joblib")]
    for place in (space.folder, tmp_path, tmp_path.parents[1]):
        assert str(place).encode() not in data
    from celltransfer_core.runtime.checked import load_checked

    assert results
    for path in (space.folder / "results").rglob("*.joblib"):
        kept = load_checked(path)
        roots = [one.root for one in vars(kept).values() if hasattr(one, "root")]
        assert not any(root.is_absolute() for root in roots)


def test_what_only_the_database_holds_comes_too(space, small, other, tmp_path):
    data = exported(space, small, tmp_path)
    assert taken(other, data).study.options == {"seed": 3}
    assert other.contents(small) == space.contents(small)
    assert [(d.who, d.payload) for d in other.decisions(small)] == [
        (d.who, d.payload) for d in space.decisions(small)
    ]
    for ours, theirs in zip(space.sets(small), other.sets(small), strict=True):
        assert ours.id != theirs.id
        assert ours.revision == theirs.revision
        assert other.dataset(theirs).cells == space.dataset(ours).cells
        assert other.dataset(theirs).looks == space.dataset(ours).looks
        assert other.dataset(theirs).left_out == space.dataset(ours).left_out


def test_a_study_that_is_here_comes_in_beside_it(space, small, tmp_path):
    data = exported(space, small, tmp_path)
    found = taken(space, data)
    assert found.was_here
    assert found.study.id != small
    assert "new id" in found.told
    assert len(space.studies()) == 2
    space.delete(small)
    assert taken(space, data).was_here  # it may be brought back


def refused(space, data, words, kind=DataError):
    before = state(space)
    with pytest.raises(kind, match=words):
        taken(space, data)
    assert state(space) == before
    with space._session() as session:
        assert len(session.query(moved.StudyRow).all()) == len(before[1]) + len(before[2])


def first(entries, start):
    return next(name for name in sorted(entries, reverse=True) if name.startswith(start))


def edited(name, **changes):
    """Change a JSON document of the file."""

    def change(entries, manifest):
        entries[name] = json.dumps({**json.loads(entries[name]), **changes}).encode()

    return change


def of_set(**changes):
    def change(entries, manifest):
        told = json.loads(entries["study.json"])
        told["sets"][0].update(changes)
        entries["study.json"] = json.dumps(told).encode()

    return change


def of_every_set(**changes):
    def change(entries, manifest):
        told = json.loads(entries["study.json"])
        told["sets"] = [{**one, **changes} for one in told["sets"]]
        entries["study.json"] = json.dumps(told).encode()

    return change


def of_file(**changes):
    def change(entries, manifest):
        told = json.loads(entries["study.json"])
        told["sets"][0]["files"][0].update(changes)
        entries["study.json"] = json.dumps(told).encode()

    return change


def put(name, data=b"x"):
    return lambda entries, _: entries.update({name: data})


def other_image(entries, manifest):
    entries[first(entries, "images/")] = png(77)


def not_an_image(entries, manifest):
    told = json.loads(entries["study.json"])
    entries.pop(f"images/{told['sets'][0]['files'][0]['sha256']}")
    sha256 = hashlib.sha256(b"no image").hexdigest()
    told["sets"][0]["files"][0] |= {"sha256": sha256, "size": 8}
    entries |= {"study.json": json.dumps(told).encode(), f"images/{sha256}": b"no image"}


HOSTILE = {
    "name with dots": (put("../evil"), "which is not part of a study"),
    "absolute name": (put("/etc/passwd"), "which is not part of a study"),
    "result with dots": (put("results/embed-../../x.json"), "which is not part of a study"),
    "pickle": (put("results/embed-00.joblib"), "which is not part of a study"),
    "image of another hash": (other_image, "is damaged"),
    "no image": (not_an_image, "cannot be used here"),
    "image too many": (put(f"images/{'0' * 64}"), "its images do not match"),
    "newer": (lambda _, manifest: manifest.update(version=2), "newer format"),
    "another format": (lambda _, manifest: manifest.update(format="zip"), "contains no study"),
    "id with dots": (lambda _, manifest: manifest.update(study="../../x"), "manifest"),
    "no decisions": (lambda entries, _: entries.pop("decisions.json"), "entries do not match"),
    "role": (of_set(role="king"), "role of a set"),
    "scale": (of_set(um_per_px=float("nan")), "size of pixels"),
    "table": (of_set(tables={"../labels.csv": ""}), "name of a table"),
    "unknown column": (of_set(colour="red"), "colour"),
    "another kind": (of_set(position="first"), "its position"),
    "huge": (of_set(position=2**70), "its position"),
    "file with dots": (of_file(path="../../x.png"), "name of a file"),
    "hash with dots": (of_file(sha256="../../x"), "hash of an image"),
    "time": (edited("study.json", created="yesterday"), "damaged"),
    "an answer on a batch": (
        put(
            "decisions.json",
            b'[{"kind": "batch-review", "payload": {"cell": 1}, "who": "Ann",'
            b' "at": "2026-01-01T00:00:00"}]',
        ),
        "cannot be read here",
    ),
    "a name of a type": (
        put(
            "decisions.json",
            b'[{"kind": "batch-review", "payload": {"cell": "a", "answer": ["b"], "reader": "Ann",'
            b' "time": "", "blind": false}, "who": "Ann", "at": "2026-01-01T00:00:00"}]',
        ),
        "cannot be read here",
    ),
    "decided together": (
        put(
            "decisions.json",
            b'[{"kind": "review", "payload": {"cell": "a", "answer": "b", "reader": "Ann",'
            b' "time": "", "blind": false, "together": 0}, "who": "Ann",'
            b' "at": "2026-01-01T00:00:00"}]',
        ),
        "what was decided together",
    ),
    "two batches of one name": (of_every_set(role="batch", name="June"), "the same name"),
    "unknown setting": (edited("study.json", options={"magic": 1}), "cannot be read here"),
    "setting out of range": (edited("study.json", options={"draws": -1}), "cannot be read here"),
    "a decision": (
        put(
            "decisions.json",
            b'[{"kind": "keep", "payload": {"no": 1}, "who": "Ann", "at": "2026-01-01T00:00:00"}]',
        ),
        "cannot be read here",
    ),
    "decisions": (put("decisions.json", b'[{"kind": "match"}]'), "damaged"),
    "deep": (put("decisions.json", b"[" * 100_000), "decisions.json in the file is damaged"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_no_study_wrote_changes_nothing(space, small, tmp_path, other, what):
    change, words = HOSTILE[what]
    refused(other, altered(exported(space, small, tmp_path), change), words)


def test_bytes_that_changed_are_noticed_wherever_they_are(space, small, tmp_path, other):
    data = exported(space, small, tmp_path)
    for name in zipfile.ZipFile(io.BytesIO(data)).namelist():
        at = data.index(name.encode()) + len(name) + 5
        refused(other, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "damaged|no study")
    for length in (0, 100, len(data) // 2, len(data) - 1):
        refused(other, data[:length], "contains no study")
    refused(other, altered(data, put("study.json"), told=False), "damaged")


def test_what_is_packed_or_shares_bytes_is_refused(space, small, tmp_path, other):
    data = exported(space, small, tmp_path)
    bomb = altered(data, put("decisions.json", b" " * 10**7), packed=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10**6
    refused(other, bomb, "not compressed as by")
    entry, start = data.index(b"PK\1\2"), data.index(b"PK\5\6")  # the list of contents
    shared = data[:start] + data[entry:start] + data[start:]
    refused(other, shared, "contains no study|two entries|damaged")


def test_results_from_anywhere_are_made_of_their_own_classes_alone(space, finished, tmp_path):
    plain = to_plain(load_current(space, finished).run)
    known = {*space.contents(finished).images}
    assert from_plain(plain, space.images, known).predicted
    dataset = next(n for n, node in enumerate(plain.nodes) if node[0] == "Dataset")

    def spoilt(at, node):
        return PlainResult([*plain.nodes[:at], node, *plain.nodes[at + 1 :]], plain.arrays)

    fields = plain.nodes[dataset][1]
    for bad in (
        spoilt(0, ["Path", {"args": "/etc"}]),
        spoilt(0, ["array", "O", [1], "C"]),
        spoilt(0, ["array", "<f8", [10**15], "C"]),
        spoilt(dataset, ["Dataset", {**fields, "root": "/etc"}]),
        spoilt(dataset, ["Dataset", {**fields, "by_hash": False}]),
        spoilt(len(plain.nodes) - 1, ["tuple", []]),
        spoilt(0, ["tuple", [{"at": 5}]]),
        PlainResult(plain.nodes, plain.arrays + b"x"),
        PlainResult([], b""),
        PlainResult({}, b""),
    ):
        with pytest.raises(DataError, match="cannot be read"):
            from_plain(bad, space.images, known)
    with pytest.raises(DataError, match="images that the study has not"):
        from_plain(plain, space.images, known - {next(iter(known))})


def test_results_of_another_version_are_left_to_be_computed(space, finished, other, tmp_path):
    def older(entries, manifest):
        name = first(entries, "results/clusters")
        told = json.loads(entries[name])
        told["nodes"][-1][1]["colour"] = "red"
        entries[name] = json.dumps(told).encode()

    found = taken(other, altered(exported(space, finished, tmp_path), older))
    assert found.left_out == 1
    assert "1 more" in found.told
    assert load_current(other, found.study.id) is not None


def test_nothing_of_a_batch_that_was_removed_is_exported(space, finished, drawn, tmp_path):
    for name in ("June", "Miller"):
        images = [
            (f"{name} {n}.png", data) for n, (_, data) in enumerate(files_below(drawn / "query"))
        ]
        space.receive(add_batch(space, finished, name).id, images[:5])
    bring_up_to(space, finished, "batch", silent)
    space.remove_set(space.sets(finished, "batch")[-1].id)
    data = exported(space, finished, tmp_path)
    assert b"June 0.png" in data
    assert b"Miller" not in data


def test_a_full_disk_leaves_nothing(space, finished, other, tmp_path, monkeypatch):
    data = exported(space, finished, tmp_path)
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 1))
        refused(other, data, "free some space", OutputError)

    def full(path, result):
        if "matches" in path.name:
            raise OutputError("No space left on device; free some space.")
        save_result(path, result)

    with monkeypatch.context() as patch:
        patch.setattr("celltransfer_core.studies.study_moves.save_result", full)
        refused(other, data, "No space", OutputError)
    assert taken(other, data).study.id == finished


def test_an_image_that_another_study_has_stays(space, small, tmp_path):
    fails = edited("study.json", options={"magic": 1})
    refused(space, altered(exported(space, small, tmp_path), fails), "cannot be read here")
    assert space.pooled(small, "query").read(0).shape == (16, 16, 3)


def test_nobody_sees_a_study_before_it_is_whole(space, small, other, tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "ROWS", 1)
    data, seen = exported(space, small, tmp_path), []
    insert = moved.MovedTable._insert

    def look(self, table, rows):
        insert(self, table, rows)
        seen.append((other.studies(), other.studies(deleted=True)))

    monkeypatch.setattr(moved.MovedTable, "_insert", look)
    taken(other, data)
    assert len(seen) >= 5
    assert {*seen} == {((), ())}


def test_an_image_that_is_gone_is_named(space, small, tmp_path):
    (file,) = [p for p in space.images.glob("??/*") if p.read_bytes() == png(1)]
    file.unlink()
    with pytest.raises(StudyError, match=r"a/1\.png is damaged on disk or missing"):
        exported(space, small, tmp_path)
    assert not (tmp_path / "study.zip").exists()
