"""TODO celltransfer_core/web/batches.py."""

from __future__ import annotations

import io
import json
from typing import IO, TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from celltransfer_core.errors import CellTransferError, OutputError, StudyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


BATCH_FILES = 100

BATCH_BYTES = 16_000_000
"""Of a batch of uploaded files; a single file may be as large as :data:`images.MAX_BYTES`."""

MAX_HEADER = 1_000_000  # bytes of a batch's list of names
_CHUNK = 1_000_000


class RefusedError(Exception):
    """A request cannot be done; the reason goes to the client."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


async def read_body(request: Request, file: IO[bytes], most: int) -> None:
    """Write a request's body to a file, a piece at a time."""
    if int(request.headers.get("content-length") or 0) > most:
        raise RefusedError(413, f"Too much at once: at most {most / 1e6:,.0f} MB.")
    size, waiting = 0, bytearray()
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise RefusedError(413, f"Too much at once: at most {most / 1e6:,.0f} MB.")
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
    if length > MAX_HEADER:
        raise RefusedError(413, "The batch's list of names is too long.")
    try:
        found = json.loads(file.read(length))
        listed = [(entry["name"], entry["size"]) for entry in found]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusedError(400, "The batch's list of names cannot be read.") from error
    if not isinstance(found, list) or not all(
        isinstance(name, str) and isinstance(size, int) and size >= 0 for name, size in listed
    ):
        raise RefusedError(400, "The batch's list of names cannot be read.")
    total = sum(size for _, size in listed)
    if len(listed) > BATCH_FILES or (len(listed) > 1 and total > BATCH_BYTES):
        raise RefusedError(
            413, f"A batch has at most {BATCH_FILES} files and {BATCH_BYTES // 1_000_000} MB."
        )
    if 4 + length + total != end:
        raise RefusedError(400, "The batch was cut short; it will be sent again.")
    return listed


_STATUS = {OutputError: 507, StudyError: 409}


def guarded(take: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
    """Tell the client in a sentence what went wrong."""

    async def endpoint(request: Request) -> Response:
        try:
            return await take(request)
        except RefusedError as refused:
            return JSONResponse({"error": refused.reason}, refused.status)
        except CellTransferError as error:
            return JSONResponse({"error": str(error)}, _STATUS.get(type(error), 400))
        except ClientDisconnect:  # cancelled: what came is complete batches, which are kept
            return Response(status_code=499)

    return endpoint
