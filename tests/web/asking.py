"""What the tests of the routes share: requests as a browser sends them."""

import io
import json
import time
import zipfile
from dataclasses import dataclass, field
from types import SimpleNamespace

import anyio
import numpy as np
from anyio.from_thread import start_blocking_portal
from PIL import Image
from starlette.applications import Starlette

from celltransfer_core.web import addresses, download_routes, routes, upload_access

HOST = "cells.example"


@dataclass
class Answer:
    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        return [json.loads(line[6:]) for line in self.body.decode().split("\n\n") if line]

    @property
    def image(self):
        return np.asarray(Image.open(io.BytesIO(self.body)).convert("RGB"))


def ask(
    method, url, body=b"", headers=(), *, leave_after=None, base="", middleware=(), more=(), **scope
):
    """Ask the routes as a browser would; ``leave_after`` chunks of the body it goes away.

    ``more`` are routes besides ours, and ``scope`` is what the server says of the connection.
    """
    path, _, query = f"/{url.lstrip('/')}".partition("?")
    chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]
    answer = Answer()
    sent = 0

    async def receive():
        nonlocal sent
        if leave_after is not None and sent >= leave_after:
            return {"type": "http.disconnect"}
        if sent == len(chunks):
            await anyio.sleep_forever()
        sent += 1
        return {"type": "http.request", "body": chunks[sent - 1], "more_body": sent < len(chunks)}

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
        "method": method,
        "scheme": "http",
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (key.lower().encode(), value.encode())
            for key, value in {"host": HOST, **dict(headers)}.items()
        ],
        **scope,
    }
    app = Starlette(routes=[*routes(base), *download_routes(base), *more], middleware=middleware)
    with start_blocking_portal() as portal:
        portal.call(app, scope, receive, send)
    return answer


def batch(files, sizes=None):
    listed = [{"name": name, "size": len(data)} for name, data in files]
    for entry, size in zip(listed, sizes or [], strict=False):
        entry["size"] = size
    header = json.dumps(listed).encode()
    return len(header).to_bytes(4, "big") + header + b"".join(data for _, data in files)


def packed(entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def query_now(space, study):
    return space.sets(study, "query")[0]


def headers(space, image_set, **more):
    access = upload_access(space, image_set)
    return {access["header"]: access["token"], **more}


def post(space, image_set, body, what="", **more):
    url = upload_access(space, image_set)["url"] + what
    return ask("POST", url, body, headers(space, image_set, **more))


def later(monkeypatch, seconds):
    shifted = SimpleNamespace(time=lambda: time.time() + seconds, monotonic=time.monotonic)
    monkeypatch.setattr(addresses, "time", shifted)
