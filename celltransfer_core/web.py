"""Routes beside the pages: images of a study out, files of a set in.

They lie outside the pages' login, so every request carries a token that is signed with the
workspace's secret, holds for one study or one set of it, and expires. Only images of that study are
served, found by their content hash; names that a client sends are kept as text and never used as
paths. Files come in as batches, as a zip, or from a folder on the server where that is allowed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import anyio
import numpy as np
from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from celltransfer_core import jobs
from celltransfer_core.cache import home
from celltransfer_core.datasets import (
    LABELS_FILE,
    METADATA_FILE,
    Unpacked,
    find_files,
    name_problem,
    stored_at,
    unzip,
)
from celltransfer_core.errors import CellTransferError, DataError, OutputError, StudyError
from celltransfer_core.framing import FIELD_OF_VIEW, Crops, Nucleus, find_nucleus
from celltransfer_core.images import EXTENSIONS, MAX_BYTES, read_pixels, to_rgb
from celltransfer_core.matching import QUERY, REFERENCE
from celltransfer_core.studies import ImageSet, Workspace
from celltransfer_core.types import RGBImage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PREFIX = "ct"

LIFETIME = 12 * 3600
"""Seconds that an address holds at least; at most twice that."""

MIN_SIZE, MAX_SIZE = 16, 2048
"""Longest side of a picture that can be asked for, in px; pictures are never enlarged."""

BATCH_FILES = 100
BATCH_BYTES = 16_000_000
"""Of a batch of uploaded files; a single file may be as large as :data:`images.MAX_BYTES`."""

MAX_ZIP = 50_000_000_000
"""Bytes of an uploaded zip."""

TOKEN_HEADER = "x-celltransfer-token"  # noqa: S105
ROOTS = "CELLTRANSFER_ROOTS"
"""Environment variable: folders on the server that may be imported from, as in ``PATH``."""

_MAX_HEADER = 1_000_000  # bytes of a batch's list of names
_CHUNK = 1_000_000
_SPARE_DISK = 1_000_000_000  # bytes that a zip must leave free
_JPEG_UP_TO = 320  # px: larger pictures are looked at closely, and lose nothing
_DIGITS = 10  # of a cell's number; its hash is far longer
_FRAME = ((0, 0, 0), (255, 214, 0))  # seen on light and on dark


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


def _sign(workspace: Workspace, purpose: str, value: str) -> str:
    return str(_serializer(workspace.folder, purpose).dumps(value))


def _holds(workspace: Workspace, purpose: str, token: str, value: str) -> bool:
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
    query: dict[str, Any] = {"size": int(size), "t": _sign(workspace, "image", study_id)}
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
        return jobs.stage_keys(_workspace(folder), study_id).get("embed", "")
    except CellTransferError:
        return ""


@dataclass(frozen=True)
class _Wanted:
    """A picture, as the address asks for it."""

    study: str
    sha256: str
    size: int
    show: str
    role: str
    version: str


@dataclass(frozen=True)
class _Picture:
    """Where a picture comes from."""

    wanted: _Wanted
    crops: Crops | None
    """None while it is not known how cells are cut."""
    cell: int

    @property
    def tag(self) -> str:
        """Strong entity tag: changes whenever a byte may."""
        seen = self.crops.variant if self.crops is not None else "whole"
        parts = f"1 {self.wanted.sha256} {self.wanted.size} {self.wanted.show} {seen}"
        return f'"{hashlib.sha256(parts.encode()).hexdigest()[:24]}"'


def _locate(workspace: Workspace, wanted: _Wanted) -> tuple[_Picture, bool]:
    """Find out how a cell is cut; tell whether that will stay so under this address."""
    if wanted.show == "whole":
        return _Picture(wanted, None, -1), True
    keys = jobs.stage_keys(workspace, wanted.study)
    prepared = jobs.load_prepared(workspace, wanted.study)
    crops = prepared.framing.crops.get(wanted.role) if prepared is not None else None
    if crops is None:
        return _Picture(wanted, None, -1), False
    cells = crops.dataset.cells
    cell = bisect_left(cells, wanted.sha256)
    if cell == len(cells) or cells[cell] != wanted.sha256:
        return _Picture(wanted, None, -1), False
    return _Picture(wanted, crops, cell), wanted.version == keys["embed"]


def _draw(workspace: Workspace, picture: _Picture) -> tuple[bytes, str]:
    from PIL import Image

    image = _pixels(workspace, picture)
    shown = Image.fromarray(image)
    size = picture.wanted.size
    shown.thumbnail((size, size), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    if size <= _JPEG_UP_TO:
        shown.save(file, "JPEG", quality=90)
        return file.getvalue(), "image/jpeg"
    shown.save(file, "PNG", compress_level=3)
    return file.getvalue(), "image/png"


def _pixels(workspace: Workspace, picture: _Picture) -> RGBImage:
    wanted, crops = picture.wanted, picture.crops
    if wanted.show == "cut" and crops is not None:
        return crops[picture.cell]
    pixels = read_pixels(stored_at(workspace.images, wanted.sha256).read_bytes())
    intensity = _intensity(workspace, wanted) if pixels.deep else None
    image = to_rgb(pixels, intensity)
    if wanted.show != "outline":
        return image
    known = crops.nuclei[picture.cell] if crops is not None and crops.nuclei is not None else None
    nucleus = known or find_nucleus(image)
    return image if nucleus is None else draw_cut(image, nucleus)


def _intensity(workspace: Workspace, wanted: _Wanted) -> tuple[float, float] | None:
    for image_set in workspace.sets(wanted.study):
        dataset = workspace.dataset(image_set)
        cell = bisect_left(dataset.cells, wanted.sha256)
        if cell < len(dataset.cells) and dataset.cells[cell] == wanted.sha256:
            return dataset.intensity
    return None


def draw_cut(image: RGBImage, nucleus: Nucleus) -> RGBImage:
    """Draw on a whole image what :func:`framing.cut` would take of it.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    nucleus : Nucleus

    Returns
    -------
    ndarray of uint8, shape (h', w', 3)
        Larger than the image where the cut goes beyond it.
    """
    from PIL import Image, ImageDraw

    side = max(8, round(FIELD_OF_VIEW * nucleus.extent))
    left, top = round(nucleus.x - side / 2), round(nucleus.y - side / 2)
    height, width = image.shape[:2]
    before = (max(0, -left), max(0, -top))
    after = (max(0, left + side - width), max(0, top + side - height))
    canvas = Image.new(
        "RGB",
        (before[0] + width + after[0], before[1] + height + after[1]),
        tuple(int(value) for value in np.rint(nucleus.background)),
    )
    canvas.paste(Image.fromarray(image), before)
    pen = ImageDraw.Draw(canvas)
    line = max(1, max(canvas.size) // 60)
    x, y = left + before[0], top + before[1]
    for inset, colour in ((0, _FRAME[0]), (line, _FRAME[1])):
        box = (x + inset, y + inset, x + side - 1 - inset, y + side - 1 - inset)
        pen.rectangle(box, outline=colour, width=line)
    return np.asarray(canvas, dtype=np.uint8)


def _refuse(status: int, reason: str) -> PlainTextResponse:
    return PlainTextResponse(reason, status, headers={"Cache-Control": "no-store"})


def _image(request: Request) -> Response:
    workspace = _workspace(home().absolute())
    study, sha256 = request.path_params["study"], request.path_params["sha256"]
    asked = request.query_params
    if not _holds(workspace, "image", asked.get("t", ""), study):
        return _refuse(403, "This address has expired; reload the page.")
    try:
        size = min(max(int(asked.get("size", "")), MIN_SIZE), MAX_SIZE)
    except ValueError:
        return _refuse(400, "The size is a number of pixels.")
    show = asked.get("show", "whole")
    if show not in {"whole", "cut", "outline"}:
        return _refuse(400, "A cell is shown whole, cut, or with the cut's outline.")
    wanted = _Wanted(study, sha256, size, show, asked.get("role", QUERY), asked.get("v", ""))
    try:
        workspace.study(study)
        numbered = len(sha256) < _DIGITS and sha256.isdecimal()
        if numbered:
            sha256 = _nth(workspace, study, wanted.role, int(sha256))
            wanted = replace(wanted, sha256=sha256)
        if not workspace.has_image(study, sha256):
            return _refuse(404, "The study has no such image.")
        picture, lasting = _locate(workspace, wanted)
        lasting = lasting and not numbered  # a number is another cell's once images are added
        headers = {
            "ETag": picture.tag,
            "Cache-Control": f"private, max-age={2 * LIFETIME}" if lasting else "private, no-cache",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if picture.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        data, kind = _draw(workspace, picture)
    except (CellTransferError, OSError):
        return _refuse(404, "The image cannot be shown.")
    return Response(data, media_type=kind, headers=headers)


def _nth(workspace: Workspace, study: str, role: str, number: int) -> str:
    """Find a cell by its number; an empty text if there is none."""
    if role not in (QUERY, REFERENCE):
        return ""
    dataset = workspace.pooled(study, role)  # type: ignore[arg-type]
    return dataset.cells[number] if dataset and number < len(dataset) else ""


# Files in


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
        "token": _sign(workspace, "upload", _bound_to(image_set)),
        "batch_files": BATCH_FILES,
        "batch_bytes": BATCH_BYTES,
        "file_bytes": MAX_BYTES,
        "zip_bytes": MAX_ZIP,
        "extensions": sorted(EXTENSIONS),
        "tables": [LABELS_FILE, METADATA_FILE],
    }


def import_roots() -> tuple[Path, ...]:
    """List the folders on the server that may be imported from.

    Returns
    -------
    tuple of Path
        None unless the administrator lists them in :data:`ROOTS`.
    """
    listed = os.environ.get(ROOTS, "").split(os.pathsep)
    return tuple(Path(root).resolve() for root in listed if root.strip() and Path(root).is_dir())


def importable(path: str) -> Path:
    """Resolve a folder on the server, if it may be imported from.

    Parameters
    ----------
    path : str

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If it lies in none of :func:`import_roots`, links followed, or is no folder.
    """
    try:
        folder = Path(path.strip()).resolve()
        if any(folder.is_relative_to(root) for root in import_roots()) and folder.is_dir():
            return folder
    except (OSError, ValueError, RuntimeError):  # such as a NUL, or a link to itself
        pass
    raise DataError(
        "There is no such folder among those that may be imported from; ask your administrator "
        f"to list it in {ROOTS}."
    )


class _RefusedError(Exception):
    """A request cannot be done; the reason goes to the client."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def _bound_to(image_set: ImageSet) -> str:
    return f"{image_set.study}/{image_set.id}"


def _own_page(request: Request) -> bool:
    """Tell whether a request comes from our own pages, as far as a browser says where from."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _admit(request: Request) -> tuple[Workspace, ImageSet]:
    """Let a request through to its set."""
    if not _own_page(request):
        raise _RefusedError(403, "Files are taken from this app's own pages only.")
    workspace = _workspace(home().absolute())
    try:
        image_set = workspace.image_set(request.path_params["set"])
        study = workspace.study(image_set.study)
    except StudyError as error:
        raise _RefusedError(404, str(error)) from error
    token = request.headers.get(TOKEN_HEADER, "")
    if not _holds(workspace, "upload", token, _bound_to(image_set)):
        raise _RefusedError(403, "This page has expired; reload it, then go on.")
    if study.signed and request.method != "GET":
        raise _RefusedError(
            409, f"{study.name} was signed off by {study.signed_by}; duplicate it to go on working."
        )
    return workspace, image_set


async def _read_body(request: Request, file: IO[bytes], most: int) -> None:
    """Write a request's body to a file, a piece at a time."""
    if int(request.headers.get("content-length") or 0) > most:
        raise _RefusedError(413, f"Too much at once: at most {most / 1e6:,.0f} MB.")
    size, waiting = 0, bytearray()
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _RefusedError(413, f"Too much at once: at most {most / 1e6:,.0f} MB.")
        waiting += chunk
        if len(waiting) >= _CHUNK:
            await run_in_threadpool(file.write, bytes(waiting))
            waiting.clear()
    await run_in_threadpool(file.write, bytes(waiting))
    file.seek(0)


def _batch(file: IO[bytes]) -> list[tuple[str, int]]:
    """Read a batch's list of names and sizes; the files' bytes follow it, end to end.

    It is JSON, ``[{"name": ..., "size": ...}, ...]``, behind its length in four bytes, big-endian.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(4), "big")
    if length > _MAX_HEADER:
        raise _RefusedError(413, "The batch's list of names is too long.")
    try:
        found = json.loads(file.read(length))
        listed = [(entry["name"], entry["size"]) for entry in found]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _RefusedError(400, "The batch's list of names cannot be read.") from error
    if not isinstance(found, list) or not all(
        isinstance(name, str) and isinstance(size, int) and size >= 0 for name, size in listed
    ):
        raise _RefusedError(400, "The batch's list of names cannot be read.")
    total = sum(size for _, size in listed)
    if len(listed) > BATCH_FILES or (len(listed) > 1 and total > BATCH_BYTES):
        raise _RefusedError(
            413, f"A batch has at most {BATCH_FILES} files and {BATCH_BYTES // 1_000_000} MB."
        )
    if 4 + length + total != end:
        raise _RefusedError(400, "The batch was cut short; it will be sent again.")
    return listed


def _take(
    workspace: Workspace, set_id: str, files: Iterator[tuple[str, bytes]]
) -> tuple[int, list[dict[str, str]]]:
    """Give files to a set; names that cannot be kept are refused before."""
    refused: list[dict[str, str]] = []

    def named_well() -> Iterator[tuple[str, bytes]]:
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

    received = workspace.receive(set_id, named_well())
    refused += [{"name": name, "reason": reason} for name, reason in received.refused]
    return received.taken, refused


# A batch takes a processor while its images are checked; more at once would only take memory.
_at_once = anyio.CapacityLimiter(2)


async def _files(request: Request) -> Response:
    workspace, image_set = await run_in_threadpool(_admit, request)
    if request.method == "GET":
        known = await run_in_threadpool(workspace.known_files, image_set.id)
        return JSONResponse({"files": known}, headers={"Cache-Control": "no-store"})
    with tempfile.SpooledTemporaryFile(max_size=2 * BATCH_BYTES, dir=str(workspace.folder)) as file:
        await _read_body(request, file, MAX_BYTES + _MAX_HEADER)
        listed = _batch(file)
        taken, refused = await anyio.to_thread.run_sync(
            _take,
            workspace,
            image_set.id,
            ((name, file.read(size)) for name, size in listed),
            limiter=_at_once,
        )
    return JSONResponse({"taken": taken, "refused": refused})


async def _zip(request: Request) -> Response:
    workspace, image_set = await run_in_threadpool(_admit, request)
    free = shutil.disk_usage(workspace.folder).free - _SPARE_DISK
    file = tempfile.TemporaryFile(dir=workspace.folder)  # noqa: SIM115
    try:
        await _read_body(request, file, min(MAX_ZIP, max(0, free)))
    except BaseException:
        file.close()
        raise
    return _told(_feed(workspace, image_set.id, _from_zip(workspace, image_set.id, file)))


async def _folder(request: Request) -> Response:
    workspace, image_set = await run_in_threadpool(_admit, request)
    with io.BytesIO() as body:
        await _read_body(request, body, 10_000)
        try:
            path = json.loads(body.read())["path"]
            folder = await run_in_threadpool(importable, str(path))
        except (ValueError, KeyError, TypeError) as error:
            raise _RefusedError(400, "The folder's path cannot be read.") from error
    return _told(_feed(workspace, image_set.id, _from_folder(workspace, image_set.id, folder)))


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


def _feed(
    workspace: Workspace, set_id: str, entries: Iterator[Unpacked]
) -> Iterator[dict[str, Any]]:
    """Give entries to a set, batch by batch, and say how far it is after each."""
    batch: list[Unpacked] = []
    try:
        for entry in entries:
            batch.append(entry)
            if len(batch) == BATCH_FILES or sum(len(e.data) for e in batch) >= BATCH_BYTES:
                yield _give(workspace, set_id, batch)
                batch = []
        if batch:
            yield _give(workspace, set_id, batch)
        yield {"finished": True}
    except CellTransferError as error:
        yield {"error": str(error)}


def _give(workspace: Workspace, set_id: str, batch: Sequence[Unpacked]) -> dict[str, Any]:
    usable = ((entry.name, entry.data) for entry in batch if not entry.problem)
    taken, refused = _take(workspace, set_id, usable)
    refused += [{"name": e.name, "reason": e.problem} for e in batch if e.problem]
    return {
        "done": batch[-1].number,
        "total": batch[-1].total,
        "taken": taken,
        "refused": refused,
    }


def _told(steps: Iterator[dict[str, Any]]) -> Response:
    """Answer with an event a step, as it is done."""
    lines = (f"data: {json.dumps(step)}\n\n" for step in steps)
    return StreamingResponse(
        iterate_in_threadpool(lines),
        media_type="text/event-stream",  # the one kind that is never held back to be compressed
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


_STATUS = {OutputError: 507, StudyError: 409}


def _guarded(take: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
    """Tell the client in a sentence what went wrong."""

    async def endpoint(request: Request) -> Response:
        try:
            return await take(request)
        except _RefusedError as refused:
            return JSONResponse({"error": refused.reason}, refused.status)
        except CellTransferError as error:
            return JSONResponse({"error": str(error)}, _STATUS.get(type(error), 400))
        except ClientDisconnect:  # cancelled: what came is complete batches, which are kept
            return Response(status_code=499)

    return endpoint


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
        Route(f"{root}/files/{{set}}", _guarded(_files), methods=["GET", "POST"]),
        Route(f"{root}/files/{{set}}/zip", _guarded(_zip), methods=["POST"]),
        Route(f"{root}/files/{{set}}/folder", _guarded(_folder), methods=["POST"]),
    ]
