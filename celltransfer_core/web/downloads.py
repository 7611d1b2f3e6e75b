"""TODO celltransfer_core/web/downloads.py."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from celltransfer_core.errors import CellTransferError
from celltransfer_core.runtime.cache import home
from celltransfer_core.studies.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Coroutine


PREFIX = "ct"

LIFETIME = 12 * 3600
"""Seconds that an address holds."""

_NAME = re.compile(r"export-[a-z0-9-]+\.[a-z0-9]+")


def _serializer(workspace: Workspace) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(workspace.secret, salt="celltransfer download")


def file_url(workspace: Workspace, study: str, path: Path, name: str) -> str:
    """Return the address that a prepared file is sent from, relative to the pages.

    Parameters
    ----------
    workspace : Workspace
    study : str
    path : Path
        From :func:`export_path`.
    name : str
        What the browser saves it as.

    Returns
    -------
    str
        It holds for :data:`LIFETIME` seconds.
    """
    token = _serializer(workspace).dumps([study, path.name, name])
    return f"{PREFIX}/export/{study}/{path.name}?{urlencode({'t': token})}"


def _file(request: Request) -> Response:
    workspace = Workspace(home().absolute())
    study, file = request.path_params["study"], request.path_params["file"]
    told: Any = None
    with suppress(BadData):
        told = _serializer(workspace).loads(request.query_params.get("t", ""), max_age=LIFETIME)
    if not isinstance(told, list) or told[:2] != [study, file]:
        return PlainTextResponse("This address has expired; reload the page.", 403)
    path = workspace.result_path(study, "export", "").parent / file
    try:
        workspace.study(study)
    except CellTransferError as error:
        return PlainTextResponse(str(error), 404)
    if not _NAME.fullmatch(file) or not path.is_file():
        return PlainTextResponse("This file is not there any more; prepare it again.", 404)
    headers = {
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
    return FileResponse(path, filename=told[2], headers=headers)


def download_routes(base: str = "") -> list[Route]:
    """List the routes to mount beside the pages.

    Parameters
    ----------
    base : str
        Path that the app is served under, if any.

    Returns
    -------
    list of Route
    """
    root = "/" + "/".join(part for part in (*base.split("/"), PREFIX) if part)

    async def endpoint(request: Request) -> Response:
        answer: Coroutine[Any, Any, Response] = run_in_threadpool(_file, request)
        return await answer

    return [Route(f"{root}/export/{{study}}/{{file}}", endpoint, methods=["GET"])]
