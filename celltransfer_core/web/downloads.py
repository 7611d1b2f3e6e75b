"""The route that sends prepared files (:mod:`celltransfer_core.studies.preparations`) from disk."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from celltransfer_core.errors import CellTransferError
from celltransfer_core.web.addresses import current_workspace, read_token

_NAME = re.compile(r"export-[a-z0-9-]+\.[a-z0-9]+")


def send_file(request: Request) -> Response:
    """Send a prepared file.

    Parameters
    ----------
    request : Request
        To an address of :func:`~celltransfer_core.web.addresses.file_url`.

    Returns
    -------
    Response
        The file as an attachment; 403 without a token for it, 404 if it is not there.
    """
    workspace = current_workspace()
    study, file = request.path_params["study"], request.path_params["file"]
    opens = read_token(workspace, "download", request.query_params.get("t", ""))
    if not isinstance(opens, list) or opens[:2] != [study, file]:
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
    return FileResponse(path, filename=opens[2], headers=headers)
