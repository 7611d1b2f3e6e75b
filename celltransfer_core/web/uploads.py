"""The routes that receive the files of a set: in batches, as a zip, or from a folder on the server.

Names sent by a client are stored as text and never used as paths.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from celltransfer_core.data.archives import unzip
from celltransfer_core.data.images import EXTENSIONS, MAX_BYTES
from celltransfer_core.data.passed_over import OF_SYSTEMS
from celltransfer_core.data.same_names import CLASHES, Clash
from celltransfer_core.data.tables import TABLES
from celltransfer_core.errors import StudyError
from celltransfer_core.studies.records import BATCH, ImageSet
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.web.addresses import PREFIX, current_workspace, read_token, sign
from celltransfer_core.web.arrivals import folder_source, give, take_in
from celltransfer_core.web.batches import BATCH_BYTES, BATCH_FILES, MAX_HEADER, read_listing
from celltransfer_core.web.folders import importable
from celltransfer_core.web.handling import RefusedError, read_body

MAX_ZIP = 50_000_000_000
"""Maximum size of an uploaded zip in bytes."""

TOKEN_HEADER = "x-celltransfer-token"  # noqa: S105
_IN_MEMORY = 500_000  # bytes of a batch: batches spend longer arriving than complete
_SPARE_DISK = 1_000_000_000  # bytes of disk space that a zip must leave free


def upload_access(workspace: Workspace, image_set: ImageSet) -> dict[str, Any]:
    """Return the data that the browser needs to send files to a set.

    Parameters
    ----------
    workspace : Workspace
    image_set : ImageSet

    Returns
    -------
    dict
        Address relative to the pages, token and its header, limits, filename extensions of images.
    """
    return {
        "url": f"{PREFIX}/files/{image_set.id}",
        "header": TOKEN_HEADER,
        "token": sign(workspace, "upload", _opens(image_set)),
        "batch_files": BATCH_FILES,
        "batch_bytes": BATCH_BYTES,
        "file_bytes": MAX_BYTES,
        "zip_bytes": MAX_ZIP,
        "extensions": sorted(EXTENSIONS),
        "tables": list(TABLES),
        "of_systems": sorted(OF_SYSTEMS),
    }


def _opens(image_set: ImageSet) -> str:
    return f"{image_set.study}/{image_set.id}"


def _own_page(request: Request) -> bool:
    """Tell whether a request comes from our own pages, as far as the browser reports its origin."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _admit(request: Request) -> tuple[Workspace, ImageSet]:
    """Find the set of a request; refuse the request unless it may read or change the set."""
    if not _own_page(request):
        raise RefusedError(403, "Files are accepted only from this app's own pages.")
    workspace = current_workspace()
    try:
        image_set = workspace.image_set(request.path_params["set"])
        study = workspace.study(image_set.study)
    except StudyError as error:
        raise RefusedError(404, str(error)) from error
    token = request.headers.get(TOKEN_HEADER, "")
    if read_token(workspace, "upload", token) != _opens(image_set):
        raise RefusedError(403, "This page has expired; reload it to continue.")
    if study.signed and image_set.role != BATCH and request.method != "GET":
        raise RefusedError(
            409,
            f"{study.name} was signed off by {study.signed_by}; duplicate it to continue working.",
        )
    return workspace, image_set


def _answer(request: Request) -> tuple[Clash, int]:
    """Read the user's answer to clashing names; by default the user is asked."""
    clash = next((c for c in CLASHES if c == request.query_params.get("clash", "ask")), None)
    number = request.query_params.get("number", "2")
    countable = number.isascii() and number.isdigit() and len(number) < 5
    if clash is None or not countable or int(number) < 2:
        raise RefusedError(400, "The choice for files of the same name is not valid.")
    return clash, int(number)


# A batch uses a processor while its images are decoded and checked; more at a time would only use
# memory. Zips and folders wait for their turn with each of their batches.
_at_once = anyio.CapacityLimiter(2)


async def list_or_take_files(request: Request) -> Response:
    """List the files that a set has received (GET), or receive a batch of files (POST).

    Parameters
    ----------
    request : Request
        A batch has the format of :mod:`celltransfer_core.web.batches`.

    Returns
    -------
    Response
        JSON: ``files``, from name to content hash, including the set's tables; or ``taken``, a
        number, and ``refused``, with reasons.

    Raises
    ------
    RefusedError
        If the request may not change the set, or the batch cannot be read.
    """
    workspace, image_set = await run_in_threadpool(_admit, request)
    if request.method == "GET":
        files = await run_in_threadpool(workspace.known_files, image_set.id)
        tables = await run_in_threadpool(workspace.known_tables, image_set.id)
        return JSONResponse({"files": {**files, **tables}}, headers={"Cache-Control": "no-store"})
    clash, number = _answer(request)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(workspace.folder)) as file:
        await read_body(request, file, MAX_BYTES + MAX_HEADER)
        listed = read_listing(file)
        taken, refused = await anyio.to_thread.run_sync(
            give,
            workspace,
            image_set.id,
            ((name, file.read(size)) for name, size in listed),
            clash,
            number,
            limiter=_at_once,
        )
    return JSONResponse({"taken": taken, "refused": refused})


async def take_zip(request: Request) -> Response:
    """Receive the files of a zip.

    Parameters
    ----------
    request : Request
        Its body is the zip.

    Returns
    -------
    Response
        A stream of events, as :func:`~celltransfer_core.web.arrivals.take_in` yields them.

    Raises
    ------
    RefusedError
        If the request may not change the set, or the disk has no room for the zip.
    """
    workspace, image_set = await run_in_threadpool(_admit, request)
    clash, _ = _answer(request)
    free = shutil.disk_usage(workspace.folder).free - _SPARE_DISK
    file = tempfile.TemporaryFile(dir=workspace.folder)  # noqa: SIM115
    try:
        await read_body(request, file, min(MAX_ZIP, max(0, free)))
    except BaseException:
        file.close()
        raise

    def steps() -> Iterator[dict[str, Any]]:
        with file:
            yield from take_in(workspace, image_set.id, partial(unzip, file), clash)

    return _event_stream(steps())


async def import_folder(request: Request) -> Response:
    """Import the files of a folder on the server.

    Parameters
    ----------
    request : Request
        Its body is JSON: ``path``.

    Returns
    -------
    Response
        See :func:`take_zip`.

    Raises
    ------
    RefusedError
        If the request may not change the set, or the path cannot be read.
    DataError
        If files may not be imported from the folder.
    """
    workspace, image_set = await run_in_threadpool(_admit, request)
    clash, _ = _answer(request)
    with io.BytesIO() as body:
        await read_body(request, body, 10_000)
        try:
            path = json.loads(body.read())["path"]
            folder = await run_in_threadpool(importable, str(path))
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(400, "The folder's path cannot be read.") from error
    return _event_stream(take_in(workspace, image_set.id, folder_source(folder), clash))


def _event_stream(steps: Iterator[dict[str, Any]]) -> Response:
    """Respond with an event for each step, as it is completed."""
    lines = (f"data: {json.dumps(step)}\n\n" for step in steps)

    async def in_turn() -> AsyncIterator[str]:
        while line := await anyio.to_thread.run_sync(next, lines, "", limiter=_at_once):
            yield line

    return StreamingResponse(
        in_turn(),
        media_type="text/event-stream",  # the only type that is never buffered for compression
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
