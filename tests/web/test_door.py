"""With a sign-in, everything that holds data opens to those alone whose sign-in stands."""

import time

import anyio
import pytest
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from celltransfer_core.web import Door, SignIns, door as door_module, image_url
from tests.web.asking import ask

PEOPLE = {
    "ann": {"iss": "i", "sub": "1", "iat": int(time.time()), "nonce": "a"},
    "old": {"iss": "i", "sub": "1", "iat": int(time.time()) - 13 * 3600, "nonce": "b"},
}


def read(connection):
    return PEOPLE.get(connection.cookies.get("who_user"))


def told(request):
    return PlainTextResponse(request.headers.get("cookie", ""))


MORE = [Route(path, told) for path in ("/", "/media/{file}", "/auth/logout", "/sub/media/{file}")]


@pytest.fixture
def sign_ins(home):
    return SignIns(home)


def visit(sign_ins, url, cookie="", base="", **scope):
    door = [Middleware(Door, read=read, sign_ins=sign_ins, cookies="who_user", base=base)]
    return ask("GET", url, b"", {"cookie": cookie}, middleware=door, more=MORE, base=base, **scope)


def test_pictures_end_with_the_sign_in(space, study, sha256, sign_ins):
    url = image_url(space, study, sha256, size=20)
    signed_in = visit(sign_ins, url, "who_user=ann")
    assert signed_in.status == 200
    assert "cookie" in signed_in.headers["vary"].lower()  # the next one to sign in asks again
    for cookie in ("", "who_user=x", "who_user=old", "other=ann"):
        refused = visit(sign_ins, url, cookie)
        assert refused.status == 401
        assert refused.headers["cache-control"] == "no-store"
    assert visit(sign_ins, "auth/logout", "who_user=ann").status == 200
    assert visit(sign_ins, url, "who_user=ann").status == 401  # though somebody kept the cookie


@pytest.mark.parametrize(("base", "path"), [("", "media/x"), ("sub", "sub/media/x")])
def test_files_of_pages_are_behind_the_sign_in(sign_ins, base, path):
    assert visit(sign_ins, path, base=base).status == 401
    assert visit(sign_ins, path, "who_user=ann", base=base).status == 200


def test_a_path_before_the_servers_own_opens_nothing(sign_ins):
    at = {"root_path": "/cells"}
    assert visit(sign_ins, "cells/media/x", **at).status == 401
    assert visit(sign_ins, "cells/media/x", "who_user=ann", **at).status == 200
    assert visit(sign_ins, "cells/auth/logout", "who_user=ann", **at).status == 200
    assert visit(sign_ins, "cells/media/x", "who_user=ann", **at).status == 401


def test_a_sign_in_that_does_not_stand_goes_no_further(sign_ins):
    cookie = "a=1; who_user=ann; who_user_1=x; who_user_tokens=y; b=2"
    assert visit(sign_ins, "", cookie).body.decode() == cookie
    assert visit(sign_ins, "auth/logout", cookie).body.decode() == cookie
    assert visit(sign_ins, "", cookie).body.decode() == "a=1; b=2"


def test_an_open_page_ends_with_the_sign_out(sign_ins, monkeypatch):
    monkeypatch.setattr(door_module, "_LOOK_EVERY", 0.01)
    heard, sent = [], []

    async def app(scope, receive, send):
        while True:
            message = await receive()
            heard.append(message["type"])
            if message["type"] == "websocket.disconnect":
                await send({"type": "websocket.send", "bytes": b"too late"})
                return

    async def main():
        into, out = anyio.create_memory_object_stream(9)

        async def send(message):
            sent.append(message["type"])

        scope = {
            "type": "websocket",
            "path": "/_stcore/stream",
            "headers": [(b"cookie", b"who_user=ann")],
        }
        page = Door(app, read=read, sign_ins=sign_ins, cookies="who_user")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(page, scope, out.receive, send)
            await into.send({"type": "websocket.connect"})
            await into.send({"type": "websocket.receive", "bytes": b"1"})
            await anyio.sleep(0.05)
            assert heard == ["websocket.connect", "websocket.receive"]
            sign_ins.end(PEOPLE["ann"])
            await into.send({"type": "websocket.receive", "bytes": b"a decision after that"})
            with anyio.fail_after(5):
                while "websocket.disconnect" not in heard:
                    await anyio.sleep(0.01)
        into.close()
        out.close()

    anyio.run(main)
    assert heard == ["websocket.connect", "websocket.receive", "websocket.disconnect"]
    assert sent == ["websocket.close"]
