"""What comes in takes little memory, however much of it comes at once or never ends."""

import io
import threading
import time
import tracemalloc
import warnings
from functools import partial

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import Request

from celltransfer_core.data import check_image
from celltransfer_core.errors import DataError
from celltransfer_core.studies import received, set_tables
from celltransfer_core.web import handling, routes, upload_access
from celltransfer_core.web.handling import RefusedError, read_body
from tests.studies.samples import png
from tests.web.asking import batch, headers, packed, post


def body_of(pieces, *, pause=0.0):
    """Make a request whose body never ends: its pieces, then nothing."""
    left = iter(pieces)

    async def receive():
        await anyio.sleep(pause)
        for piece in left:
            return {"type": "http.request", "body": piece, "more_body": True}
        return await anyio.sleep_forever()

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


@pytest.mark.parametrize(
    ("pieces", "pause"), [([], 0.0), ([b"x" * 500_000], 0.0), ([b"x"] * 10_000, 0.01)]
)
def test_what_is_never_whole_is_given_up(monkeypatch, pieces, pause):
    monkeypatch.setattr(handling, "PATIENCE", 0.2)
    started = time.monotonic()
    with pytest.raises(RefusedError, match="arrived too slowly") as refused:
        anyio.run(read_body, body_of(pieces, pause=pause), io.BytesIO(), 10**9)
    assert refused.value.status == 408
    assert time.monotonic() - started < 5


def test_what_comes_slowly_but_steadily_is_taken(monkeypatch):
    monkeypatch.setattr(handling, "PATIENCE", 0.5)
    monkeypatch.setattr(handling, "SLOWEST", 100)
    pieces = [b"x" * 50] * 20

    async def receive():
        await anyio.sleep(0.05)
        piece = pieces.pop() if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    file = io.BytesIO()
    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    anyio.run(read_body, request, file, 10**9)
    assert file.read() == b"x" * 1000


def test_a_full_disk_is_said_to_be(monkeypatch):
    class Full(io.BytesIO):
        def write(self, piece):
            raise OSError(28, "No space left on device")

    with pytest.raises(RefusedError, match="not enough space for the files") as refused:
        anyio.run(read_body, body_of([b"x" * 2_000_000]), Full(), 10**9)
    assert refused.value.status == 507


class App:
    """The routes in one event loop, as the server runs them."""

    def __init__(self):
        self.app = Starlette(routes=routes())

    async def post(self, url, token, receive, answers=None):
        parts = []

        async def send(message):
            parts.append(message)

        scope = {
            "type": "http", "method": "POST", "path": f"/{url}", "query_string": b"",
            "headers": [(key.lower().encode(), value.encode()) for key, value in token.items()],
        }  # fmt: skip
        await self.app(scope, receive, send)
        if answers is not None:
            body = b"".join(part.get("body", b"") for part in parts)
            answers.append((parts[0]["status"], body.decode()))


def sender(pieces, *, whole):
    """Make what a server receives of a body."""
    left = list(pieces)

    async def receive():
        if not left:
            await anyio.sleep_forever()
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left) or not whole}

    return receive


def all_at_once(sends):
    async def run():
        async with anyio.create_task_group() as group:
            for send in sends:
                group.start_soon(send)

    with start_blocking_portal() as portal:
        portal.call(run)


def test_half_sent_batches_take_little_memory(space, study, query, monkeypatch):
    monkeypatch.setattr(handling, "PATIENCE", 2.0)
    url, token = upload_access(space, query)["url"], headers(space, query)
    piece, app, answers = bytes(65_536), App(), []
    post(space, query, batch([]))  # what is imported late is no upload's memory
    tracemalloc.start()
    try:
        stalled = [
            partial(app.post, url, token, sender([piece] * 80, whole=False), answers)
            for _ in range(30)
        ]
        all_at_once(stalled)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000  # of 157
    finally:
        tracemalloc.stop()
    assert [status for status, _ in answers] == [408] * 30
    assert "send them again" in answers[0][1]


def test_few_files_are_checked_at_once(space, study, query, monkeypatch):
    inside, most, lock = 0, 0, threading.Lock()

    def check(data):
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.02)
        with lock:
            inside -= 1
        return check_image(data)

    monkeypatch.setattr(received, "check_image", check)
    url, token = upload_access(space, query)["url"], headers(space, query)
    app, answers = App(), []
    zips = [packed([(f"{kind}/{n}.png", png(40 * n))]) for n, kind in enumerate("abcd")]
    batches = [batch([(f"{kind}/{n}.png", png(30 * n))]) for n, kind in enumerate("efgh")]
    sends = [(f"{url}/zip", body) for body in zips] + [(url, body) for body in batches]
    all_at_once(
        partial(app.post, to, token, sender([body], whole=True), answers) for to, body in sends
    )
    assert [status for status, _ in answers] == [200] * 8
    assert most == 2
    assert len(space.known_files(query.id)) == 8


def test_a_name_with_nul_does_not_end_the_stream(space, study, query):
    files = [("0x.png", png(1)), ("a/0b.png", png(2)), ("NUL.png", png(3)), ("b/4.png", png(4))]
    body = packed(files).replace(b"0x.png", b"\0x.png").replace(b"a/0b", b"a/\0b")
    *_, last = post(space, query, body, "/zip").events
    assert last["finished"]
    assert sorted(space.known_files(query.id)) == ["NUL.png", "b/4.png"]


def test_a_zip_of_many_tables_is_refused(space, study, query):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        body = packed([("labels.csv", b"file\n")] * 50)
    (step,) = post(space, query, body, "/zip").events
    assert step == {"error": "labels.csv appears several times; keep one."}


def test_a_long_table_is_not_kept_but_its_set_says_so(space, study, query, monkeypatch):
    monkeypatch.setattr(set_tables, "MAX_TABLE", 1000)
    answer = post(space, query, batch([("labels.csv", b"x" * 1001), ("1.png", png())]))
    assert answer.json["taken"] == 1
    assert "keep only file, label, slide and patient" in answer.json["refused"][0]["reason"]
    assert space.known_tables(query.id) == {"labels.csv": ""}
    with pytest.raises(DataError, match=r"labels\.csv is over"):
        space.labelled(query)
    # One that can be read takes its place.
    post(space, query, batch([("labels.csv", b"file,label\n1.png,a\n")]))
    assert space.labelled(query).labels == ("a",)
