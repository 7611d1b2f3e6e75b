"""Two small sets of drawn cells, so that everything can be tried with nothing downloaded.

A cell is drawn as a stained smear is seen: dyes lie in the places where they do in a real cell,
and each takes its share of the light. One set is drawn as a clean microscope would show it, the
other with another stain, scale, blur and noise, other proportions, and a type the first one lacks.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.errors import OutputError
from celltransfer_core.execution import run_tasks
from celltransfer_core.types import Float32, Progress, RGBImage, silent

if TYPE_CHECKING:
    from PIL import Image

    from celltransfer_core.pipeline import Named
    from celltransfer_core.studies import Study, Workspace

DRAWN_NOTICE = (
    "Drawn cells, not real ones: these pictures are made by a program to try CellTransfer with; "
    "they show no patient and prove nothing about accuracy on real cells."
)

DEMO_NAME = "Demo: drawn cells"
DEMO_READER = "Demo reader"
"""Who said what is ready in the demo study."""

_opening = threading.Lock()

_READY_REVIEWS = 12
_SECONDS_EACH = 4

_RGB = tuple[float, float, float]

_PER_TYPE, _QUERY_CELLS = 40, 240

_SUPERSAMPLING = 2
_DYES = ("chromatin", "blue", "pink", "orange", "violet", "haemoglobin")


@dataclass(frozen=True)
class Style:
    """How a microscope and its stain show a cell.

    Parameters
    ----------
    size : int
        Side of the square image, px.
    um_per_px : float
        Size of a pixel, µm.
    background : tuple of float
        RGB of the empty slide, 0–255.
    dyes : mapping of str to tuple of float
        Optical density (natural logarithm) of each dye in R, G and B at concentration 1.
    strength : float
        Factor on all optical densities.
    blur : tuple of float
        Lowest and highest standard deviation of the blur, px.
    noise : float
        Standard deviation of the sensor's noise, grey levels.
    shading : float
        How much darker one side of the image may be, as a share of the light.
    jpeg_quality : int or None
        Quality of a JPEG compression that leaves its marks; None for none.
    """

    size: int
    um_per_px: float
    background: _RGB
    dyes: Mapping[str, _RGB]
    strength: float = 1.0
    blur: tuple[float, float] = (0.0, 0.4)
    noise: float = 1.0
    shading: float = 0.0
    jpeg_quality: int | None = None


REFERENCE_STYLE = Style(
    size=112,
    um_per_px=0.23,
    background=(247, 241, 243),
    dyes=MappingProxyType(
        {
            "chromatin": (0.98, 1.62, 0.50),
            "blue": (0.42, 0.33, 0.10),
            "pink": (0.05, 0.22, 0.13),
            "orange": (0.10, 0.66, 0.86),
            "violet": (1.10, 1.75, 0.55),
            "haemoglobin": (0.12, 0.33, 0.30),
        }
    ),
)
"""A clean May-Grünwald-Giemsa look: nearly white slide, purple nuclei, sharp."""

QUERY_STYLE = Style(
    size=128,
    um_per_px=0.155,
    background=(240, 226, 176),
    dyes=MappingProxyType(
        {
            "chromatin": (0.72, 1.66, 0.72),
            "blue": (0.40, 0.30, 0.20),
            "pink": (0.11, 0.24, 0.20),
            "orange": (0.18, 0.62, 0.66),
            "violet": (0.85, 1.75, 0.75),
            "haemoglobin": (0.10, 0.22, 0.24),
        }
    ),
    strength=0.88,
    blur=(0.9, 2.0),
    noise=4.0,
    shading=0.12,
    jpeg_quality=60,
)
"""Another microscope: yellow light, a redder and weaker stain, closer, blurred and compressed."""


@dataclass(frozen=True)
class _Slide:
    name: str
    patient: str
    strength: float
    background: _RGB
    shares: Mapping[str, float]


# The query: neutrophils lead as in blood, two types of the reference are missing, one is new.
_SLIDES = (
    _Slide(
        "slide-1",
        "patient-1",
        0.88,
        (240, 226, 176),
        {
            "neutrophil": 0.56,
            "lymphocyte": 0.15,
            "monocyte": 0.12,
            "eosinophil": 0.05,
            "plasma cell": 0.12,
        },
    ),
    _Slide(
        "slide-2",
        "patient-1",
        0.80,
        (238, 228, 190),
        {
            "neutrophil": 0.52,
            "lymphocyte": 0.18,
            "monocyte": 0.10,
            "eosinophil": 0.08,
            "plasma cell": 0.12,
        },
    ),
    _Slide(
        "slide-3",
        "patient-2",
        0.98,
        (236, 218, 160),
        {
            "neutrophil": 0.36,
            "lymphocyte": 0.28,
            "monocyte": 0.12,
            "eosinophil": 0.14,
            "plasma cell": 0.10,
        },
    ),
)

REFERENCE_TYPES = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "lymphocyte",
    "monocyte",
    "neutrophil",
)
"""Types of the demonstration's reference."""


class _Canvas:
    """A supersampled plane in µm, its origin at the cell, on which dyes add up."""

    def __init__(self, style: Style, rng: np.random.Generator) -> None:
        self.rng = rng
        self.n = style.size * _SUPERSAMPLING
        self.step = style.um_per_px / _SUPERSAMPLING
        self.reach = self.n * self.step / 2
        self.centre = rng.uniform(-0.06, 0.06, size=2) * 2 * self.reach
        axis = ((np.arange(self.n) - (self.n - 1) / 2) * self.step).astype(np.float32)
        self.x = np.broadcast_to(axis[None, :] - np.float32(self.centre[0]), (self.n, self.n))
        self.y = np.broadcast_to(axis[:, None] - np.float32(self.centre[1]), (self.n, self.n))
        angle = rng.uniform(0, 2 * np.pi)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        # Nothing in a cell is a perfect ellipse: its own plane is turned and slightly bent.
        self.u = cos * self.x - sin * self.y + 0.24 * self.noise(3.6)
        self.v = sin * self.x + cos * self.y + 0.24 * self.noise(3.6)

    def noise(self, grain: float) -> Float32:
        """Return smooth noise of about unit spread with grains of ``grain`` µm."""
        from PIL import Image

        nodes = max(4, round(self.n * self.step / grain) + 1)
        coarse = self.rng.standard_normal((nodes, nodes)).astype(np.float32)
        fine = Image.fromarray(coarse).resize((self.n, self.n), Image.Resampling.BICUBIC)
        return np.asarray(fine, dtype=np.float32)

    def cover(self, distance: Float32, softness: float = 0.16) -> Float32:
        """Return the share of each pixel inside a shape, from its signed distance in µm."""
        width = np.float32(max(softness, self.step))
        return np.clip(0.5 - distance / width, 0, 1)

    def dots(self, spots: Iterable[tuple[float, float, float]]) -> Float32:
        """Return the cover of round spots ``(x, y, radius)``, in µm from the cell's centre."""
        plane = np.zeros((self.n, self.n), dtype=np.float32)
        for x, y, radius in spots:
            column, row = ((np.array([x, y]) + self.centre + self.reach) / self.step - 0.5).tolist()
            span = radius / self.step + 1
            left, right = max(0, int(column - span)), min(self.n, int(column + span) + 2)
            top, bottom = max(0, int(row - span)), min(self.n, int(row + span) + 2)
            if left >= right or top >= bottom:
                continue
            across = (np.arange(left, right, dtype=np.float32) - np.float32(column)) ** 2
            down = (np.arange(top, bottom, dtype=np.float32) - np.float32(row)) ** 2
            distance = (np.sqrt(down[:, None] + across[None, :]) * self.step - radius).astype(
                np.float32
            )
            part = plane[top:bottom, left:right]
            np.maximum(part, self.cover(distance), out=part)
        return plane

    def ellipse(self, u: float, v: float, long: float, short: float, angle: float = 0.0) -> Float32:
        """Return about the signed distance to an ellipse of the cell's own plane."""
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        along = (cos * (self.u - np.float32(u)) + sin * (self.v - np.float32(v))) / np.float32(long)
        aside = (cos * (self.v - np.float32(v)) - sin * (self.u - np.float32(u))) / np.float32(
            short
        )
        return (np.sqrt(along**2 + aside**2) - 1) * np.float32(np.sqrt(long * short))

    def arc(self, radius: float, half_width: float, half_angle: float) -> Float32:
        """Return the signed distance to a thick arc around the origin that is open to the left."""
        angle = np.clip(np.arctan2(self.v, self.u), -half_angle, half_angle)
        across = self.u - np.float32(radius) * np.cos(angle)
        down = self.v - np.float32(radius) * np.sin(angle)
        return np.sqrt(across**2 + down**2) - np.float32(half_width)

    def thread(
        self, start: tuple[float, float], end: tuple[float, float], half_width: float
    ) -> Float32:
        """Return the signed distance to a thick line between two points."""
        (u, v), (du, dv) = start, (end[0] - start[0], end[1] - start[1])
        length = du**2 + dv**2
        along = np.clip(((self.u - u) * du + (self.v - v) * dv) / length, 0, 1)
        aside = np.hypot(self.u - u - along * du, self.v - v - along * dv)
        return (aside - half_width).astype(np.float32)


@dataclass(frozen=True)
class _Cell:
    """What a type looks like: two outlines and the dyes in them."""

    radius: float
    body: Float32
    nucleus: Float32
    cytoplasm: Mapping[str, Float32 | float]
    density: float = 1.0
    clumping: float = 0.10
    clump: float = 1.0
    above: Mapping[str, Float32] = field(default_factory=dict)


def _joined(first: Float32, second: Float32, soft: float = 0.35) -> Float32:
    """Return the union of two shapes with a rounded inner corner, from signed distances."""
    gap = np.maximum(soft - np.abs(first - second), 0)
    return np.minimum(first, second) - gap * gap / (4 * soft)


def _scattered(
    rng: np.random.Generator, radius: float, spacing: float, size: tuple[float, float]
) -> list[tuple[float, float, float]]:
    """Return spots that fill a disc evenly but not regularly."""
    line = np.arange(-radius, radius + spacing, spacing)
    x, y = (axis.ravel() for axis in np.meshgrid(line, line))
    x = x + rng.uniform(-0.4, 0.4, x.shape) * spacing
    y = y + rng.uniform(-0.4, 0.4, y.shape) * spacing
    sizes = rng.uniform(*size, x.shape)
    kept = np.hypot(x, y) < radius
    return list(zip(x[kept].tolist(), y[kept].tolist(), sizes[kept].tolist(), strict=True))


def _lymphocyte(canvas: _Canvas) -> _Cell:
    rng = canvas.rng
    nucleus = rng.uniform(3.2, 4.0)
    reactive = rng.random() < 0.2
    rim = rng.uniform(1.6, 2.5) if reactive else rng.uniform(0.45, 1.0)
    shift = rng.uniform(0.2, 0.8) * rim
    disc = canvas.ellipse(shift, 0, nucleus * rng.uniform(1.0, 1.08), nucleus)
    return _Cell(
        radius=nucleus + rim,
        body=canvas.ellipse(0, 0, nucleus + rim, (nucleus + rim) * rng.uniform(0.9, 1.0)),
        nucleus=disc,
        cytoplasm={"blue": rng.uniform(0.6, 1.1)},
        density=rng.uniform(1.0, 1.15),
        clumping=0.14,
        clump=1.5,
    )


def _neutrophil(canvas: _Canvas) -> _Cell:
    rng = canvas.rng
    radius = rng.uniform(5.8, 6.9)
    if rng.random() < 0.12:  # a band form
        nucleus = canvas.arc(rng.uniform(2.6, 3.0), rng.uniform(1.0, 1.25), rng.uniform(1.8, 2.3))
    else:
        nucleus = _lobes(canvas, int(rng.choice([3, 4, 5], p=[0.5, 0.35, 0.15])))
    return _Cell(
        radius=radius,
        body=canvas.ellipse(0, 0, radius, radius * rng.uniform(0.9, 1.0)),
        nucleus=nucleus,
        cytoplasm={
            "pink": (rng.uniform(0.7, 1.2) * (1 + 0.3 * np.abs(canvas.noise(0.45)))).astype(
                np.float32
            ),
            "violet": 0.05 * np.maximum(canvas.noise(0.5) - 0.4, 0),
        },
        density=rng.uniform(1.0, 1.15),
        clumping=0.12,
        clump=0.8,
    )


def _lobes(canvas: _Canvas, count: int) -> Float32:
    """Return a segmented nucleus: lobes along an arc, joined by threads."""
    rng = canvas.rng
    ring = rng.uniform(2.5, 3.1)
    gap = rng.uniform(1.15, 1.4) if count < 5 else rng.uniform(1.05, 1.15)
    angles = (np.arange(count) - (count - 1) / 2) * gap + rng.normal(0, 0.1, count)
    rings = ring * rng.uniform(0.75, 1.12, count)
    places = [
        (float(r * np.cos(a)), float(r * np.sin(a))) for r, a in zip(rings, angles, strict=True)
    ]
    size = 1.92 - 0.14 * count
    shape = np.full_like(canvas.u, np.inf)
    for (u, v), angle in zip(places, angles.tolist(), strict=True):
        long, short = size * rng.uniform(1.1, 1.4), size * rng.uniform(0.85, 1.1)
        lobe = canvas.ellipse(u, v, long, short, angle + np.pi / 2 + rng.normal(0, 0.5))
        shape = np.minimum(shape, lobe)
    for start, end in pairwise(places):
        shape = _joined(shape, canvas.thread(start, end, rng.uniform(0.14, 0.26)))
    return shape


def _eosinophil(canvas: _Canvas) -> _Cell:
    rng = canvas.rng
    radius = rng.uniform(5.9, 6.9)
    apart, aside = rng.uniform(2.2, 2.7), rng.uniform(0.6, 1.6)
    size = rng.uniform(1.75, 2.2)
    nucleus = _joined(
        np.minimum(
            canvas.ellipse(aside, apart, size * 1.1, size, rng.uniform(-0.6, 0.6)),
            canvas.ellipse(aside, -apart, size * 1.1, size, rng.uniform(-0.6, 0.6)),
        ),
        canvas.thread((aside + 0.4, apart), (aside + 0.4, -apart), rng.uniform(0.3, 0.7)),
    )
    granules = canvas.dots(_scattered(rng, radius - 0.35, 0.92, (0.38, 0.52)))
    return _Cell(
        radius=radius,
        body=canvas.ellipse(0, 0, radius, radius * rng.uniform(0.92, 1.0)),
        nucleus=nucleus,
        cytoplasm={"pink": 0.9, "orange": rng.uniform(0.55, 1.1) * (0.25 + 0.75 * granules)},
        density=rng.uniform(0.9, 1.05),
        clumping=0.10,
    )


def _monocyte(canvas: _Canvas) -> _Cell:
    rng = canvas.rng
    radius = rng.uniform(7.0, 8.3)
    nucleus = canvas.arc(
        rng.uniform(2.0, 2.8), rng.uniform(1.9, 2.5), rng.uniform(1.0, 1.9)
    ) + 0.2 * canvas.noise(2.0)
    holes = [
        (*(rng.uniform(0.5, 0.9) * radius * _unit(rng)).tolist(), float(rng.uniform(0.3, 0.65)))
        for _ in range(rng.integers(1, 8))
    ]
    filled = 1 - 0.85 * canvas.dots(holes)
    return _Cell(
        radius=radius,
        body=canvas.ellipse(0, 0, radius, radius * rng.uniform(0.84, 1.0))
        + 0.3 * canvas.noise(2.4),
        nucleus=nucleus,
        cytoplasm={
            "blue": filled * (rng.uniform(0.5, 0.8) + 0.06 * canvas.noise(0.8)),
            "pink": 0.5 * filled,
        },
        density=rng.uniform(0.78, 0.95),
        clumping=0.16,
        clump=0.9,
    )


def _unit(rng: np.random.Generator) -> Float32:
    """Return a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)


def _basophil(canvas: _Canvas) -> _Cell:
    rng = canvas.rng
    radius = rng.uniform(5.0, 6.1)
    nucleus = _joined(
        canvas.ellipse(1.2, 0.6, 2.7, 2.2, 0.5), canvas.ellipse(-1.3, -0.4, 2.5, 2.1, -0.6)
    )
    spots = _scattered(rng, radius - 0.2, rng.uniform(1.05, 1.35), (0.4, 0.72))
    return _Cell(
        radius=radius,
        body=canvas.ellipse(0, 0, radius, radius * rng.uniform(0.9, 1.0)),
        nucleus=nucleus,
        cytoplasm={"blue": 0.35, "pink": 0.7},
        density=rng.uniform(0.8, 1.0),
        above={"violet": rng.uniform(0.75, 0.9) * canvas.dots(spots)},
    )


def _erythroblast(canvas: _Canvas) -> _Cell:
    rng = canvas.rng
    radius, nucleus = rng.uniform(3.9, 4.9), rng.uniform(2.1, 2.7)
    young = rng.uniform(0.1, 0.6)
    return _Cell(
        radius=radius,
        body=canvas.ellipse(0, 0, radius, radius * rng.uniform(0.9, 1.0)),
        nucleus=canvas.ellipse(rng.uniform(0.1, 0.8), 0, nucleus, nucleus * rng.uniform(0.92, 1.0)),
        cytoplasm={"haemoglobin": 1.1, "blue": young},
        density=rng.uniform(1.3, 1.5),
        clumping=0.08,
    )


def _plasma_cell(canvas: _Canvas) -> _Cell:
    rng = canvas.rng
    radius, nucleus = rng.uniform(6.2, 7.4), rng.uniform(2.9, 3.4)
    shift = radius * 0.9 - nucleus
    spokes = 0.5 + 0.5 * np.cos(
        7 * np.arctan2(canvas.v, canvas.u - np.float32(shift)) + rng.uniform(0, 6)
    )
    disc = canvas.ellipse(shift, 0, nucleus, nucleus * 0.95)
    edge = np.clip(1 + disc / np.float32(nucleus), 0, 1)
    pale = canvas.cover(canvas.ellipse(shift - nucleus - 0.3, 0, 1.7, 1.3), softness=1.6)
    return _Cell(
        radius=radius,
        body=canvas.ellipse(0, 0, radius, radius * rng.uniform(0.74, 0.86)),
        nucleus=disc,
        cytoplasm={"blue": rng.uniform(1.6, 2.1) * (1 - 0.7 * pale), "pink": 0.5},
        density=rng.uniform(0.9, 1.0),
        clumping=0.05,
        above={"chromatin": 0.3 * spokes * edge * canvas.cover(disc)},
    )


_DRAWN: Mapping[str, Callable[[_Canvas], _Cell]] = MappingProxyType(
    {
        "basophil": _basophil,
        "eosinophil": _eosinophil,
        "erythroblast": _erythroblast,
        "lymphocyte": _lymphocyte,
        "monocyte": _monocyte,
        "neutrophil": _neutrophil,
        "plasma cell": _plasma_cell,
    }
)

CELL_TYPES = tuple(_DRAWN)
"""Types that :func:`draw_cell` knows."""


def draw_cell(cell_type: str, rng: np.random.Generator, style: Style = REFERENCE_STYLE) -> RGBImage:
    """Draw one stylised blood cell among red cells.

    Parameters
    ----------
    cell_type : str
        One of :data:`CELL_TYPES`.
    rng : numpy.random.Generator
        Decides everything that differs between two cells of a type.
    style : Style
        The microscope and the stain.

    Returns
    -------
    ndarray of uint8, shape (style.size, style.size, 3)

    Raises
    ------
    ValueError
        If the type is none of :data:`CELL_TYPES`.
    """
    if cell_type not in _DRAWN:
        raise ValueError(f"No drawing for {cell_type!r}; known: {', '.join(CELL_TYPES)}.")
    canvas = _Canvas(style, rng)
    cell = _DRAWN[cell_type](canvas)
    dyes = _stained(canvas, cell)
    dyes["haemoglobin"] = dyes["haemoglobin"] + _red_cells(canvas, cell)
    return _photographed(dyes, style, rng)


def _stained(canvas: _Canvas, cell: _Cell) -> dict[str, Float32]:
    """Return the concentration of each dye in a cell, shape (n, n) each."""
    body = canvas.cover(cell.body, softness=0.3)
    nucleus = canvas.cover(cell.nucleus, softness=0.3) * body
    membrane = np.clip(1 - np.abs(cell.nucleus + 0.25) / 0.35, 0, 1)
    texture = 1 + cell.clumping * canvas.noise(cell.clump) + 0.12 * membrane
    dyes = {dye: np.zeros_like(body) for dye in _DYES}
    for dye, amount in cell.cytoplasm.items():
        dyes[dye] = dyes[dye] + amount * body * (1 - 0.9 * nucleus)
    dyes["chromatin"] = dyes["chromatin"] + np.float32(cell.density) * nucleus * texture
    for dye, amount in cell.above.items():
        dyes[dye] = dyes[dye] * (1 - 0.5 * amount) + amount * body
    return dyes


def _red_cells(canvas: _Canvas, cell: _Cell) -> Float32:
    """Return the concentration of haemoglobin in red cells around a cell, shape (n, n)."""
    rng = canvas.rng
    plane = np.zeros_like(canvas.u)
    places: list[Float32] = []
    crowd = rng.uniform(0.3, 1.0)
    outside = 1 - canvas.cover(cell.body, softness=0.5)
    for _ in range(round(60 * crowd)):
        place = rng.uniform(-canvas.reach - 2, canvas.reach + 2, 2).astype(np.float32)
        radius, ratio = rng.uniform(3.2, 3.8), rng.uniform(0.86, 1.0)
        clear = cell.radius + 0.85 * radius
        if np.hypot(*place) < clear or any(np.hypot(*(place - o)) < 6.3 for o in places):
            continue
        places.append(place)
        across, down = canvas.x - place[0], canvas.y - place[1]
        angle = rng.uniform(0, np.pi)
        along = np.float32(np.cos(angle)) * across + np.float32(np.sin(angle)) * down
        aside = np.float32(np.cos(angle)) * down - np.float32(np.sin(angle)) * across
        distance = np.hypot(along, aside / np.float32(ratio))
        pallor = np.exp(-((distance / np.float32(0.42 * radius)) ** 2))
        plane += canvas.cover(distance - np.float32(radius), 0.3) * (
            1 - np.float32(rng.uniform(0.45, 0.7)) * pallor
        )
    return plane * outside


def _photographed(dyes: Mapping[str, Float32], style: Style, rng: np.random.Generator) -> RGBImage:
    """Return what the microscope's camera makes of the dyes."""
    from PIL import Image, ImageFilter

    strength = style.strength * rng.lognormal(0, 0.08)
    optical = np.array([style.dyes[dye] for dye in _DYES], dtype=np.float32) * strength
    absorbed = np.tensordot(np.stack([dyes[dye] for dye in _DYES]), optical, axes=(0, 0))
    light = np.array(style.background, dtype=np.float32) * np.exp(-absorbed)
    picture = _as_image(light * _shade(len(light), style.shading, rng)[..., None])
    picture = picture.filter(
        ImageFilter.GaussianBlur(_SUPERSAMPLING * float(rng.uniform(*style.blur)))
    ).resize((style.size, style.size), Image.Resampling.BOX)
    grain = rng.normal(0, style.noise, (style.size, style.size, 3))
    picture = _as_image(np.asarray(picture, dtype=np.float32) + grain.astype(np.float32))
    if style.jpeg_quality is not None:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=style.jpeg_quality)
        picture = Image.open(buffer)
    return np.asarray(picture, dtype=np.uint8)


def _shade(n: int, depth: float, rng: np.random.Generator) -> Float32:
    """Return uneven light: 1 on one side, ``1 - depth`` at most on the other, shape (n, n)."""
    slope = _unit(rng) * np.float32(rng.uniform(0, depth) / 2)
    axis = np.linspace(-0.7, 0.7, n, dtype=np.float32)
    return 1 - depth / 2 + slope[0] * axis[None, :] + slope[1] * axis[:, None]


def _as_image(values: Float32) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def draw_demo(
    folder: Path,
    *,
    seed: int = 0,
    reference_per_type: int = _PER_TYPE,
    query_cells: int = _QUERY_CELLS,
) -> None:
    """Write a drawn reference and a drawn query.

    Written are ``reference/<type>/*.png``, ``query/*.png`` in no order,
    ``query/metadata.csv`` (file, slide, patient), ``query-labels.csv`` (file, label; for
    evaluation only) and ``README.txt``. The same arguments give the same bytes.

    Parameters
    ----------
    folder : Path
        Made if it is not there; it must be empty.
    seed : int
        Decides every cell.
    reference_per_type : int
        Cells of each of the :data:`REFERENCE_TYPES`, at least 1.
    query_cells : int
        Cells of the query in all, at least 1.

    Raises
    ------
    OutputError
        If the folder holds anything or cannot be written to.
    ValueError
        If a count is below 1.
    """
    if reference_per_type < 1 or query_cells < 1:
        raise ValueError("reference_per_type and query_cells must be at least 1.")
    try:
        _claim(folder)
        jobs = [(folder, half, seed, reference_per_type, query_cells) for half in (0, 1)]
        for _ in run_tasks(_write_half, jobs):
            pass
        (folder / "README.txt").write_text(_readme(), encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(
            f"Cannot write the demonstration to {folder} ({error}); choose another folder."
        ) from error


def _claim(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(
            f"{folder} is not empty, and nothing in it will be overwritten; "
            "choose a new folder for the demonstration."
        )
    folder.mkdir(parents=True, exist_ok=True)


def _write_half(job: tuple[Path, int, int, int, int]) -> None:
    # What a worker that died had written is written over by the one that takes its place.
    folder, half, seed, reference_per_type, query_cells = job
    rng = np.random.default_rng(seed).spawn(2)[half]
    if half == 0:
        _write_reference(folder / "reference", reference_per_type, rng)
    else:
        _write_query(folder / "query", query_cells, rng)


def _write_reference(folder: Path, per_type: int, rng: np.random.Generator) -> None:
    for cell_type in REFERENCE_TYPES:
        (folder / cell_type).mkdir(parents=True, exist_ok=True)
        for number in range(1, per_type + 1):
            _save(draw_cell(cell_type, rng), folder / cell_type / f"{cell_type}-{number:03d}.png")


def _planned(count: int, rng: np.random.Generator) -> dict[str, tuple[_Slide, str]]:
    """Decide on the slide and the type of each file of the query."""
    planned = [
        (slide, cell_type)
        for slide, cells in zip(_SLIDES, _shared(count, [1] * len(_SLIDES)), strict=True)
        for cell_type, times in zip(
            slide.shares, _shared(cells, list(slide.shares.values())), strict=True
        )
        for _ in range(times)
    ]
    order = rng.permutation(len(planned)).tolist()
    return {f"cell-{n:04d}.png": planned[index] for n, index in enumerate(order, start=1)}


def _write_query(query: Path, count: int, rng: np.random.Generator) -> None:
    query.mkdir(exist_ok=True)
    metadata, labels = [("file", "slide", "patient")], [("file", "label")]
    for name, (slide, cell_type) in _planned(count, rng).items():
        style = replace(QUERY_STYLE, strength=slide.strength, background=slide.background)
        _save(draw_cell(cell_type, rng, style), query / name)
        metadata.append((name, slide.name, slide.patient))
        labels.append((name, cell_type))
    _write_table(query / "metadata.csv", metadata)
    _write_table(query.parent / "query-labels.csv", labels)


def _shared(total: int, shares: Sequence[float]) -> list[int]:
    """Return whole numbers in about the given proportions that add up to ``total``."""
    ends = np.rint(np.cumsum(shares) / np.sum(shares) * total).astype(int)
    parts: list[int] = np.diff(ends, prepend=0).tolist()
    return parts


def _save(image: RGBImage, path: Path) -> None:
    from PIL import Image, PngImagePlugin

    notice = PngImagePlugin.PngInfo()
    notice.add_text("Description", DRAWN_NOTICE)  # stays with a picture that leaves its folder
    Image.fromarray(image).save(path, pnginfo=notice)


def _write_table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _readme() -> str:
    return f"""{DRAWN_NOTICE}

How they were drawn
  Nucleus, cytoplasm and granules follow simple rules for each cell type, with chance
  variation in shape, size, colour and rotation.
  reference/          {len(REFERENCE_TYPES)} types, one folder each; a clean stain, sharp
  query/              another microscope: yellow light, another stain and scale, blur, noise;
                      mostly neutrophils, without basophils and erythroblasts, and with
                      plasma cells, a type that the reference lacks
  query/metadata.csv  the slide and the patient (both made up) of each query cell
  query-labels.csv    the type each query cell was drawn as: only for checking the result

What to try (from the CellTransfer folder; DIR is the folder of this file)
  Type the query:
    python -m celltransfer_core run --reference DIR/reference --query DIR/query --out results
  Look at the cells of each cluster (results/clusters.csv) and at the type it was matched to
  (results/matches.csv). Correct matched_type where it is wrong, or write none where no type of
  the reference fits: most plasma cells lie together. Set confirmed to true, and run again:
    python -m celltransfer_core run --reference DIR/reference --query DIR/query --out results-2 \\
        --matches results/matches.csv --clusters-from results/clusters.csv
  Check both: compare predicted_type in predictions.csv with label in query-labels.csv.
"""


def open_demo(workspace: Workspace) -> Study:
    """Find the demo study, or begin it; the first work on it draws its cells.

    Parameters
    ----------
    workspace : Workspace

    Returns
    -------
    Study
        The oldest demo that is there; one that was deleted comes back before another is made.

    Raises
    ------
    OutputError
        If the workspace cannot be written to.
    """
    with _opening:  # two first visitors get one demo
        for deleted in (False, True):
            drawn = [study for study in workspace.studies(deleted=deleted) if study.drawn]
            if drawn:
                oldest = min(drawn, key=lambda study: study.created)
                workspace.restore(oldest.id)
                return workspace.study(oldest.id)
        made = workspace.create(DEMO_NAME, drawn=True)
        workspace.add_set(made.id, "reference", "Drawn reference")
        workspace.add_set(made.id, "query", "Drawn query")
        return made


def fill_demo(workspace: Workspace, study: str, progress: Progress = silent) -> None:
    """Draw the cells of the demo study, unless it has some.

    Parameters
    ----------
    workspace : Workspace
    study : str
    progress : callable

    Raises
    ------
    OutputError
        If nothing can be written.
    """
    if all(workspace.pooled(study, role) for role in ("reference", "query")):
        return
    progress("drawing the cells", 0, 1)
    with tempfile.TemporaryDirectory(dir=workspace.folder) as parent:
        folder = Path(parent) / "demo"
        draw_demo(folder, reference_per_type=_PER_TYPE, query_cells=_QUERY_CELLS)
        for role, style in (("reference", REFERENCE_STYLE), ("query", QUERY_STYLE)):
            for image_set in workspace.sets(study, role):
                files = sorted(path for path in (folder / role).rglob("*") if path.is_file())
                workspace.receive(
                    image_set.id,
                    [(p.relative_to(folder / role).as_posix(), p.read_bytes()) for p in files],
                )
                workspace.change_set(image_set.id, um_per_px=style.um_per_px)
    progress("drawing the cells", 1, 1)


def introduce_demo(workspace: Workspace, study: str, named: Named) -> None:
    """Say a few words on the demo study as a reader would who knows what was drawn.

    Every other cluster whose proposed type is right is confirmed, and some cells are reviewed, so
    that a newcomer finds no page empty.

    Parameters
    ----------
    workspace : Workspace
    study : str
        Its query must be the one of :func:`fill_demo`.
    named : Named
        Its clusters, as they were matched.
    """
    from celltransfer_core.curation import short
    from celltransfer_core.review import UNSURE, sample_order

    query = workspace.pooled(study, "query")
    if query is None:
        return
    rng = np.random.default_rng(0).spawn(2)[1]
    drawn_as = {name: kind for name, (_, kind) in _planned(_QUERY_CELLS, rng).items()}
    truth = [drawn_as.get(file, UNSURE) for file in query.first_file]
    right = []
    for number, match in enumerate(named.matches):
        inside = np.flatnonzero(named.clusters.labels == number).tolist()
        commonest = Counter(truth[cell] for cell in inside).most_common(1)[0][0]
        if match.matched_type == commonest:
            cells = short([query.cells[cell] for cell in inside])
            name = int(named.clusters.names[number])
            right.append({"cluster": name, "cells": cells, "type": match.matched_type})
    workspace.decide_all(study, "match", right[::2], DEMO_READER)

    # Blind ones from the head of the random sample, the others from beyond it.
    order = sample_order(query.cells, 0).tolist()
    blind = _READY_REVIEWS * 2 // 3
    looked = [*order[:blind], *order[blind - _READY_REVIEWS :]]
    began = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=_SECONDS_EACH * len(looked))
    reviews = [
        {
            "cell": query.cells[cell],
            "answer": truth[cell] if truth[cell] in REFERENCE_TYPES else UNSURE,
            "reader": DEMO_READER,
            "time": (began + dt.timedelta(seconds=_SECONDS_EACH * place)).isoformat(
                timespec="milliseconds"
            ),
            "blind": place < blind,
        }
        for place, cell in enumerate(looked)
    ]
    workspace.decide_all(study, "review", reviews, DEMO_READER)
