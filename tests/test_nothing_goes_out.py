"""Nothing goes out: no name is looked up, nobody outside is asked, no machine is given an id."""

import http.client
import subprocess
import sys

import pytest

from tests.browser.driving import App, free_port
from tests.conftest import ROOT
from tests.outside import asked, asked_system, traced, watched

WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
COMMANDS = {
    "run": ["--encoders", "cell", "--alignment", "centre"],
    "evaluate": ["--encoders", "cell", "--methods", "knn", "--ot", "none"],
}


@pytest.fixture
def small(drawn, tmp_path):
    """A few drawn cells of two types, which both have."""
    for role in ("reference", "query"):
        for name in ("eosinophil", "lymphocyte"):
            folder = tmp_path / role / name
            folder.mkdir(parents=True)
            for path in sorted((drawn / "reference" / name).iterdir()):
                first = int(path.stem) < 7
                if first == (role == "reference"):
                    (folder / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_asks_nobody(small, command):
    log, trace = small / "asked.txt", small / "trace.txt"
    words = [sys.executable, "-m", "celltransfer_core", command, *COMMANDS[command]]
    for name in ("reference", "query", "out"):
        words += [f"--{name}", str(small / name)]
    before = traced(trace)
    ended = subprocess.run(
        [*(before or []), *words],
        cwd=ROOT,
        env={**watched(log), "HOME": str(small / "home"), "XDG_CACHE_HOME": str(small / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert asked(log) == []
    assert not list(small.rglob("deviceid*"))
    if before is None:
        pytest.skip("needs strace to see what is not Python: apt-get install strace")
    assert asked_system(trace) == []


def test_the_app_asks_nobody_for_its_address(tmp_path):
    app = App(tmp_path, free_port(), ("--server.address=0.0.0.0",)).start()
    try:
        for origin in ("http://outside.example", "http://localhost:1"):
            asks = http.client.HTTPConnection("localhost", app.port, timeout=30)
            asks.request("GET", "/_stcore/stream", headers={**WEBSOCKET, "Origin": origin})
            assert asks.getresponse().status == 403
            asks.close()
    finally:
        app.kill()
    assert app.asked == []


def test_what_is_watched_is_seen(tmp_path):
    log, trace = tmp_path / "asked.txt", tmp_path / "trace.txt"
    code = (
        "import socket\n"
        "for host in ('192.0.2.7', '127.0.0.1'):\n"
        "    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks:\n"
        "        asks.connect((host, 9))\n"
    )
    before = traced(trace)
    subprocess.run([*(before or []), sys.executable, "-c", code], env=watched(log), check=True)
    assert len(asked(log)) == 1
    if before is not None:
        assert len(asked_system(trace)) == 1
