"""Parts shared by all routes: limits on requests, and refusals in one sentence."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from celltransfer_core.errors import CellTransferError, OutputError, StudyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Seconds allowed for a body in addition to its length, and for each of its pieces."""

SLOWEST = 10_000
"""Minimum rate of a body in bytes per second: endless uploads would fill the server."""

_CHUNK = 250_000  # bytes of a body that are written together
_STATUS = {OutputError: 507, StudyError: 409}


class RefusedError(Exception):
    """A request is refused.

    Parameters
    ----------
    status : int
        Status of the HTTP response.
    reason : str
        A sentence for the client.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


async def read_body(request: Request, file: IO[bytes], most: int) -> None:
    """Write a request's body to a file, a piece at a time.

    Parameters
    ----------
    request : Request
    file : binary file
        Positioned at its start afterwards.
    most : int
        Maximum size of the body in bytes.

    Raises
    ------
    RefusedError
        As soon as there are more bytes, they arrive too slowly, or the disk is full.
    """
    if int(request.headers.get("content-length") or 0) > most:
        raise RefusedError(413, f"The request is too large: at most {most / 1e6:,.0f} MB.")
    size, waiting = 0, bytearray()
    pieces, started = request.stream(), anyio.current_time()
    while True:
        left = PATIENCE + size / SLOWEST - (anyio.current_time() - started)
        try:
            with anyio.fail_after(max(0.0, min(PATIENCE, left))):
                chunk = await anext(pieces, None)
        except TimeoutError as error:
            raise RefusedError(
                408, "The files arrived too slowly and the upload was stopped; send them again."
            ) from error
        if chunk is None:
            break
        size += len(chunk)
        if size > most:
            raise RefusedError(413, f"The request is too large: at most {most / 1e6:,.0f} MB.")
        waiting += chunk
        if len(waiting) >= _CHUNK:
            await _write(file, bytes(waiting))
            waiting.clear()
    await _write(file, bytes(waiting))
    file.seek(0)


async def _write(file: IO[bytes], piece: bytes) -> None:
    try:
        await run_in_threadpool(file.write, piece)
    except OSError as error:
        raise RefusedError(
            507, f"There is not enough space for the files on the server ({error.strerror})."
        ) from error


def guarded(take: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
    """Turn the errors of an endpoint into responses with a sentence for the client.

    Parameters
    ----------
    take : coroutine function
        Takes a request and returns a response.

    Returns
    -------
    coroutine function
    """

    async def endpoint(request: Request) -> Response:
        try:
            return await take(request)
        except RefusedError as refused:
            return JSONResponse({"error": refused.reason}, refused.status)
        except CellTransferError as error:
            return JSONResponse({"error": str(error)}, _STATUS.get(type(error), 400))
        except ClientDisconnect:  # cancelled: complete batches that arrived are kept
            return Response(status_code=499)

    return endpoint


def in_thread(answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
    """Run a blocking endpoint in a separate thread; see :func:`guarded` for its errors.

    Parameters
    ----------
    answer : callable
        Takes a request and returns a response.

    Returns
    -------
    coroutine function
    """

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return guarded(endpoint)
