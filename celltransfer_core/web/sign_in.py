"""The identity of users who sign in, and the lifetime of a sign-in.

From the verified claims of an OpenID Connect provider, the name under which decisions are stored is
made. A sign-in is valid until it expires or until the user signs out, which is recorded in the
workspace's folder.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from celltransfer_core.errors import CellTransferError
from celltransfer_core.runtime.files import make_file, make_folder

SIGN_IN_LASTS = 12 * 3600
"""Maximum duration of a sign-in in seconds."""

_AHEAD = 300  # s that the provider's clock may be ahead of ours
_LONGEST = 60  # characters of the readable part of a name
_MARK = 8  # hexadecimal digits of an identity


class SignInError(CellTransferError):
    """Nobody can be signed in, or the user's identity is unknown."""


def person(claims: Mapping[str, Any]) -> str:
    """Return the name under which the decisions of a signed-in user are stored.

    Parameters
    ----------
    claims : mapping
        The provider's statements about the user. ``iss`` and ``sub`` are the identity; an e-mail
        address is shown only if the provider has verified it; otherwise ``name`` is shown.

    Returns
    -------
    str
        A readable part, and in brackets a unique mark made from ``iss`` and ``sub``.

    Raises
    ------
    SignInError
        If the claims do not identify the user.

    Examples
    --------
    >>> person({"iss": "https://id.example", "sub": "7", "name": "Ann"})
    'Ann (f744c6e7)'
    """
    issuer, subject = (_text(claims.get(key)) for key in ("iss", "sub"))
    if not issuer or not subject:
        raise SignInError(
            "The sign-in does not identify you (its claims iss or sub are missing), so your "
            "decisions cannot be recorded; ask the administrator of the sign-in."
        )
    verified = claims.get("email_verified") in (True, "true")
    shown = (_text(claims.get("email")) if verified else "") or _text(claims.get("name")) or subject
    mark = hashlib.sha256(json.dumps([issuer, subject]).encode()).hexdigest()[:_MARK]
    return f"{shown[:_LONGEST].strip()} ({mark})"


def _text(claim: object) -> str:
    """Convert a claim to one line of printable text; empty if it is not text."""
    if not isinstance(claim, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in claim).split())


class SignIns:
    """The sign-ins that are valid.

    Parameters
    ----------
    folder : Path
        Folder of the workspace. Sign-outs are stored in it, so that they survive a restart and are
        known to several servers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "signed-out"
        self._ended: set[str] = set()

    def stands(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether a sign-in is still valid.

        Parameters
        ----------
        claims : mapping
            ``iat`` is the time of the sign-in, in seconds since 1970.

        Returns
        -------
        bool
        """
        at = claims.get("iat")
        if not isinstance(at, int | float) or isinstance(at, bool):
            return False
        if not -_AHEAD <= time.time() - at < SIGN_IN_LASTS:
            return False
        key = _key(claims)
        return key not in self._ended and not (self._folder / key).exists()

    def end(self, claims: Mapping[str, Any]) -> None:
        """Sign a user out; the sign-in is no longer valid anywhere.

        Parameters
        ----------
        claims : mapping
        """
        self._ended.add(_key(claims))
        with suppress(OSError):  # full disk: this server still remembers it
            make_folder(self._folder)
            make_file(self._folder / _key(claims))
            long_ago = time.time() - SIGN_IN_LASTS - _AHEAD
            for kept in self._folder.iterdir():
                if kept.stat().st_mtime < long_ago:
                    kept.unlink(missing_ok=True)


def _key(claims: Mapping[str, Any]) -> str:
    """Return a name for a sign-in: its claims contain a nonce that no other sign-in has."""
    return hashlib.sha256(json.dumps(dict(claims), sort_keys=True).encode()).hexdigest()
