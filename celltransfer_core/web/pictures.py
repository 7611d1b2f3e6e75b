"""TODO celltransfer_core/web/pictures.py."""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_left
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from celltransfer_core.data.dataset import stored_at
from celltransfer_core.data.images import read_pixels, to_rgb
from celltransfer_core.errors import CellTransferError
from celltransfer_core.framing.crops import Crops
from celltransfer_core.framing.nucleus import draw_cut, find_nucleus
from celltransfer_core.runtime.cache import home
from celltransfer_core.studies.kept import load_prepared
from celltransfer_core.studies.stages import stage_keys
from celltransfer_core.studies.workspace import Workspace
from celltransfer_core.types import RGBImage
from celltransfer_core.vocabulary import QUERY, REFERENCE
from celltransfer_core.web.addresses import LIFETIME, _workspace, holds

MIN_SIZE, MAX_SIZE = 16, 2048
"""Longest side of a picture that can be asked for, in px; pictures are never enlarged."""

_JPEG_UP_TO = 320  # px: larger pictures are looked at closely, and lose nothing
_DIGITS = 10  # of a cell's number; its hash is far longer


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
    keys = stage_keys(workspace, wanted.study)
    prepared = load_prepared(workspace, wanted.study)
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


def _refuse(status: int, reason: str) -> PlainTextResponse:
    return PlainTextResponse(reason, status, headers={"Cache-Control": "no-store"})


def _image(request: Request) -> Response:
    workspace = _workspace(home().absolute())
    study, sha256 = request.path_params["study"], request.path_params["sha256"]
    asked = request.query_params
    if not holds(workspace, "image", asked.get("t", ""), study):
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
