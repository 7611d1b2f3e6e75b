"""TODO celltransfer_core/demo/canvas.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.types import Float32

if TYPE_CHECKING:
    from PIL import Image


_RGB = tuple[float, float, float]
SUPERSAMPLING = 2
DYES = ("chromatin", "blue", "pink", "orange", "violet", "haemoglobin")


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


@dataclass(frozen=True)
class Slide:
    name: str
    patient: str
    strength: float
    background: _RGB
    shares: Mapping[str, float]


class Canvas:
    """A supersampled plane in µm, its origin at the cell, on which dyes add up."""

    def __init__(self, style: Style, rng: np.random.Generator) -> None:
        self.rng = rng
        self.n = style.size * SUPERSAMPLING
        self.step = style.um_per_px / SUPERSAMPLING
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
class Cell:
    """What a type looks like: two outlines and the dyes in them."""

    radius: float
    body: Float32
    nucleus: Float32
    cytoplasm: Mapping[str, Float32 | float]
    density: float = 1.0
    clumping: float = 0.10
    clump: float = 1.0
    above: Mapping[str, Float32] = field(default_factory=dict)


def joined(first: Float32, second: Float32, soft: float = 0.35) -> Float32:
    """Return the union of two shapes with a rounded inner corner, from signed distances."""
    gap = np.maximum(soft - np.abs(first - second), 0)
    return np.minimum(first, second) - gap * gap / (4 * soft)


def scattered(
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


def unit(rng: np.random.Generator) -> Float32:
    """Return a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)


def stained(canvas: Canvas, cell: Cell) -> dict[str, Float32]:
    """Return the concentration of each dye in a cell, shape (n, n) each."""
    body = canvas.cover(cell.body, softness=0.3)
    nucleus = canvas.cover(cell.nucleus, softness=0.3) * body
    membrane = np.clip(1 - np.abs(cell.nucleus + 0.25) / 0.35, 0, 1)
    texture = 1 + cell.clumping * canvas.noise(cell.clump) + 0.12 * membrane
    dyes = {dye: np.zeros_like(body) for dye in DYES}
    for dye, amount in cell.cytoplasm.items():
        dyes[dye] = dyes[dye] + amount * body * (1 - 0.9 * nucleus)
    dyes["chromatin"] = dyes["chromatin"] + np.float32(cell.density) * nucleus * texture
    for dye, amount in cell.above.items():
        dyes[dye] = dyes[dye] * (1 - 0.5 * amount) + amount * body
    return dyes


def shade(n: int, depth: float, rng: np.random.Generator) -> Float32:
    """Return uneven light: 1 on one side, ``1 - depth`` at most on the other, shape (n, n)."""
    slope = unit(rng) * np.float32(rng.uniform(0, depth) / 2)
    axis = np.linspace(-0.7, 0.7, n, dtype=np.float32)
    return 1 - depth / 2 + slope[0] * axis[None, :] + slope[1] * axis[:, None]


def as_image(values: Float32) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
