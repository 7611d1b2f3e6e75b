import threading
from http.server import ThreadingHTTPServer

import pytest


@pytest.fixture
def nine(reference):
    """Images of nine cells."""
    return [reference.read(cell) for cell in range(9)]


@pytest.fixture
def serve():
    """Start a server of this machine for a handler; give its address."""
    servers = []

    def started(handler):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()
