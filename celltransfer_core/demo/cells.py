"""Draw synthetic blood cells of a type as seen through a microscope.

A cell is drawn as in a stained smear: the dyes are in the same places as in a real cell, and each
absorbs part of the light.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from celltransfer_core.demo.canvas import (
    SUPERSAMPLING,
    Canvas,
    Cell,
    join_shapes,
    random_direction,
    scatter_spots,
    stain,
    to_image,
    uneven_light,
)
from celltransfer_core.demo.styles import DYES, REFERENCE_STYLE, Style
from celltransfer_core.types import Float32, RGBImage


def _lymphocyte(canvas: Canvas) -> Cell:
    rng = canvas.rng
    nucleus = rng.uniform(3.2, 4.0)
    reactive = rng.random() < 0.2
    rim = rng.uniform(1.6, 2.5) if reactive else rng.uniform(0.45, 1.0)
    shift = rng.uniform(0.2, 0.8) * rim
    disc = canvas.ellipse(shift, 0, nucleus * rng.uniform(1.0, 1.08), nucleus)
    return Cell(
        radius=nucleus + rim,
        body=canvas.ellipse(0, 0, nucleus + rim, (nucleus + rim) * rng.uniform(0.9, 1.0)),
        nucleus=disc,
        cytoplasm={"blue": rng.uniform(0.6, 1.1)},
        density=rng.uniform(1.0, 1.15),
        clumping=0.14,
        clump=1.5,
    )


def _neutrophil(canvas: Canvas) -> Cell:
    rng = canvas.rng
    radius = rng.uniform(5.8, 6.9)
    if rng.random() < 0.12:  # a band form
        nucleus = canvas.arc(rng.uniform(2.6, 3.0), rng.uniform(1.0, 1.25), rng.uniform(1.8, 2.3))
    else:
        nucleus = _lobes(canvas, int(rng.choice([3, 4, 5], p=[0.5, 0.35, 0.15])))
    return Cell(
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


def _lobes(canvas: Canvas, count: int) -> Float32:
    """Draw a segmented nucleus: lobes along an arc, joined by threads."""
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
        shape = join_shapes(shape, canvas.thread(start, end, rng.uniform(0.14, 0.26)))
    return shape


def _eosinophil(canvas: Canvas) -> Cell:
    rng = canvas.rng
    radius = rng.uniform(5.9, 6.9)
    apart, aside = rng.uniform(2.2, 2.7), rng.uniform(0.6, 1.6)
    size = rng.uniform(1.75, 2.2)
    nucleus = join_shapes(
        np.minimum(
            canvas.ellipse(aside, apart, size * 1.1, size, rng.uniform(-0.6, 0.6)),
            canvas.ellipse(aside, -apart, size * 1.1, size, rng.uniform(-0.6, 0.6)),
        ),
        canvas.thread((aside + 0.4, apart), (aside + 0.4, -apart), rng.uniform(0.3, 0.7)),
    )
    granules = canvas.dots(scatter_spots(rng, radius - 0.35, 0.92, (0.38, 0.52)))
    return Cell(
        radius=radius,
        body=canvas.ellipse(0, 0, radius, radius * rng.uniform(0.92, 1.0)),
        nucleus=nucleus,
        cytoplasm={"pink": 0.9, "orange": rng.uniform(0.55, 1.1) * (0.25 + 0.75 * granules)},
        density=rng.uniform(0.9, 1.05),
        clumping=0.10,
    )


def _monocyte(canvas: Canvas) -> Cell:
    rng = canvas.rng
    radius = rng.uniform(7.0, 8.3)
    nucleus = canvas.arc(
        rng.uniform(2.0, 2.8), rng.uniform(1.9, 2.5), rng.uniform(1.0, 1.9)
    ) + 0.2 * canvas.noise(2.0)
    holes = []
    for _ in range(rng.integers(1, 8)):
        place = rng.uniform(0.5, 0.9) * radius * random_direction(rng)
        holes.append((*place.tolist(), float(rng.uniform(0.3, 0.65))))
    filled = 1 - 0.85 * canvas.dots(holes)
    return Cell(
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


def _basophil(canvas: Canvas) -> Cell:
    rng = canvas.rng
    radius = rng.uniform(5.0, 6.1)
    nucleus = join_shapes(
        canvas.ellipse(1.2, 0.6, 2.7, 2.2, 0.5), canvas.ellipse(-1.3, -0.4, 2.5, 2.1, -0.6)
    )
    spots = scatter_spots(rng, radius - 0.2, rng.uniform(1.05, 1.35), (0.4, 0.72))
    return Cell(
        radius=radius,
        body=canvas.ellipse(0, 0, radius, radius * rng.uniform(0.9, 1.0)),
        nucleus=nucleus,
        cytoplasm={"blue": 0.35, "pink": 0.7},
        density=rng.uniform(0.8, 1.0),
        above={"violet": rng.uniform(0.75, 0.9) * canvas.dots(spots)},
    )


def _erythroblast(canvas: Canvas) -> Cell:
    rng = canvas.rng
    radius, nucleus = rng.uniform(3.9, 4.9), rng.uniform(2.1, 2.7)
    young = rng.uniform(0.1, 0.6)
    return Cell(
        radius=radius,
        body=canvas.ellipse(0, 0, radius, radius * rng.uniform(0.9, 1.0)),
        nucleus=canvas.ellipse(rng.uniform(0.1, 0.8), 0, nucleus, nucleus * rng.uniform(0.92, 1.0)),
        cytoplasm={"haemoglobin": 1.1, "blue": young},
        density=rng.uniform(1.3, 1.5),
        clumping=0.08,
    )


def _plasma_cell(canvas: Canvas) -> Cell:
    rng = canvas.rng
    radius, nucleus = rng.uniform(6.2, 7.4), rng.uniform(2.9, 3.4)
    shift = radius * 0.9 - nucleus
    spokes = 0.5 + 0.5 * np.cos(
        7 * np.arctan2(canvas.v, canvas.u - np.float32(shift)) + rng.uniform(0, 6)
    )
    disc = canvas.ellipse(shift, 0, nucleus, nucleus * 0.95)
    edge = np.clip(1 + disc / np.float32(nucleus), 0, 1)
    pale = canvas.cover(canvas.ellipse(shift - nucleus - 0.3, 0, 1.7, 1.3), softness=1.6)
    return Cell(
        radius=radius,
        body=canvas.ellipse(0, 0, radius, radius * rng.uniform(0.74, 0.86)),
        nucleus=disc,
        cytoplasm={"blue": rng.uniform(1.6, 2.1) * (1 - 0.7 * pale), "pink": 0.5},
        density=rng.uniform(0.9, 1.0),
        clumping=0.05,
        above={"chromatin": 0.3 * spokes * edge * canvas.cover(disc)},
    )


_DRAWN: Mapping[str, Callable[[Canvas], Cell]] = MappingProxyType(
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

_RIM = 0.3  # µm: width of a red cell's edge

CELL_TYPES = tuple(_DRAWN)
"""Types supported by :func:`draw_cell`."""


def draw_cell(cell_type: str, rng: np.random.Generator, style: Style = REFERENCE_STYLE) -> RGBImage:
    """Draw one synthetic blood cell among red cells.

    Parameters
    ----------
    cell_type : str
        One of :data:`CELL_TYPES`.
    rng : numpy.random.Generator
        Draws shape, size, colour and rotation within the range of the type.
    style : Style
        The microscope and the stain.

    Returns
    -------
    ndarray of uint8, shape (style.size, style.size, 3)

    Raises
    ------
    ValueError
        If the type is not one of :data:`CELL_TYPES`.
    """
    if cell_type not in _DRAWN:
        raise ValueError(
            f"There is no drawing for {cell_type!r}; the types are {', '.join(CELL_TYPES)}."
        )
    canvas = Canvas(style, rng)
    cell = _DRAWN[cell_type](canvas)
    dyes = stain(canvas, cell)
    dyes["haemoglobin"] = dyes["haemoglobin"] + _red_cells(canvas, cell)
    return _photograph(dyes, style, rng)


def _red_cells(canvas: Canvas, cell: Cell) -> Float32:
    """Return the concentration of haemoglobin in red cells around a cell, shape (n, n)."""
    rng = canvas.rng
    plane = np.zeros_like(canvas.u)
    places: list[Float32] = []
    crowd = rng.uniform(0.3, 1.0)
    outside = 1 - canvas.cover(cell.body, softness=0.5)
    for _ in range(round(60 * crowd)):
        place = rng.uniform(-canvas.half_side - 2, canvas.half_side + 2, 2).astype(np.float32)
        radius, ratio = rng.uniform(3.2, 3.8), rng.uniform(0.86, 1.0)
        clear = cell.radius + 0.85 * radius
        if np.hypot(*place) < clear or any(np.hypot(*(place - o)) < 6.3 for o in places):
            continue
        places.append(place)
        angle = rng.uniform(0, np.pi)
        # A cell has no effect beyond its rim.
        rows, columns = canvas.around(float(place[0]), float(place[1]), radius + _RIM)
        across, down = canvas.x[rows, columns] - place[0], canvas.y[rows, columns] - place[1]
        along = np.float32(np.cos(angle)) * across + np.float32(np.sin(angle)) * down
        aside = np.float32(np.cos(angle)) * down - np.float32(np.sin(angle)) * across
        distance = np.hypot(along, aside / np.float32(ratio))
        pallor = np.exp(-((distance / np.float32(0.42 * radius)) ** 2))
        plane[rows, columns] += canvas.cover(distance - np.float32(radius), _RIM) * (
            1 - np.float32(rng.uniform(0.45, 0.7)) * pallor
        )
    return plane * outside


def _photograph(dyes: Mapping[str, Float32], style: Style, rng: np.random.Generator) -> RGBImage:
    """Simulate the photograph: light through the dyes, blur, noise and compression."""
    from PIL import Image, ImageFilter

    strength = style.strength * rng.lognormal(0, 0.08)
    optical = np.array([style.dyes[dye] for dye in DYES], dtype=np.float32) * strength
    absorbed = np.tensordot(np.stack([dyes[dye] for dye in DYES]), optical, axes=(0, 0))
    light = np.array(style.background, dtype=np.float32) * np.exp(-absorbed)
    picture = to_image(light * uneven_light(len(light), style.shading, rng)[..., None])
    picture = picture.filter(
        ImageFilter.GaussianBlur(SUPERSAMPLING * float(rng.uniform(*style.blur)))
    ).resize((style.size, style.size), Image.Resampling.BOX)
    grain = rng.normal(0, style.noise, (style.size, style.size, 3))
    picture = to_image(np.asarray(picture, dtype=np.float32) + grain.astype(np.float32))
    if style.jpeg_quality is not None:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=style.jpeg_quality)
        picture = Image.open(buffer)
    return np.asarray(picture, dtype=np.uint8)
