"""The routes that send prepared files (:mod:`celltransfer_core.studies.preparations`) from disk.

Most files are saved by the browser. A report is also shown, in a frame of the page that made it.
"""

from __future__ import annotations

import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from celltransfer_core.errors import CellTransferError
from celltransfer_core.outputs.page import POLICY
from celltransfer_core.web.addresses import current_workspace, read_token

_NAME = re.compile(r"export-[a-z0-9-]+\.[a-z0-9]+")
_HEADERS = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}


def send_file(request: Request) -> Response:
    """Send a prepared file.

    Parameters
    ----------
    request : Request
        A request for an address from :func:`~celltransfer_core.web.addresses.file_url`.

    Returns
    -------
    Response
        The file as an attachment; 403 without a token for it, 404 if it does not exist.
    """
    workspace = current_workspace()
    study, file = request.path_params["study"], request.path_params["file"]
    opens = read_token(workspace, "download", request.query_params.get("t", ""))
    if not isinstance(opens, list) or opens[:2] != [study, file]:
        return PlainTextResponse("This address has expired; reload the page.", 403)
    path = _prepared(study, file)
    if isinstance(path, Response):
        return path
    headers = {**_HEADERS, "Content-Security-Policy": "sandbox"}
    return FileResponse(path, filename=opens[2], headers=headers)


def show_report(request: Request) -> Response:
    """Send a report for a frame of our own pages; its scripts can access nothing outside it.

    Parameters
    ----------
    request : Request
        A request for an address from :func:`~celltransfer_core.web.addresses.report_url`.

    Returns
    -------
    Response
        The page; 403 without a token for it, 404 if it does not exist.
    """
    study, file = request.path_params["study"], request.path_params["file"]
    token = request.query_params.get("t", "")
    if read_token(current_workspace(), "report", token) != [study, file]:
        return PlainTextResponse("This address has expired; reload the page.", 403)
    path = _prepared(study, file)
    if isinstance(path, Response):
        return path
    policy = f"sandbox allow-scripts; {POLICY}; frame-ancestors 'self'"
    headers = {**_HEADERS, "Content-Security-Policy": policy, "X-Frame-Options": "SAMEORIGIN"}
    return FileResponse(path, media_type="text/html", headers=headers)


def _prepared(study: str, file: str) -> Path | Response:
    """Return the path of a prepared file of a study, or a response that it does not exist."""
    workspace = current_workspace()
    try:
        workspace.study(study)
    except CellTransferError as error:
        return PlainTextResponse(str(error), 404)
    path = workspace.result_path(study, "export", "").parent / file
    if not _NAME.fullmatch(file) or not path.is_file():
        return PlainTextResponse("This file no longer exists; prepare it again.", 404)
    return path
