"""Security headers of every response: load nothing from elsewhere, show this page in no frame.

The headers are added to the responses of the pages and the routes. Cookies are restricted to HTTPS
if users connect by it. Headers that a route sets itself are kept.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from celltransfer_core.web.sign_in import SIGN_IN_LASTS

POLICY = {
    "default-src": "'self'",
    # Streamlit makes a script (blob:) of page parts that are passed to it as text, and Plotly makes
    # functions from text (eval) to draw thousands of points.
    "script-src": "'self' blob: 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    # For the report in a frame of the Export page; our pages cannot be framed themselves.
    "frame-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
"""What pages may load, by kind: nothing from elsewhere."""

_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
}
_ONE_YEAR = 365 * 24 * 3600  # s


class SafeHeaders:
    """ASGI middleware that adds the headers and hardens the cookies.

    Parameters
    ----------
    app : ASGI application
    secure : bool
        Whether users connect by HTTPS, through a proxy in front of this server.
    scripts : sequence of str
        From :func:`inline_scripts`: scripts that pages may run besides those that they load.
    """

    def __init__(self, app: ASGIApp, *, secure: bool = False, scripts: Sequence[str] = ()) -> None:
        self._app, self._secure = app, secure
        policy = {**POLICY, "script-src": " ".join([POLICY["script-src"], *scripts])}
        self._policy = "; ".join(f"{kind} {sources}" for kind, sources in policy.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        secure = self._secure or scope.get("scheme") == "https"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", self._policy)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if secure:
                    headers["Strict-Transport-Security"] = f"max-age={_ONE_YEAR}"
                message["headers"] = [
                    (name, harden(value, secure=secure) if name == b"set-cookie" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await self._app(scope, receive, with_headers)


def inline_scripts(page: str) -> list[str]:
    """List the inline scripts of a page, in the notation of a content security policy.

    Parameters
    ----------
    page : str
        HTML.

    Returns
    -------
    list of str
        ``'sha256-…'``, one per script.
    """
    written = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in written]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def harden(cookie: bytes, *, secure: bool) -> bytes:
    """Shorten the lifetime of a cookie to that of a sign-in, and restrict it to HTTPS.

    Parameters
    ----------
    cookie : bytes
        Value of a ``Set-Cookie`` header.
    secure : bool
        Whether users connect by HTTPS.

    Returns
    -------
    bytes

    Examples
    --------
    >>> harden(b"a=b; Max-Age=2592000; HttpOnly", secure=True)
    b'a=b; Max-Age=43200; HttpOnly; Secure'
    """
    name, *attributes = cookie.split(b";")
    kept = [_shortened(one) for one in attributes if one.strip().lower() != b"secure"]
    return b";".join([name, *kept, *([b" Secure"] if secure else [])])


def _shortened(attribute: bytes) -> bytes:
    life = re.fullmatch(rb"(\s*max-age=)(\d+)\s*", attribute, re.IGNORECASE)
    if life is None or int(life[2]) <= SIGN_IN_LASTS:
        return attribute
    return life[1] + str(SIGN_IN_LASTS).encode()
