"""What every answer tells a browser: load nothing from elsewhere, show this in no frame.

In go answers of the pages and the routes; out they come with these headers, and with cookies that
go over HTTPS alone where people come by it. Headers that a route sets itself stay.
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
    # Streamlit makes a script (blob:) of a part of a page that is handed to it as text, and Plotly
    # makes functions of texts of its own (eval) to draw thousands of points.
    "script-src": "'self' blob: 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    # The report in a frame of the Export page; no page of ours lets itself be framed.
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
        People come by HTTPS, which a proxy before this server speaks.
    scripts : sequence of str
        From :func:`inline_scripts`: those that pages may run besides those they load.
    """

    def __init__(self, app: ASGIApp, *, secure: bool = False, scripts: Sequence[str] = ()) -> None:
        self._app, self._secure = app, secure
        policy = {**POLICY, "script-src": " ".join([POLICY["script-src"], *scripts])}
        self._policy = "; ".join(f"{kind} {sources}" for kind, sources in policy.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the headers."""
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
    """List the scripts that are written into a page, as a policy names them.

    Parameters
    ----------
    page : str
        HTML.

    Returns
    -------
    list of str
        ``'sha256-…'``, one a script.
    """
    written = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in written]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def harden(cookie: bytes, *, secure: bool) -> bytes:
    """Shorten the life of a cookie to that of a sign-in, and hold it on HTTPS.

    Parameters
    ----------
    cookie : bytes
        Of a ``Set-Cookie`` header.
    secure : bool
        Whether people come by HTTPS.

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
