"""Host names that this server responds to, and pages that may send it requests.

Every request and WebSocket is checked. One for another host is refused, so that a foreign page
cannot read data by pointing its own name at this machine. One sent by a foreign page is refused
too.
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
"""Environment variable: host names under which users reach the server, separated by commas."""

_HERE = ("localhost", "127.0.0.1", "::1")
_SAFE = {"GET", "HEAD", "OPTIONS"}  # methods that change nothing


def meant_hosts(*more: str) -> frozenset[str]:
    """List the host names of the server: this machine's, and those in :data:`HOSTS`.

    Parameters
    ----------
    *more : str
        Additional names.

    Returns
    -------
    frozenset of str
        In lower case, without ports.

    Raises
    ------
    DataError
        If :data:`HOSTS` contains an invalid name.
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
    """Return the host name in a ``Host`` header, without its port.

    Parameters
    ----------
    host : str
        ``name``, ``name:port``, or the same with an IPv6 address, bare or in brackets.

    Returns
    -------
    str or None
        In lower case; None if it is not a valid host.

    Examples
    --------
    >>> host_name("Cells.Example:8501"), host_name("[::1]:8501"), host_name("a@b")
    ('cells.example', '::1', None)
    """
    try:
        if host.count(":") > 1 and not host.startswith("["):
            return str(ipaddress.ip_address(host))
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises an error if it is not a number
        name = parts.hostname
    except ValueError:
        return None
    if not name or parts.netloc != host or "@" in host or any(c.isspace() for c in host):
        return None
    return name.rstrip(".") or None


class MeantHosts:
    """ASGI middleware that responds only to known hosts and to our own pages.

    A request that changes something, and a WebSocket, must come from a page of exactly the host and
    port that it is sent to, if the browser says where it comes from.

    Parameters
    ----------
    app : ASGI application
    hosts : collection of str
        From :func:`meant_hosts`. The address of this machine at which a request arrived is accepted
        too: a request for a foreign name carries that name, not the address.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a request that is meant for this server."""
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
