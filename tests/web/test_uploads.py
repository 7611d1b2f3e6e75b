import hashlib
import io
import shutil
import zipfile
from types import SimpleNamespace

import pytest

from celltransfer_core.web import TOKEN_HEADER, image_url, upload_access
from celltransfer_core.web.addresses import LIFETIME
from tests.studies.samples import png
from tests.web.asking import HOST, ask, batch, headers, later, packed, post


def test_what_is_known_can_be_asked_for(space, study, query):
    url = upload_access(space, query)["url"]
    assert ask("GET", url, headers=headers(space, query)).json == {"files": {}}
    post(space, query, batch([("a/1.png", png(1)), ("a/2.png", b"x")]))
    known = ask("GET", url, headers=headers(space, query)).json
    sha256 = hashlib.sha256(png(1)).hexdigest()
    assert known == {"files": {"a/1.png": sha256, "a/2.png": ""}}


@pytest.mark.parametrize(
    "name", ["../1.png", "/etc/1.png", "C:\\1.png", "a/..\\1.png", "a\0.png", "\ud800.png", ""]
)
def test_names_that_play_tricks_are_refused(space, study, query, name):
    answer = post(space, query, batch([("good.png", png(1)), (name, png(2))]))
    assert answer.json["taken"] == 1
    assert len(answer.json["refused"]) == 1
    assert list(space.known_files(query.id)) == ["good.png"]
    stored = [path for path in space.folder.rglob("*.png") if path.is_file()]
    assert stored == []


def test_tables_count_beside_the_types_only(space, study):
    reference = space.add_set(study, "reference", "Reference")
    files = [("labels.csv", b"file,label\n1.png,x\n"), ("a/Labels.csv", b"file,label\n")]
    answer = post(space, reference, batch(files))
    assert answer.json["taken"] == 1
    assert answer.json["refused"][0]["name"] == "a/Labels.csv"
    post(space, reference, batch([("1.png", png(1)), ("2.png", png(2))]))
    typed = space.dataset(space.image_set(reference.id))
    assert dict(zip(typed.files, typed.labels, strict=True)) == {"1.png": "x"}


def test_a_token_holds_for_one_set(space, study, query, monkeypatch):
    other = space.add_set(study, "reference", "Reference")
    url = upload_access(space, query)["url"]
    image = image_url(space, study, "0", size=20).split("t=")[1]
    for wrong in ({}, headers(space, other), {TOKEN_HEADER: image}):
        for method in ("GET", "POST"):
            assert ask(method, url, batch([("1.png", png())]), wrong).status == 403
    right = headers(space, query)
    later(monkeypatch, 2 * LIFETIME + 1)
    answer = ask("POST", url, batch([("1.png", png())]), right)
    assert (answer.status, answer.json["error"]) == (
        403,
        "This page has expired; reload it to continue.",
    )
    assert space.known_files(query.id) == {}


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"https://{HOST}"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Origin": f"https://{HOST}"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 200),
    ],
)
def test_other_sites_cannot_send(space, study, query, more, status):
    assert post(space, query, batch([("1.png", png())]), **more).status == status


def test_a_signed_study_takes_nothing(space, study, query):
    space.sign(study, "Ann")
    for what, body in (("", batch([("1.png", png())])), ("/zip", packed([]))):
        answer = post(space, query, body, what)
        assert (answer.status, "signed off by Ann" in answer.json["error"]) == (409, True)


def test_a_set_that_is_gone_says_so(space, study, query):
    token = headers(space, query)
    space.remove_set(query.id)
    answer = ask("POST", f"ct/files/{query.id}", batch([]), token)
    assert (answer.status, "reload" in answer.json["error"]) == (404, True)


def test_a_zip_is_unpacked_with_progress(space, study, query):
    files = [(f"set/a/{number}.png", png(number)) for number in range(130)]
    answer = post(space, query, packed([*files, ("set/a/bad.png", b"text")]), "/zip")
    first, second, end = answer.events
    assert (first["done"], first["total"], first["taken"]) == (100, 131, 100)
    assert (second["done"], second["taken"]) == (131, 30)
    assert second["refused"][0]["name"] == "a/bad.png"
    assert end == {"finished": True, "already": 0}
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "a/0.png" in space.known_files(query.id)


def test_a_zip_sent_again_takes_only_what_is_missing(space, study, query):
    post(space, query, packed([("a/1.png", png(1)), ("b/2.png", png(2))]), "/zip")
    again = [("a/1.png", png(1)), ("b/2.png", png(2)), ("b/3.png", png(3))]
    steps = post(space, query, packed(again), "/zip").events
    assert [step.get("taken") for step in steps] == [1, None]


def test_a_hostile_zip_is_refused_in_a_sentence(space, study, query, monkeypatch):
    monkeypatch.setattr("celltransfer_core.data.archives.AT_ANY_RATIO", 10_000_000)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.bmp", bytes(40_000_000))
    (step,) = post(space, query, file.getvalue(), "/zip").events
    assert "implausible for a folder of cells" in step["error"]
    steps = post(space, query, packed([("../1.png", png()), ("a/1.png", png())]), "/zip").events
    assert steps[0]["taken"] == 1
    assert "points outside" in steps[0]["refused"][0]["reason"]
    assert "damaged" in post(space, query, b"no zip", "/zip").events[0]["error"]


def test_a_zip_larger_than_the_disk_is_refused(space, study, query, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000_100))
    assert post(space, query, packed([("a/1.png", png())]), "/zip").status == 413
