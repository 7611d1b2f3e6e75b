import time
from dataclasses import dataclass, field

import anyio
import pytest
from starlette.applications import Starlette

from celltransfer_core.errors import OutputError
from celltransfer_core.studies import Workspace, export_path, preparation, start_preparation
from celltransfer_core.web import download_routes, file_url
from celltransfer_core.web.downloads import LIFETIME


@dataclass
class Answer:
    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""


def get(url):
    """Ask the routes as a browser would."""
    path, _, query = f"/{url}".partition("?")
    answer = Answer()

    async def receive():
        await anyio.sleep_forever()

    async def send(message):
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"cells.example")],
    }
    anyio.run(Starlette(routes=download_routes()), scope, receive, send)
    return answer


@pytest.fixture
def space(home):
    return Workspace()


def made(space, study, name="images", text="zip"):
    path = export_path(space, study, name, ".zip", text)

    def write(target, progress):
        progress("images", 1, 1)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    start_preparation(path, write).result()
    return path


def test_the_key_holds_everything_that_decides(space):
    paths = {export_path(space, "s", "images", ".zip", *parts) for parts in ((1,), (2,), (1, 2))}
    assert len(paths) == 3


def test_a_file_is_made_once_and_replaces_older_ones(space):
    study = space.create("x").id
    old, other = made(space, study, text="old"), made(space, study, name="images-pseudonyms")
    new = made(space, study, text="new")
    assert preparation(new) is None
    assert new.read_text() == "new"
    assert not old.exists()
    assert other.exists()


def test_problems_are_told_and_can_be_tried_again(space):
    path = export_path(space, space.create("x").id, "images", ".zip")

    def full(target, progress):
        raise OutputError("The disk is full.")

    start_preparation(path, full).result()
    assert preparation(path).problem == "The disk is full."

    def fault(target, progress):
        raise ZeroDivisionError

    start_preparation(path, fault).result()
    assert "A fault of ours" in preparation(path).problem


def test_a_file_is_sent_under_its_address_alone(space, monkeypatch):
    study, other = space.create("x").id, space.create("y").id
    path = made(space, study)
    url = file_url(space, study, path, "my images.zip")
    answer = get(url)
    assert (answer.status, answer.body) == (200, b"zip")
    assert "attachment" in answer.headers["content-disposition"]
    assert get(f"{url}x").status == 403
    assert get(url.split("?")[0]).status == 403
    assert get(url.replace(study, other)).status == 403
    elsewhere = file_url(space, study, path.with_name("classify-1.joblib"), "x")
    path.with_name("classify-1.joblib").write_text("secret")
    assert get(elsewhere).status == 404
    path.unlink()
    assert get(url).status == 404
    later = time.time() + LIFETIME + 60
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later)
    assert get(url).status == 403


def test_nothing_of_a_deleted_study_is_sent(space):
    study = space.create("x").id
    url = file_url(space, study, made(space, study), "x.zip")
    space.delete(study)
    assert get(url).status == 404
