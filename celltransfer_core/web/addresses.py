"""Addresses of the routes: where they lie, and the signatures that open them.

Routes lie outside the pages' login. So every address carries a token that is signed with the
workspace's secret, holds for one purpose and one study, set or file, and expires.
"""

from __future__ import annotations

import hashlib
import time
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from celltransfer_core.data.dataset import Dataset
from celltransfer_core.errors import CellTransferError
from celltransfer_core.runtime.home_folder import home
from celltransfer_core.studies.label_mends import mended_reference
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.stages import stage_keys
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.vocabulary import QUERY, REFERENCE

CELL = "{cell}"
"""What stands in an address for the number of any cell."""

_DIGITS = 10  # of a cell's number

PREFIX = "ct"
"""First part of every path; Streamlit does not use it."""

LIFETIME = 12 * 3600
"""Seconds that an address holds at least; at most twice that."""


class _Signer(TimestampSigner):
    """Rounds the time, so that an address stays the same and browsers cache what it gave."""

    def get_timestamp(self) -> int:
        return int(time.time()) // LIFETIME * LIFETIME


def current_workspace() -> Workspace:
    """Open the workspace of this server; once for each folder.

    Returns
    -------
    Workspace
    """
    return _workspace(home().absolute())


@lru_cache(maxsize=32)
def _workspace(folder: Path) -> Workspace:
    return Workspace(folder)


@lru_cache(maxsize=32)
def _serializer(folder: Path, purpose: str) -> URLSafeTimedSerializer:
    secret = _workspace(folder).secret
    return URLSafeTimedSerializer(secret, salt=f"celltransfer {purpose}", signer=_Signer)


def sign(workspace: Workspace, purpose: str, value: Any) -> str:
    """Make a token.

    Parameters
    ----------
    workspace : Workspace
    purpose : str
        A token of one purpose does not hold for another.
    value : object
        JSON value: what the token opens.

    Returns
    -------
    str
        The same for :data:`LIFETIME` seconds.
    """
    return str(_serializer(workspace.folder, purpose).dumps(value))


def read_token(workspace: Workspace, purpose: str, token: str) -> Any:
    """Read what a token opens.

    Parameters
    ----------
    workspace : Workspace
    purpose : str
    token : str
        As a client sent it.

    Returns
    -------
    object
        The value that was given to :func:`sign`; None if the token is not ours, is of another
        purpose or has expired.
    """
    try:
        return _serializer(workspace.folder, purpose).loads(token, max_age=LIFETIME)
    except BadData:
        return None


def mount_point(base: str = "") -> str:
    """Return the path that all routes lie under.

    Parameters
    ----------
    base : str
        Path that the app is served under, if any (Streamlit's ``server.baseUrlPath``).

    Returns
    -------
    str
        Such as ``/cells/ct``.
    """
    return "/" + "/".join(part for part in (*base.split("/"), PREFIX) if part)


def image_url(
    workspace: Workspace,
    study_id: str,
    sha256: str,
    *,
    size: int,
    cut: bool = False,
    original: bool = False,
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
        ``query``; or ``{cell}``, to put such a number in its place.
    size : int
        Its longest side in px, see :data:`~celltransfer_core.web.pictures.MIN_SIZE`.
    cut : bool
        The square that encoders see (cut and recoloured), once that is known; the whole image
        until then.
    original : bool
        That square in the camera's own colours; of meaning with ``cut`` alone.
    outline : bool
        The whole image with the frame of that square drawn on it.
    role : str
        Set that the cell is shown as a part of: ``reference``, ``query``, or an extra set's name.

    Returns
    -------
    str
        It stays the same for :data:`LIFETIME` seconds, so that browsers need not ask again.
    """
    query: dict[str, Any] = {"size": int(size), "t": sign(workspace, "image", study_id)}
    if role != "query":  # a whole image of 16 bits is shown at the scale of its set
        query["role"] = role
    bucket = int(time.monotonic() // 2)  # a page shows many; the server checks it anyway
    if channels := channels_version(workspace.folder, study_id, bucket):
        query["v"] = channels
    if cut or outline:
        query |= {
            "show": "outline" if outline else "field" if original else "cut",
            "role": role,
            "v": framing_version(workspace.folder, study_id, bucket),
        }
    if sha256 == CELL or is_number(sha256):
        query["n"] = _numbering(workspace.folder, study_id, role, bucket)
    return f"{PREFIX}/image/{study_id}/{sha256}?{urlencode(query)}"


def is_number(cell: str) -> bool:
    """Tell whether a cell is named by its number; a hash is far longer."""
    return len(cell) < _DIGITS and cell.isdecimal()


def numbered_set(workspace: Workspace, snapshot: Snapshot, role: str) -> Dataset | None:
    """Return the set whose cells addresses number.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot
    role : str

    Returns
    -------
    Dataset or None
        All cells of the query, or those of the reference that count; None for other roles, and
        without any image.
    """
    if role == REFERENCE:
        return mended_reference(workspace, snapshot.study.id)
    return workspace.pool_sets(snapshot.of_role(role)) if role == QUERY else None


def numbering_of(workspace: Workspace, snapshot: Snapshot, role: str) -> str:
    """Return a text that changes whenever a number stands for another cell.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot
    role : str

    Returns
    -------
    str
    """

    def make() -> str:
        dataset = numbered_set(workspace, snapshot, role)
        return hashlib.sha256("".join(dataset.cells if dataset else ()).encode()).hexdigest()[:12]

    return workspace.derive(snapshot, f"numbering of {role}", make)


@lru_cache(maxsize=64)
def _numbering(folder: Path, study_id: str, role: str, bucket: int) -> str:  # noqa: ARG001
    try:
        workspace = _workspace(folder)
        return numbering_of(workspace, workspace.snapshot(study_id), role)
    except CellTransferError:
        return ""


@lru_cache(maxsize=64)
def channels_version(folder: Path, study_id: str, bucket: int) -> str:  # noqa: ARG001
    """Return a text that changes whenever other channels of a study's images are shown.

    Parameters
    ----------
    folder : Path
        Of the workspace.
    study_id : str
    bucket : int
        The answer is computed anew when this changes.

    Returns
    -------
    str
        Empty where none were chosen.
    """
    try:
        chosen = [one.channels or "" for one in _workspace(folder).sets(study_id)]
    except CellTransferError:
        return ""
    return "/".join(chosen) if any(chosen) else ""


@lru_cache(maxsize=64)
def framing_version(folder: Path, study_id: str, bucket: int) -> str:  # noqa: ARG001
    """Return a text that changes whenever cells of a study are cut in another way.

    Parameters
    ----------
    folder : Path
        Of the workspace.
    study_id : str
    bucket : int
        The answer is computed anew when this changes.

    Returns
    -------
    str
        Key of the stage ``embed``; empty while it is not known.
    """
    try:
        return stage_keys(_workspace(folder), study_id).get("embed", "")
    except CellTransferError:
        return ""


def file_url(workspace: Workspace, study: str, path: Path, name: str) -> str:
    """Return the address of a prepared file, relative to the pages.

    Parameters
    ----------
    workspace : Workspace
    study : str
    path : Path
        From :func:`~celltransfer_core.studies.preparations.export_path`.
    name : str
        Under which the browser saves it.

    Returns
    -------
    str
        It holds for :data:`LIFETIME` seconds at least.
    """
    token = sign(workspace, "download", [study, path.name, name])
    return f"{PREFIX}/export/{study}/{path.name}?{urlencode({'t': token})}"


def report_url(workspace: Workspace, study: str, path: Path, base: str = "") -> str:
    """Return the address under which a page shows a prepared report in a frame.

    Parameters
    ----------
    workspace : Workspace
    study : str
    path : Path
        Of the report, from :func:`~celltransfer_core.studies.preparations.export_path`.
    base : str
        Path that the app is served under, if any.

    Returns
    -------
    str
        From the server's root on. It holds for :data:`LIFETIME` seconds at least.
    """
    token = sign(workspace, "report", [study, path.name])
    return f"{mount_point(base)}/report/{study}/{path.name}?{urlencode({'t': token})}"
