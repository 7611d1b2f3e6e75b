"""The routes that take in the files of a set: in batches, as a zip, or from a folder on the server.

Names that a client sends are kept as text and never used as paths. A zip or a folder is taken in
batch by batch, and each batch is reported when it is stored.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import anyio
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from celltransfer_core.data.archives import Unpacked, unzip
from celltransfer_core.data.checks import name_problem
from celltransfer_core.data.folders import find_files
from celltransfer_core.data.images import EXTENSIONS, MAX_BYTES
from celltransfer_core.data.tables import LABELS_FILE, METADATA_FILE
from celltransfer_core.errors import CellTransferError, StudyError
from celltransfer_core.studies.records import ImageSet
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.web.addresses import PREFIX, current_workspace, read_token, sign
from celltransfer_core.web.batches import BATCH_BYTES, BATCH_FILES, MAX_HEADER, read_listing
from celltransfer_core.web.folders import importable
from celltransfer_core.web.handling import RefusedError, read_body

MAX_ZIP = 50_000_000_000
"""Bytes of an uploaded zip."""

TOKEN_HEADER = "x-celltransfer-token"  # noqa: S105
_SPARE_DISK = 1_000_000_000  # bytes that a zip must leave free


def upload_access(workspace: Workspace, image_set: ImageSet) -> dict[str, Any]:
    """Return what the browser needs to send files to a set.

    Parameters
    ----------
    workspace : Workspace
    image_set : ImageSet

    Returns
    -------
    dict
        Address relative to the pages, token and its header, limits, extensions of images.
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
        "tables": [LABELS_FILE, METADATA_FILE],
    }


def _opens(image_set: ImageSet) -> str:
    return f"{image_set.study}/{image_set.id}"


def _own_page(request: Request) -> bool:
    """Tell whether a request comes from our own pages, as far as a browser says where from."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _admit(request: Request) -> tuple[Workspace, ImageSet]:
    """Find the set of a request; refuse the request unless it may read or change it."""
    if not _own_page(request):
        raise RefusedError(403, "Files are taken from this app's own pages only.")
    workspace = current_workspace()
    try:
        image_set = workspace.image_set(request.path_params["set"])
        study = workspace.study(image_set.study)
    except StudyError as error:
        raise RefusedError(404, str(error)) from error
    token = request.headers.get(TOKEN_HEADER, "")
    if read_token(workspace, "upload", token) != _opens(image_set):
        raise RefusedError(403, "This page has expired; reload it, then go on.")
    if study.signed and request.method != "GET":
        raise RefusedError(
            409, f"{study.name} was signed off by {study.signed_by}; duplicate it to go on working."
        )
    return workspace, image_set


def _take(
    workspace: Workspace, set_id: str, files: Iterator[tuple[str, bytes]]
) -> tuple[int, list[dict[str, str]]]:
    """Give files to a set; refuse names that cannot be kept before they reach it."""
    refused: list[dict[str, str]] = []

    def with_good_names() -> Iterator[tuple[str, bytes]]:
        for name, data in files:
            folder, _, last = name.rpartition("/")
            problem = name_problem(name)
            if folder and last.lower() in (LABELS_FILE, METADATA_FILE):
                problem = "a table counts only beside the types' folders, not inside one"
            if problem:
                printable = name.encode("utf-8", "backslashreplace").decode()
                refused.append({"name": printable[:200], "reason": problem})
            else:
                yield name, data

    received = workspace.receive(set_id, with_good_names())
    refused += [{"name": name, "reason": reason} for name, reason in received.refused]
    return received.taken, refused


# A batch takes a processor while its images are checked; more at once would only take memory.
_at_once = anyio.CapacityLimiter(2)


async def list_or_take_files(request: Request) -> Response:
    """List what a set has received (GET), or take in a batch of files (POST).

    Parameters
    ----------
    request : Request
        A batch has the format of :mod:`celltransfer_core.web.batches`.

    Returns
    -------
    Response
        JSON: ``files``, from name to bytes; or ``taken``, a number, and ``refused``, with reasons.

    Raises
    ------
    RefusedError
        If the request may not change the set, or the batch cannot be read.
    """
    workspace, image_set = await run_in_threadpool(_admit, request)
    if request.method == "GET":
        known = await run_in_threadpool(workspace.known_files, image_set.id)
        return JSONResponse({"files": known}, headers={"Cache-Control": "no-store"})
    with tempfile.SpooledTemporaryFile(max_size=2 * BATCH_BYTES, dir=str(workspace.folder)) as file:
        await read_body(request, file, MAX_BYTES + MAX_HEADER)
        listed = read_listing(file)
        taken, refused = await anyio.to_thread.run_sync(
            _take,
            workspace,
            image_set.id,
            ((name, file.read(size)) for name, size in listed),
            limiter=_at_once,
        )
    return JSONResponse({"taken": taken, "refused": refused})


async def take_zip(request: Request) -> Response:
    """Take in the files of a zip.

    Parameters
    ----------
    request : Request
        Its body is the zip.

    Returns
    -------
    Response
        A stream of events, one a batch: ``done`` and ``total`` entries, ``taken``, ``refused``; at
        the end ``finished`` or ``error``.

    Raises
    ------
    RefusedError
        If the request may not change the set, or the disk has no room for the zip.
    """
    workspace, image_set = await run_in_threadpool(_admit, request)
    free = shutil.disk_usage(workspace.folder).free - _SPARE_DISK
    file = tempfile.TemporaryFile(dir=workspace.folder)  # noqa: SIM115
    try:
        await read_body(request, file, min(MAX_ZIP, max(0, free)))
    except BaseException:
        file.close()
        raise
    return _event_stream(
        _take_in_batches(workspace, image_set.id, _from_zip(workspace, image_set.id, file))
    )


async def import_folder(request: Request) -> Response:
    """Take in the files of a folder on the server.

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
        If the folder may not be imported from.
    """
    workspace, image_set = await run_in_threadpool(_admit, request)
    with io.BytesIO() as body:
        await read_body(request, body, 10_000)
        try:
            path = json.loads(body.read())["path"]
            folder = await run_in_threadpool(importable, str(path))
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(400, "The folder's path cannot be read.") from error
    return _event_stream(
        _take_in_batches(workspace, image_set.id, _from_folder(workspace, image_set.id, folder))
    )


def _from_zip(workspace: Workspace, set_id: str, file: IO[bytes]) -> Iterator[Unpacked]:
    known = workspace.known_files(set_id)
    with file:
        yield from unzip(file, lambda name, size: known.get(name) != size)


def _from_folder(workspace: Workspace, set_id: str, folder: Path) -> Iterator[Unpacked]:
    known = workspace.known_files(set_id)
    names, left_out = find_files(folder)
    total = len(names) + len(left_out)
    for number, remark in enumerate(left_out, start=1):
        yield Unpacked(remark.file, b"", remark.reason, number, total)
    for number, name in enumerate(names, start=len(left_out) + 1):
        path = folder / name
        try:
            size = path.stat().st_size
            if known.get(name) == size:
                continue
            problem = f"the file is over {MAX_BYTES // 1_000_000} MB" if size > MAX_BYTES else ""
            yield Unpacked(name, b"" if problem else path.read_bytes(), problem, number, total)
        except OSError as error:
            yield Unpacked(name, b"", f"cannot be read ({error.strerror})", number, total)


def _take_in_batches(
    workspace: Workspace, set_id: str, entries: Iterator[Unpacked]
) -> Iterator[dict[str, Any]]:
    """Give entries to a set batch by batch; yield how far it is after each."""
    batch: list[Unpacked] = []
    try:
        for entry in entries:
            batch.append(entry)
            if len(batch) == BATCH_FILES or sum(len(e.data) for e in batch) >= BATCH_BYTES:
                yield _take_batch(workspace, set_id, batch)
                batch = []
        if batch:
            yield _take_batch(workspace, set_id, batch)
        yield {"finished": True}
    except CellTransferError as error:
        yield {"error": str(error)}


def _take_batch(workspace: Workspace, set_id: str, batch: Sequence[Unpacked]) -> dict[str, Any]:
    usable = ((entry.name, entry.data) for entry in batch if not entry.problem)
    taken, refused = _take(workspace, set_id, usable)
    refused += [{"name": e.name, "reason": e.problem} for e in batch if e.problem]
    return {
        "done": batch[-1].number,
        "total": batch[-1].total,
        "taken": taken,
        "refused": refused,
    }


def _event_stream(steps: Iterator[dict[str, Any]]) -> Response:
    """Answer with an event for each step, as it is done."""
    lines = (f"data: {json.dumps(step)}\n\n" for step in steps)
    return StreamingResponse(
        iterate_in_threadpool(lines),
        media_type="text/event-stream",  # the one kind that is never held back to be compressed
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
