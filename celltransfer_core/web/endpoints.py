"""TODO celltransfer_core/web/endpoints.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from celltransfer_core.web.addresses import PREFIX
from celltransfer_core.web.batches import guarded
from celltransfer_core.web.pictures import _image
from celltransfer_core.web.uploads import _files, _folder, _zip

if TYPE_CHECKING:
    from collections.abc import Callable


def _in_thread(answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return endpoint


def routes(base: str = "") -> list[Route]:
    """List the routes to mount beside the pages.

    Parameters
    ----------
    base : str
        Path that the app is served under, if any (Streamlit's ``server.baseUrlPath``).

    Returns
    -------
    list of Route
        All under ``/ct/``, which Streamlit does not use.
    """
    root = "/" + "/".join(part for part in (*base.split("/"), PREFIX) if part)
    return [
        Route(f"{root}/image/{{study}}/{{sha256}}", _in_thread(_image), methods=["GET"]),
        Route(f"{root}/files/{{set}}", guarded(_files), methods=["GET", "POST"]),
        Route(f"{root}/files/{{set}}/zip", guarded(_zip), methods=["POST"]),
        Route(f"{root}/files/{{set}}/folder", guarded(_folder), methods=["POST"]),
    ]
