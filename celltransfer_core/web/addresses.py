"""TODO celltransfer_core/web/addresses.py."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies.stages import stage_keys
from celltransfer_core.studies.workspace import Workspace

PREFIX = "ct"

LIFETIME = 12 * 3600
"""Seconds that an address holds at least; at most twice that."""


class _Signer(TimestampSigner):
    """Rounds the time, so that an address stays the same and browsers keep what it gave."""

    def get_timestamp(self) -> int:
        return int(time.time()) // LIFETIME * LIFETIME


@lru_cache(maxsize=32)
def _workspace(folder: Path) -> Workspace:
    return Workspace(folder)


@lru_cache(maxsize=32)
def _serializer(folder: Path, purpose: str) -> URLSafeTimedSerializer:
    secret = _workspace(folder).secret
    return URLSafeTimedSerializer(secret, salt=f"celltransfer {purpose}", signer=_Signer)


def sign(workspace: Workspace, purpose: str, value: str) -> str:
    return str(_serializer(workspace.folder, purpose).dumps(value))


def holds(workspace: Workspace, purpose: str, token: str, value: str) -> bool:
    try:
        said = _serializer(workspace.folder, purpose).loads(token, max_age=LIFETIME)
    except BadData:
        return False
    return bool(said == value)


def image_url(
    workspace: Workspace,
    study_id: str,
    sha256: str,
    *,
    size: int,
    cut: bool = False,
    outline: bool = False,
    role: str = "query",
) -> str:
    """Return the address of a picture of a cell, relative to the pages.

    Parameters
    ----------
    workspace : Workspace
    study_id : str
    sha256 : str
        Of the cell; or, as digits, its number in the set that ``role`` names, ``reference`` or
        ``query``.
    size : int
        Its longest side in px, see :data:`MIN_SIZE`.
    cut : bool
        What the encoders see of it (cut and recoloured), once that is known; the whole image
        until then.
    outline : bool
        The whole image with that cut's frame drawn on it.
    role : str
        Set that the cell is shown as a part of: ``reference``, ``query``, or an extra set's name.

    Returns
    -------
    str
        It stays the same for :data:`LIFETIME` seconds, so that browsers need not ask again.
    """
    query: dict[str, Any] = {"size": int(size), "t": sign(workspace, "image", study_id)}
    if cut or outline:
        bucket = int(time.monotonic() // 2)  # a page shows many; the server checks it anyway
        query |= {
            "show": "outline" if outline else "cut",
            "role": role,
            "v": _version(workspace.folder, study_id, bucket),
        }
    return f"{PREFIX}/image/{study_id}/{sha256}?{urlencode(query)}"


@lru_cache(maxsize=64)
def _version(folder: Path, study_id: str, bucket: int) -> str:  # noqa: ARG001
    """Name what decides how cells are cut."""
    try:
        return stage_keys(_workspace(folder), study_id).get("embed", "")
    except CellTransferError:
        return ""
