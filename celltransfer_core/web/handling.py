"""What all routes share: requests are read within limits, and refusals come as one sentence."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from celltransfer_core.errors import CellTransferError, OutputError, StudyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CHUNK = 1_000_000  # bytes of a body that are written at once
_STATUS = {OutputError: 507, StudyError: 409}


class RefusedError(Exception):
    """A request is refused.

    Parameters
    ----------
    status : int
        Of the HTTP response.
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
        At its start afterwards.
    most : int
        Bytes that the body may have.

    Raises
    ------
    RefusedError
        As soon as there are more.
    """
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


def guarded(take: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
    """Turn the errors of an endpoint into responses with a sentence for the client.

    Parameters
    ----------
    take : coroutine function
        From a request to a response.

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
        except ClientDisconnect:  # cancelled: what came is complete batches, which are kept
            return Response(status_code=499)

    return endpoint


def in_thread(answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
    """Run an endpoint that blocks in a thread of its own.

    Parameters
    ----------
    answer : callable
        From a request to a response.

    Returns
    -------
    coroutine function
    """

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return endpoint
