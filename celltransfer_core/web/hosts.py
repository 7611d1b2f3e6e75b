"""Which names this server answers to, and whose pages may ask it.

In goes every request and WebSocket; one for another host is refused, so that a foreign page that
points its own name at this machine reads nothing, and so is one that a foreign page sends.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from celltransfer_core.errors import DataError

HOSTS = "CELLTRANSFER_HOSTS"
"""Environment variable: names that people reach the server by, separated by commas."""

_HERE = ("localhost", "127.0.0.1", "::1")
_SAFE = {"GET", "HEAD", "OPTIONS"}  # methods that change nothing


def meant_hosts(*more: str) -> frozenset[str]:
    """List the names that the server answers to: this machine's, and those in :data:`HOSTS`.

    Parameters
    ----------
    *more : str
        Further names.

    Returns
    -------
    frozenset of str
        In small letters, without ports.

    Raises
    ------
    DataError
        If :data:`HOSTS` lists what is no name.
    """
    listed = [part.strip() for part in os.environ.get(HOSTS, "").split(",") if part.strip()]
    for name in listed:
        if host_name(name) is None or "/" in name or "*" in name:
            raise DataError(
                f"{HOSTS} lists {name!r}, which is not a host name; list names such as "
                "cells.hospital.example, separated by commas."
            )
    names = [host_name(host) for host in (*_HERE, socket.gethostname(), *listed, *more)]
    return frozenset(name for name in names if name)


def host_name(host: str) -> str | None:
    """Return the name of a ``Host`` header, without its port.

    Parameters
    ----------
    host : str
        ``name``, ``name:port``, or the like with an IPv6 address, bare or in brackets.

    Returns
    -------
    str or None
        In small letters; None if it is no host.

    Examples
    --------
    >>> host_name("Cells.Example:8501"), host_name("[::1]:8501"), host_name("a@b")
    ('cells.example', '::1', None)
    """
    try:
        if host.count(":") > 1 and not host.startswith("["):
            return str(ipaddress.ip_address(host))
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises where it is no number
        name = parts.hostname
    except ValueError:
        return None
    if not name or parts.netloc != host or "@" in host or any(c.isspace() for c in host):
        return None
    return name.rstrip(".") or None


class MeantHosts:
    """ASGI middleware that answers to known hosts and own pages alone.

    A request that changes something, and a WebSocket, must come from a page of the very host and
    port that it goes to, where a browser says from which.

    Parameters
    ----------
    app : ASGI application
    hosts : collection of str
        From :func:`meant_hosts`. The address of this machine that a request came in by is let in
        besides: no foreign name leads there under an address.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in that is meant for this server."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        reason = self._refuses(scope)
        if not reason:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            refused = PlainTextResponse(reason, 403, headers={"Cache-Control": "no-store"})
            await refused(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "not allowed here"})

    def _refuses(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = host_name(host)
        if name is None or not (name in self._hosts or name == (scope.get("server") or [""])[0]):
            return (
                "This server does not answer to the host name in the address. To allow it, start "
                f"the server with that name in {HOSTS}; see the guide On a hospital's server."
            )
        origin = headers.get("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if changes and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return (
                "Only this app's own pages may make changes. A proxy must pass on the Host header "
                "as sent by the browser."
            )
        return ""
