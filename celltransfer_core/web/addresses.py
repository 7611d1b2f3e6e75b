"""Addresses of the routes, and the signatures that authorize them.

The routes are outside the pages' login. So every address carries a token that is signed with the
workspace's secret, is valid for one purpose and one study, set or file, and expires.
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
"""Placeholder in an address for the number of any cell."""

_DIGITS = 10  # of a cell's number

PREFIX = "ct"
"""First part of the path of every route; Streamlit does not use it."""

LIFETIME = 12 * 3600
"""Minimum lifetime of an address in seconds; the maximum is twice that."""


class _Signer(TimestampSigner):
    """Rounds the time, so that addresses do not change and browsers can cache the responses."""

    def get_timestamp(self) -> int:
        return int(time.time()) // LIFETIME * LIFETIME


def current_workspace() -> Workspace:
    """Open the workspace of this server, once per folder.

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
        A token for one purpose is not valid for another.
    value : object
        JSON value: what the token gives access to.

    Returns
    -------
    str
        The token, which stays the same for :data:`LIFETIME` seconds.
    """
    return str(_serializer(workspace.folder, purpose).dumps(value))


def read_token(workspace: Workspace, purpose: str, token: str) -> Any:
    """Read what a token gives access to.

    Parameters
    ----------
    workspace : Workspace
    purpose : str
    token : str
        Token as sent by a client.

    Returns
    -------
    object
        The value that was given to :func:`sign`; None if the token was not made by this workspace,
        is for another purpose or has expired.
    """
    try:
        return _serializer(workspace.folder, purpose).loads(token, max_age=LIFETIME)
    except BadData:
        return None


def mount_point(base: str = "") -> str:
    """Return the path that all routes are under.

    Parameters
    ----------
    base : str
        Path under which the app is served, if any (Streamlit's ``server.baseUrlPath``).

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
    """Return the address of an image of a cell, relative to the pages.

    Parameters
    ----------
    workspace : Workspace
    study_id : str
    sha256 : str
        Hash of the cell; or, as digits, its number in the set named by ``role``, ``reference`` or
        ``query``; or ``{cell}``, a placeholder for such a number.
    size : int
        Longest side in px, see :data:`~celltransfer_core.web.pictures.MIN_SIZE`.
    cut : bool
        Whether to show the square that the encoders see (cropped and recoloured), once it is known;
        until then the whole image is shown.
    original : bool
        Whether to show that square in the camera's own colours; used only with ``cut``.
    outline : bool
        Whether to show the whole image with the frame of that square.
    role : str
        Set that the cell is shown from: ``reference``, ``query``, or an extra set's name.

    Returns
    -------
    str
        The address, which stays the same for :data:`LIFETIME` seconds, so that browsers can cache
        the image.
    """
    query: dict[str, Any] = {"size": int(size), "t": sign(workspace, "image", study_id)}
    if role != "query":  # whole 16-bit images are shown at the scale of their set
        query["role"] = role
    bucket = int(time.monotonic() // 2)  # cached, as a page shows many; the server checks it
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
    """Tell whether a cell is given by its number; a hash is far longer."""
    return len(cell) < _DIGITS and cell.isdecimal()


def numbered_set(workspace: Workspace, snapshot: Snapshot, role: str) -> Dataset | None:
    """Return the set whose cells are numbered in addresses.

    Parameters
    ----------
    workspace : Workspace
    snapshot : Snapshot
    role : str

    Returns
    -------
    Dataset or None
        All cells of the query, or the reference cells that count; None for other roles, and if
        there are no images.
    """
    if role == REFERENCE:
        return mended_reference(workspace, snapshot.study.id)
    return workspace.pool_sets(snapshot.of_role(role)) if role == QUERY else None


def numbering_of(workspace: Workspace, snapshot: Snapshot, role: str) -> str:
    """Return a text that changes whenever a number refers to another cell.

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
        Folder of the workspace.
    study_id : str
    bucket : int
        The result is computed again when this changes.

    Returns
    -------
    str
        Empty if no channels were chosen.
    """
    try:
        chosen = [one.channels or "" for one in _workspace(folder).sets(study_id)]
    except CellTransferError:
        return ""
    return "/".join(chosen) if any(chosen) else ""


@lru_cache(maxsize=64)
def framing_version(folder: Path, study_id: str, bucket: int) -> str:  # noqa: ARG001
    """Return a text that changes whenever the cells of a study are cropped differently.

    Parameters
    ----------
    folder : Path
        Folder of the workspace.
    study_id : str
    bucket : int
        The result is computed again when this changes.

    Returns
    -------
    str
        Key of the stage ``embed``; empty while unknown.
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
        File name under which the browser saves it.

    Returns
    -------
    str
        The address is valid for at least :data:`LIFETIME` seconds.
    """
    token = sign(workspace, "download", [study, path.name, name])
    return f"{PREFIX}/export/{study}/{path.name}?{urlencode({'t': token})}"


def report_url(workspace: Workspace, study: str, path: Path, base: str = "") -> str:
    """Return the address at which a page shows a prepared report in a frame.

    Parameters
    ----------
    workspace : Workspace
    study : str
    path : Path
        Path of the report, from :func:`~celltransfer_core.studies.preparations.export_path`.
    base : str
        Path under which the app is served, if any.

    Returns
    -------
    str
        Relative to the server's root. The address is valid for at least :data:`LIFETIME` seconds.
    """
    token = sign(workspace, "report", [study, path.name])
    return f"{mount_point(base)}/report/{study}/{path.name}?{urlencode({'t': token})}"
