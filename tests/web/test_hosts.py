import socket

import anyio
import pytest
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from celltransfer_core.errors import DataError
from celltransfer_core.web import HOSTS, MeantHosts, meant_hosts
from tests.web.asking import ask


def greet(request):
    return PlainTextResponse("ours")


MORE = [Route("/all", greet, methods=["GET", "POST"])]


def visit(host, method="GET", origin=None, server=("127.0.0.1", 8501), hosts=None):
    door = [Middleware(MeantHosts, hosts=meant_hosts() if hosts is None else hosts)]
    headers = {"host": host, **({"origin": origin} if origin else {})}
    return ask(method, "all", b"", headers, middleware=door, more=MORE, server=server)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8501",
        "LocalHost.:8501",
        "127.0.0.1:8501",
        "[::1]:8501",
        socket.gethostname(),
    ],
)
def test_this_machine_answers_to_its_own_names(host):
    assert visit(host).body == b"ours"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "evil.example:8501",
        "localhost@evil.example",
        "localhost/evil.example",
        "localhost:8501@evil.example",
        "localhost evil.example",
        "192.0.2.7:8501",
        "[::1",
        ":8501",
        "localhost:x",
    ],
)
def test_no_other_name_is_answered(host):
    answer = visit(host)
    assert answer.status == 403
    assert HOSTS.encode() in answer.body
    assert b"evil" not in answer.body


def test_the_address_that_a_request_came_in_by_is_this_machines():
    assert visit("192.0.2.7:8501", server=("192.0.2.7", 8501)).status == 200
    assert visit("[2001:db8::7]:8501", server=("2001:db8::7", 8501)).status == 200
    assert visit("192.0.2.8:8501", server=("192.0.2.7", 8501)).status == 403


def test_an_administrator_lists_further_names(monkeypatch):
    monkeypatch.setenv(HOSTS, " Cells.Hospital.example , 192.0.2.7,[2001:db8::7],")
    hosts = meant_hosts("login.example")
    for host in ("cells.hospital.example", "192.0.2.7", "2001:db8::7", "login.example"):
        assert host in hosts
    assert visit("cells.hospital.example", hosts=hosts).status == 200


@pytest.mark.parametrize("listed", ["*", "*.example", "https://cells.example", "a b", "a@b"])
def test_what_is_no_name_is_refused(monkeypatch, listed):
    monkeypatch.setenv(HOSTS, listed)
    with pytest.raises(DataError, match="which is not a host name"):
        meant_hosts()


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),  # no browser
        ("http://localhost:8501", 200),
        ("http://localhost:9999", 403),  # another app on this machine
        ("http://evil.example", 403),
        ("null", 403),
    ],
)
def test_only_own_pages_change_something(origin, status):
    assert visit("localhost:8501", "POST", origin).status == status
    assert visit("localhost:8501", "GET", origin).status == 200


@pytest.mark.parametrize(
    ("host", "origin", "opened"),
    [
        ("localhost:8501", "http://localhost:8501", True),
        ("localhost:8501", "http://evil.example", False),
        ("localhost:8501", "http://localhost:9999", False),
        ("evil.example", "http://evil.example", False),
    ],
)
def test_websockets_open_to_own_pages_alone(host, origin, opened):
    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})

    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    scope = {
        "type": "websocket",
        "path": "/",
        "server": ("127.0.0.1", 8501),
        "headers": [(b"host", host.encode()), (b"origin", origin.encode())],
    }
    anyio.run(MeantHosts(app, hosts=meant_hosts()), scope, receive, send)
    assert sent == ["websocket.accept" if opened else "websocket.close"]
