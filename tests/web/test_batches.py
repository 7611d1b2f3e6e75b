import pytest

from celltransfer_core.web import batches, upload_access, uploads
from tests.studies.samples import png
from tests.web.asking import ask, batch, headers, post


def test_a_batch_is_taken_and_refusals_have_reasons(space, study, query):
    files = [("a/1.png", png(1)), ("a/2.png", b"only text"), ("b/3.png", b"")]
    answer = post(space, query, batch(files))
    assert answer.status == 200
    assert answer.json["taken"] == 1
    reasons = {entry["name"]: entry["reason"] for entry in answer.json["refused"]}
    assert reasons == {
        "a/2.png": "is text, not a PNG, JPEG, TIFF or other supported image; use the image itself",
        "b/3.png": "the file is empty",
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\0\0\0\2{}", 400),
        (b"\0\0\0\3[1]", 400),
        (b"\0\0\0\2[]more", 400),
        (b"\xff\xff\xff\xff", 413),
        (batch([("1.png", b"abc")], sizes=[-3]), 400),
        (batch([("1.png", b"abc")], sizes=["3"]), 400),
        (batch([("1.png", b"abc")], sizes=[4]), 400),
        (batch([("1.png", b"abc")], sizes=[10**12]), 400),
        ((20_000).to_bytes(4, "big") + b"[" * 20_000, 400),
        (batch([(f"{number}.png", b"") for number in range(101)]), 413),
    ],
)
def test_batches_that_make_no_sense_are_refused_whole(space, study, query, body, status):
    answer = post(space, query, body)
    assert (answer.status, bool(answer.json["error"])) == (status, True)
    assert space.known_files(query.id) == {}


def test_a_body_is_refused_as_soon_as_it_is_too_large(space, study, query, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_BYTES", 1000)
    monkeypatch.setattr(batches, "MAX_HEADER", 1000)
    monkeypatch.setattr(uploads, "MAX_HEADER", 1000)
    body = batch([("1.png", bytes(500_000))])
    assert post(space, query, body).status == 413
    assert post(space, query, body, **{"Content-Length": str(len(body))}).status == 413
    monkeypatch.setattr(batches, "BATCH_BYTES", 100)
    files = [("1.png", png(1)), ("2.png", png(2, side=32))]
    assert post(space, query, batch(files)).status == 413
    assert post(space, query, batch([("3.png", png(3, side=32))])).status == 200


def test_a_browser_that_goes_away_leaves_nothing_half(space, study, query):
    url = upload_access(space, query)["url"]
    body = batch([("1.bmp", bytes(300_000))])
    answer = ask("POST", url, body, headers(space, query), leave_after=2)
    assert answer.status in (0, 499)
    assert space.known_files(query.id) == {}
    assert post(space, query, batch([("1.png", png())])).json["taken"] == 1
