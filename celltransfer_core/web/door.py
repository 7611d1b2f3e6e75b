"""Enforcement of the sign-in: data is served only to users who are signed in.

Every request and WebSocket is checked. A sign-in that is no longer valid is removed from the
request, and access to data without a sign-in is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from celltransfer_core.web.addresses import PREFIX
from celltransfer_core.web.sign_in import SignIns

GUARDED = (PREFIX, "media", "_stcore/upload_file")
"""First parts of the paths that hold data: our routes, and files that pages show or receive."""

LOGOUT = "auth/logout"
"""Path of the sign-out."""

_LOOK_EVERY = 2.0  # s between checks of an open page's sign-in

Claims = Mapping[str, Any]
Read = Callable[[HTTPConnection], Claims | None]


class Door:
    """ASGI middleware that requires a sign-in for everything that carries data.

    Parameters
    ----------
    app : ASGI application
    read : callable
        Takes a connection and returns the verified claims of its sign-in; None without a sign-in.
    sign_ins : SignIns
        Knows which sign-ins are valid.
    cookies : str
        Prefix of the names of the cookies that hold a sign-in.
    base : str
        Path under which the app is served, if any.
    """

    def __init__(
        self, app: ASGIApp, *, read: Read, sign_ins: SignIns, cookies: str, base: str = ""
    ) -> None:
        self._app, self._read, self._sign_ins, self._cookies = app, read, sign_ins, cookies
        root = "/".join(["", *(part for part in base.split("/") if part)])
        self._guarded = tuple(f"{root}/{path}/" for path in GUARDED)
        self._logout = f"{root}/{LOGOUT}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a request, with its sign-in if that is valid."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        claims = self._read(HTTPConnection(scope))
        if claims is None or not self._sign_ins.stands(claims):
            claims, scope = None, self._without_sign_in(scope)
        if scope["type"] == "websocket":
            await self._page(scope, receive, send, claims)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))  # as in the routing
        if path.startswith(self._guarded):
            if claims is None:
                refused = PlainTextResponse(
                    "Sign in first: reload the page to get to the sign-in.",
                    401,
                    headers={"Cache-Control": "no-store"},
                )
                await refused(scope, receive, send)
                return
            send = _for_this_sign_in(send)
        if claims is not None and path == self._logout:
            self._sign_ins.end(claims)
        await self._app(scope, receive, send)

    def _without_sign_in(self, scope: Scope) -> Scope:
        """Remove the sign-in from a request's cookies."""
        headers = []
        for name, value in scope["headers"]:
            if name == b"cookie":
                kept = [
                    pair
                    for pair in value.decode("latin-1").split(";")
                    if not pair.strip().startswith(self._cookies)
                ]
                headers.append((name, ";".join(kept).encode("latin-1")))
            else:
                headers.append((name, value))
        return {**scope, "headers": headers}

    async def _page(
        self, scope: Scope, receive: Receive, send: Send, claims: Claims | None
    ) -> None:
        """Serve an open page until its sign-in ends."""
        if claims is None:
            await self._app(scope, receive, send)
            return
        coming: asyncio.Future[Message] | None = None
        ended = False

        async def receive_while_it_stands() -> Message:
            nonlocal coming, ended
            coming = coming or asyncio.ensure_future(receive())
            while True:
                await asyncio.wait({coming}, timeout=_LOOK_EVERY)
                if not self._sign_ins.stands(claims):
                    if not ended:
                        ended = True
                        await send({"type": "websocket.close", "code": 1008})
                    return {"type": "websocket.disconnect", "code": 1008}
                if coming.done():
                    message, coming = coming.result(), None
                    return message

        async def send_while_it_stands(message: Message) -> None:
            if not ended:
                await send(message)

        try:
            await self._app(scope, receive_while_it_stands, send_while_it_stands)
        finally:
            if coming is not None:
                coming.cancel()


def _for_this_sign_in(send: Send) -> Send:
    """Prevent a browser from showing cached data to the next user who signs in."""

    async def with_vary(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).add_vary_header("Cookie")
        await send(message)

    return with_vary
