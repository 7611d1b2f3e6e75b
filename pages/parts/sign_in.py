"""Streamlit's sign-in: the settings in `secrets.toml`, and the user behind a request.

If a sign-in was requested but is not possible, nothing is served.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.requests import HTTPConnection
from streamlit.auth_util import get_cookie_with_chunks, get_origin_from_redirect_uri
from streamlit.config import is_manually_set
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from celltransfer_core.about import APP, PROJECT
from celltransfer_core.web import SignInError
from parts import text

SIGN_IN = "CELLTRANSFER_SIGN_IN"
"""Environment variable: ``required``, ``off``, or empty to follow the file of secrets."""

COOKIE = USER_COOKIE_NAME
"""Prefix of the names of the cookies that hold a sign-in."""

# In the checkout or, once installed, in the folder that the app is started in.
_BESIDE = (APP if APP == PROJECT else Path.cwd()) / ".streamlit" / "secrets.toml"
_NEEDED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_SHORTEST = 32  # characters of a secret
_OFF = f"If nobody has to sign in, set {SIGN_IN}=off."


@dataclass(frozen=True)
class SignIn:
    """The requested sign-in, with what the server needs to know about it."""

    host: str
    """Host name of the server."""
    secure: bool
    """Whether the server is reached by HTTPS."""


@cache
def sign_in_asked() -> SignIn | None:
    """Return the sign-in that is required, if any, as fixed when the server starts.

    Raises SignInError if a sign-in was requested, by the environment or by a file of secrets, but
    is not possible.
    """
    asked = os.environ.get(SIGN_IN, "")
    if asked not in ("", "required", "off"):
        raise SignInError(f"{SIGN_IN} is {asked!r}; set it to required or off, or leave it empty.")
    listed = [Path(path) for path in st.get_option("secrets.files")]
    gone = [str(path) for path in listed if not path.exists()]
    if gone and is_manually_set("secrets.files"):
        raise SignInError(f"secrets.files names {' and '.join(gone)}, which does not exist.")
    files = [path for path in dict.fromkeys([*listed, _BESIDE]) if path.exists()]
    if not files:
        if asked == "required":
            raise SignInError(
                f"{SIGN_IN} is required, but there is no {_BESIDE}; add the sign-in as described "
                "in the guide On a hospital's server."
            )
        return None
    where = " and ".join(str(path) for path in files)
    auth = _auth_section(where)
    if asked == "off":
        if auth is not None:
            raise SignInError(
                f"{SIGN_IN} is off, but {where} configures a sign-in; remove one of the two."
            )
        return None
    if auth is None:
        raise SignInError(
            f"{where} has no section [auth], in lower case, so nobody could sign in; add it as "
            f"described in the guide On a hospital's server. {_OFF}"
        )
    return _checked(auth, where)


def _auth_section(where: str) -> Mapping[str, Any] | None:
    try:
        section = st.secrets.to_dict().get("auth")
    except Exception as error:  # errors of Streamlit, TOML and the file system
        raise SignInError(
            f"{where} cannot be read ({' '.join(str(error).split())[:200]}), so nobody could sign "
            f"in; correct it. {_OFF}"
        ) from error
    if section is not None and not isinstance(section, Mapping):
        raise SignInError(f"auth in {where} is not a section; write [auth] on a line of its own.")
    return section


def _checked(auth: Mapping[str, Any], where: str) -> SignIn:
    missing = [key for key in _NEEDED if not isinstance(auth.get(key), str) or not auth[key]]
    if missing:
        raise SignInError(f"[auth] in {where} lacks {', '.join(missing)}; add what is missing.")
    if len(auth["cookie_secret"]) < _SHORTEST:
        raise SignInError(
            f"cookie_secret in {where} is shorter than {_SHORTEST} characters, so it could be "
            "guessed; use a longer one, such as the output of `openssl rand -hex 32`."
        )
    back = urlsplit(auth["redirect_uri"])
    if not back.path.endswith("/oauth2callback"):
        raise SignInError(f"redirect_uri in {where} must end with /oauth2callback.")
    for key in ("redirect_uri", "server_metadata_url"):
        address = urlsplit(auth[key])
        if address.scheme != "https" and address.hostname not in ("localhost", "127.0.0.1"):
            raise SignInError(
                f"{key} in {where} must begin with https://, because a sign-in over http can be "
                "intercepted."
            )
    if st.get_option("server.trustedUserHeaders"):
        raise SignInError(
            "server.trustedUserHeaders would let a request claim any identity and bypass the "
            "sign-in; remove it from Streamlit's settings."
        )
    return SignIn(back.hostname or "", back.scheme == "https")


def is_outside() -> bool:
    """Tell whether the viewer of a page must sign in first."""
    try:
        asked = sign_in_asked() is not None
    except SignInError as error:  # not started by app.py, which would have exited
        st.error(text.sentence(error))
        st.stop()
    return (asked or "is_logged_in" in st.user) and st.user.get("is_logged_in") is not True


def claims_of(connection: HTTPConnection) -> dict[str, Any] | None:
    """Read the user of a request, as Streamlit does; None if its cookie is not valid here."""

    def signed(name: str) -> bytes | None:
        value = connection.cookies.get(name)
        return decode_signed_value(get_cookie_secret(), name, value.encode()) if value else None

    cookie = get_cookie_with_chunks(signed, USER_COOKIE_NAME)
    try:
        claims = json.loads(cookie) if cookie else None
    except ValueError:
        return None
    if not isinstance(claims, dict) or claims.get("is_logged_in") is not True:
        return None
    return claims if claims.get("origin") == get_origin_from_redirect_uri() else None
