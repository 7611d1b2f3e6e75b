"""Who somebody is who signed in, and how long that holds.

In go the claims of an OpenID Connect provider, whose signature was checked; out come the name that
decisions are kept under, and whether the sign-in still stands: not after its time, and not after
its sign-out, which is kept in the workspace's folder.
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
"""Seconds that a sign-in holds at most."""

_AHEAD = 300  # s that the provider's clock may be ahead of ours
_LONGEST = 60  # characters of the readable part of a name
_MARK = 8  # hexadecimal digits of an identity


class SignInError(CellTransferError):
    """Nobody can be signed in, or it cannot be told who did."""


def person(claims: Mapping[str, Any]) -> str:
    """Return the name that the decisions of somebody who signed in are kept under.

    Parameters
    ----------
    claims : mapping
        What the provider says of them. ``iss`` and ``sub`` are who they are; an e-mail address is
        shown only if the provider has verified it, and the provider's ``name`` otherwise.

    Returns
    -------
    str
        A readable part, and in brackets a mark of ``iss`` and ``sub`` that nobody else has.

    Raises
    ------
    SignInError
        If the claims do not say who it is.

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
    """Bring a claim to one line of printable text; whatever is no text is empty."""
    if not isinstance(claim, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in claim).split())


class SignIns:
    """Which sign-ins stand.

    Parameters
    ----------
    folder : Path
        Of the workspace. Sign-outs are kept in it, so that a restart forgets none and several
        servers know of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "signed-out"
        self._ended: set[str] = set()

    def stands(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether a sign-in still holds.

        Parameters
        ----------
        claims : mapping
            ``iat`` is when it was, in seconds since 1970.

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
        """Sign somebody out: the sign-in stands nowhere any more.

        Parameters
        ----------
        claims : mapping
        """
        self._ended.add(_key(claims))
        with suppress(OSError):  # a full disk: this server knows it all the same
            make_folder(self._folder)
            make_file(self._folder / _key(claims))
            long_ago = time.time() - SIGN_IN_LASTS - _AHEAD
            for kept in self._folder.iterdir():
                if kept.stat().st_mtime < long_ago:
                    kept.unlink(missing_ok=True)


def _key(claims: Mapping[str, Any]) -> str:
    """Name a sign-in: its claims hold a nonce, which no other sign-in has."""
    return hashlib.sha256(json.dumps(dict(claims), sort_keys=True).encode()).hexdigest()
