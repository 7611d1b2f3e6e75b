"""The route that sends images of cells: whole, cropped, recoloured, or with the crop drawn.

Only images of the study in the address are sent. They are found by their content hash.
"""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from celltransfer_core.data.dataset import PixelScale, read_stored
from celltransfer_core.data.images import decoded
from celltransfer_core.data.pixels import to_rgb
from celltransfer_core.errors import CellTransferError, DataError
from celltransfer_core.framing.crops import Crops
from celltransfer_core.framing.nucleus import draw_cut, find_nucleus
from celltransfer_core.studies.kept import embedded_of
from celltransfer_core.studies.records import BATCH
from celltransfer_core.studies.snapshots import Snapshot
from celltransfer_core.studies.stages import keys_of
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import RGBImage
from celltransfer_core.vocabulary import QUERY
from celltransfer_core.web.addresses import (
    LIFETIME,
    current_workspace,
    is_number,
    numbered_set,
    numbering_of,
    read_token,
)

MIN_SIZE, MAX_SIZE = 16, 2048
"""Range of the longest side of an image that can be requested, in px; images are never enlarged."""

_JPEG_UP_TO = 320  # px: larger images are for close inspection, and are sent lossless
_SHOWS = {"whole", "cut", "field", "outline"}


@dataclass(frozen=True)
class _Wanted:
    """An image, as requested by the address."""

    study: str
    sha256: str
    size: int
    show: str
    role: str
    version: str


@dataclass(frozen=True)
class _Picture:
    """An image, and how its cell is cropped."""

    wanted: _Wanted
    crops: Crops | None
    """None while it is not known how cells are cropped."""
    cell: int

    @cached_property
    def tag(self) -> str:
        """Strong entity tag: changes whenever a byte may have changed."""
        seen = self.crops.variant if self.crops is not None else f"whole {self.wanted.version}"
        parts = f"1 {self.wanted.sha256} {self.wanted.size} {self.wanted.show} {seen}"
        return f'"{hashlib.sha256(parts.encode()).hexdigest()[:24]}"'


def _locate(workspace: Workspace, snapshot: Snapshot, wanted: _Wanted) -> tuple[_Picture, bool]:
    """Find out how a cell is cropped, and whether that is final for this address."""
    if wanted.show == "whole":
        return _Picture(wanted, None, -1), True
    prepared = embedded_of(workspace, snapshot)
    crops = prepared.framing.crops.get(wanted.role) if prepared is not None else None
    if crops is None:
        return _Picture(wanted, None, -1), False
    cell = _position(crops.dataset.cells, wanted.sha256)
    if cell is None:
        return _Picture(wanted, None, -1), False
    return _Picture(wanted, crops, cell), wanted.version == keys_of(workspace, snapshot)["embed"]


def _position(cells: Sequence[str], sha256: str) -> int | None:
    """Find a cell among the sorted hashes of a set."""
    cell = bisect_left(cells, sha256)
    return cell if cell < len(cells) and cells[cell] == sha256 else None


def _draw(workspace: Workspace, snapshot: Snapshot, picture: _Picture) -> tuple[bytes, str]:
    from PIL import Image

    file = io.BytesIO()
    size = picture.wanted.size
    with _pixels(workspace, snapshot, picture) as image:
        shown = Image.fromarray(image)
        shown.thumbnail((size, size), Image.Resampling.LANCZOS)
    if (
        picture.wanted.show == "cut" and picture.crops is not None
    ):  # small images are recoloured quickly
        shown = Image.fromarray(picture.crops.recoloured(np.asarray(shown), picture.cell))
    if size <= _JPEG_UP_TO:
        shown.save(file, "JPEG", quality=90)
        return file.getvalue(), "image/jpeg"
    shown.save(file, "PNG", compress_level=3)
    return file.getvalue(), "image/png"


@contextmanager
def _pixels(workspace: Workspace, snapshot: Snapshot, picture: _Picture) -> Iterator[RGBImage]:
    """Read the pixels to draw; only a few large images are held in memory at a time."""
    wanted, crops = picture.wanted, picture.crops
    if wanted.show in ("cut", "field") and crops is not None:
        yield crops.field(picture.cell)
        return
    with decoded(read_stored(workspace.images, wanted.sha256)) as pixels:
        needed = pixels.deep or pixels.channels
        scale = _scale(workspace, snapshot, wanted) if needed else PixelScale()
        image = to_rgb(pixels, scale.intensity, scale.channels)
        yield image if wanted.show != "outline" else _outlined(image, picture)


def _outlined(image: RGBImage, picture: _Picture) -> RGBImage:
    crops = picture.crops
    known = crops.nuclei[picture.cell] if crops is not None and crops.nuclei is not None else None
    nucleus = known or find_nucleus(image)
    return image if nucleus is None else draw_cut(image, nucleus)


def _scale(workspace: Workspace, snapshot: Snapshot, wanted: _Wanted) -> PixelScale:
    """Find the scale of the sets from which a cell is shown."""
    shown = [s for s in snapshot.sets if wanted.role in (s.role, s.name * (s.role == "extra"))]
    # Batches are typed one by one, and a table that cannot be read in one must not hide the others.
    together = [[one] for one in shown] if wanted.role == BATCH else [shown]
    for sets in (*together, *([one] for one in snapshot.sets)):
        try:
            dataset = workspace.pool_sets(sets)
        except DataError:
            continue
        cell = None if dataset is None else _position(dataset.cells, wanted.sha256)
        if dataset is not None and cell is not None:
            return dataset.cell_scales[cell]
    return PixelScale()


def _refuse(status: int, reason: str) -> PlainTextResponse:
    return PlainTextResponse(reason, status, headers={"Cache-Control": "no-store"})


def send_picture(request: Request) -> Response:
    """Send an image of a cell.

    Parameters
    ----------
    request : Request
        A request for an address from :func:`~celltransfer_core.web.addresses.image_url`.

    Returns
    -------
    Response
        JPEG or PNG; 304 if the browser has it, 400 or 403 for an address that is not ours, 404 if
        there is no such image.
    """
    workspace = current_workspace()
    study, sha256 = request.path_params["study"], request.path_params["sha256"]
    asked = request.query_params
    if read_token(workspace, "image", asked.get("t", "")) != study:
        return _refuse(403, "This address has expired; reload the page.")
    try:
        size = min(max(int(asked.get("size", "")), MIN_SIZE), MAX_SIZE)
    except ValueError:
        return _refuse(400, "The size must be a number of pixels.")
    show = asked.get("show", "whole")
    if show not in _SHOWS:
        return _refuse(
            400,
            "A cell is shown whole, cropped, as its field of view, or with the outline of the "
            "crop.",
        )
    wanted = _Wanted(study, sha256, size, show, asked.get("role", QUERY), asked.get("v", ""))
    try:
        snapshot = workspace.snapshot(study)
        if numbered := is_number(sha256):
            wanted = replace(wanted, sha256=_nth(workspace, snapshot, wanted.role, int(sha256)))
        if not (wanted.sha256 if numbered else workspace.has_image(study, sha256)):
            return _refuse(404, "The study has no such image.")
        picture, lasting = _locate(workspace, snapshot, wanted)
        if numbered:  # a number refers to another cell once images are added
            now = numbering_of(workspace, snapshot, wanted.role)
            lasting = lasting and asked.get("n") == now
        headers = {
            "ETag": picture.tag,
            "Cache-Control": f"private, max-age={2 * LIFETIME}" if lasting else "private, no-cache",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if picture.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        data, kind = _draw(workspace, snapshot, picture)
    except (CellTransferError, OSError):
        return _refuse(404, "The image cannot be shown.")
    return Response(data, media_type=kind, headers=headers)


def _nth(workspace: Workspace, snapshot: Snapshot, role: str, number: int) -> str:
    """Return the hash of a cell by its number; empty if there is none."""
    dataset = numbered_set(workspace, snapshot, role)
    return dataset.cells[number] if dataset and number < len(dataset) else ""
