"""Large files to take away: made beside the pages, kept by key, sent from disk.

A page's thread never waits for one, and memory never holds one. What was made lies with the
study's other results, so that a restart loses nothing, and goes when the study does.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from celltransfer_core.cache import home
from celltransfer_core.errors import CellTransferError
from celltransfer_core.studies import Workspace
from celltransfer_core.types import Progress

if TYPE_CHECKING:
    from collections.abc import Coroutine

PREFIX = "ct"

LIFETIME = 12 * 3600
"""Seconds that an address holds."""

_NAME = re.compile(r"export-[a-z0-9-]+\.[a-z0-9]+")


@dataclass
class Preparation:
    """How far a file is."""

    done: int = 0
    total: int = 0
    problem: str = ""
    """Why it could not be made; empty while all is well."""
    future: Future[None] | None = None


_lock = threading.Lock()
_under_way: dict[Path, Preparation] = {}
_maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="exports")


def export_path(workspace: Workspace, study: str, name: str, suffix: str, *decides: Any) -> Path:
    """Return where a file lies, or will lie.

    Parameters
    ----------
    workspace : Workspace
    study : str
        Its id.
    name : str
        Lower-case letters and hyphens.
    suffix : str
        Such as ``.zip``.
    *decides
        Everything that decides what is in it; JSON values.

    Returns
    -------
    Path
    """
    key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    return workspace.result_path(study, f"export-{name}", key).with_suffix(suffix)


def prepare(path: Path, write: Callable[[Path, Progress], object]) -> Future[None]:
    """Make a file in the background, one at a time; older ones of its name are deleted.

    Parameters
    ----------
    path : Path
        From :func:`export_path`.
    write : callable
        Writes the file to a path, whole or not at all, and tells its progress.

    Returns
    -------
    Future
        To wait for; :func:`preparation` tells how it goes. Of a file that is under way, the one
        under way.
    """
    with _lock:
        state = _under_way.get(path)
        if state is not None and not state.problem and state.future is not None:
            return state.future
        state = _under_way[path] = Preparation()
        state.future = _maker.submit(_make, path, write, state)
        return state.future


def _make(path: Path, write: Callable[[Path, Progress], object], state: Preparation) -> None:
    def progress(_: str, done: int, total: int) -> None:
        state.done, state.total = done, total

    try:
        for old in path.parent.glob(f"{path.stem.rsplit('-', 1)[0]}-*{path.suffix}"):
            if old.stem.rsplit("-", 1)[0] == path.stem.rsplit("-", 1)[0]:
                old.unlink(missing_ok=True)
        write(path, progress)
    except CellTransferError as error:
        state.problem = str(error)
    except Exception as error:
        state.problem = f"A fault of ours ({type(error).__name__}: {error}). Please report it."
    else:
        with _lock:
            del _under_way[path]


def wait() -> None:
    """Wait until everything that was asked for is made."""
    _maker.submit(lambda: None).result()


def preparation(path: Path) -> Preparation | None:
    """Tell how far a file is.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Preparation or None
        None where nobody is at it: it is there, or was not asked for.
    """
    with _lock:
        return _under_way.get(path)


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


def routes(base: str = "") -> list[Route]:
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
