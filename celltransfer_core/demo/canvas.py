"""Drawing tools: shapes as signed distances in µm, dyes as concentrations, and uneven light."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from celltransfer_core.demo.styles import DYES, Style
from celltransfer_core.types import Float32

if TYPE_CHECKING:
    from PIL import Image


SUPERSAMPLING = 2
"""Number of drawn pixels along one pixel of the image."""


class Canvas:
    """A supersampled plane in µm, centred on the cell, with n pixels per side.

    Parameters
    ----------
    style : Style
    rng : numpy.random.Generator
        Draws the cell's position and rotation, and all noise.
    """

    def __init__(self, style: Style, rng: np.random.Generator) -> None:
        self.rng = rng
        self.n = style.size * SUPERSAMPLING
        self.step = style.um_per_px / SUPERSAMPLING
        self.half_side = self.n * self.step / 2
        self.centre = rng.uniform(-0.06, 0.06, size=2) * 2 * self.half_side
        axis = ((np.arange(self.n) - (self.n - 1) / 2) * self.step).astype(np.float32)
        self.x = np.broadcast_to(axis[None, :] - np.float32(self.centre[0]), (self.n, self.n))
        self.y = np.broadcast_to(axis[:, None] - np.float32(self.centre[1]), (self.n, self.n))
        angle = rng.uniform(0, 2 * np.pi)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        # No part of a cell is a perfect ellipse, so its plane is rotated and slightly bent.
        self.u = cos * self.x - sin * self.y + 0.24 * self.noise(3.6)
        self.v = sin * self.x + cos * self.y + 0.24 * self.noise(3.6)

    def noise(self, grain: float) -> Float32:
        """Draw smooth noise with a standard deviation of about 1.

        Parameters
        ----------
        grain : float
            Grain size in µm.

        Returns
        -------
        ndarray of float32, shape (n, n)
        """
        from PIL import Image

        nodes = max(4, round(self.n * self.step / grain) + 1)
        coarse = self.rng.standard_normal((nodes, nodes)).astype(np.float32)
        fine = Image.fromarray(coarse).resize((self.n, self.n), Image.Resampling.BICUBIC)
        return np.asarray(fine, dtype=np.float32)

    def cover(self, distance: Float32, softness: float = 0.16) -> Float32:
        """Compute the fraction of each pixel inside a shape.

        Parameters
        ----------
        distance : ndarray of float32, shape (n, n)
            Signed distance to the shape, µm; negative inside.
        softness : float
            Width of the edge, µm.

        Returns
        -------
        ndarray of float32, shape (n, n)
            0 to 1.
        """
        width = np.float32(max(softness, self.step))
        return np.clip(0.5 - distance / width, 0, 1)

    def around(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """Find the pixels near a point.

        Parameters
        ----------
        x, y : float
            Position from the cell's centre, µm.
        reach : float
            Distance along both axes, µm.

        Returns
        -------
        rows, columns : slice
            Empty if no pixels are near.
        """
        column, row = (
            (place + centre + self.half_side) / self.step - 0.5
            for place, centre in zip((x, y), self.centre.tolist(), strict=True)
        )
        span = reach / self.step + 1
        across, down = (
            slice(max(0, int(at - span)), max(0, min(self.n, int(at + span) + 2)))
            for at in (column, row)
        )
        return down, across

    def dots(self, spots: Iterable[tuple[float, float, float]]) -> Float32:
        """Compute the fraction of each pixel inside round spots.

        Parameters
        ----------
        spots : iterable of (float, float, float)
            x and y from the cell's centre, and radius, µm.

        Returns
        -------
        ndarray of float32, shape (n, n)
            0 to 1.
        """
        plane = np.zeros((self.n, self.n), dtype=np.float32)
        for x, y, radius in spots:
            place = np.array([x, y]) + self.centre + self.half_side
            column, row = (place / self.step - 0.5).tolist()
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
        """Approximate the signed distance to an ellipse in the cell's plane.

        Parameters
        ----------
        u, v : float
            Centre, µm.
        long, short : float
            Semi-axes, µm.
        angle : float
            Angle of the first semi-axis, radians.

        Returns
        -------
        ndarray of float32, shape (n, n)
            In µm, negative inside.
        """
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        along = (cos * (self.u - np.float32(u)) + sin * (self.v - np.float32(v))) / np.float32(long)
        aside = (cos * (self.v - np.float32(v)) - sin * (self.u - np.float32(u))) / np.float32(
            short
        )
        return (np.sqrt(along**2 + aside**2) - 1) * np.float32(np.sqrt(long * short))

    def arc(self, radius: float, half_width: float, half_angle: float) -> Float32:
        """Compute the signed distance to a thick arc around the origin that is open to the left.

        Parameters
        ----------
        radius, half_width : float
            In µm.
        half_angle : float
            Radians.

        Returns
        -------
        ndarray of float32, shape (n, n)
            In µm, negative inside.
        """
        angle = np.clip(np.arctan2(self.v, self.u), -half_angle, half_angle)
        across = self.u - np.float32(radius) * np.cos(angle)
        down = self.v - np.float32(radius) * np.sin(angle)
        return np.sqrt(across**2 + down**2) - np.float32(half_width)

    def thread(
        self, start: tuple[float, float], end: tuple[float, float], half_width: float
    ) -> Float32:
        """Compute the signed distance to a thick line between two points.

        Parameters
        ----------
        start, end : (float, float)
            End points in the cell's plane, µm.
        half_width : float
            In µm.

        Returns
        -------
        ndarray of float32, shape (n, n)
            In µm, negative inside.
        """
        (u, v), (du, dv) = start, (end[0] - start[0], end[1] - start[1])
        length = du**2 + dv**2
        along = np.clip(((self.u - u) * du + (self.v - v) * dv) / length, 0, 1)
        aside = np.hypot(self.u - u - along * du, self.v - v - along * dv)
        return (aside - half_width).astype(np.float32)


@dataclass(frozen=True)
class Cell:
    """One cell: its outlines and the dyes in them."""

    radius: float
    """Radius, µm."""
    body: Float32
    """Signed distance to the cell's outline, µm, shape (n, n)."""
    nucleus: Float32
    """Signed distance to the outline of its nucleus, likewise."""
    cytoplasm: Mapping[str, Float32 | float]
    """Concentration of each dye outside the nucleus."""
    density: float = 1.0
    """Concentration of chromatin in the nucleus."""
    clumping: float = 0.10
    """Relative variation of the density."""
    clump: float = 1.0
    """Size of the clumps of chromatin, µm."""
    above: Mapping[str, Float32] = field(default_factory=dict)
    """Concentration of each dye on top of everything else, such as in granules."""


def join_shapes(first: Float32, second: Float32, soft: float = 0.35) -> Float32:
    """Join two shapes with a rounded inner corner.

    Parameters
    ----------
    first, second : ndarray of float32, shape (n, n)
        Signed distances, µm.
    soft : float
        Size of the corner, µm.

    Returns
    -------
    ndarray of float32, shape (n, n)
        Signed distance to the union.
    """
    gap = np.maximum(soft - np.abs(first - second), 0)
    return np.minimum(first, second) - gap * gap / (4 * soft)


def scatter_spots(
    rng: np.random.Generator, radius: float, spacing: float, size: tuple[float, float]
) -> list[tuple[float, float, float]]:
    """Fill a disc with spots that are evenly but not regularly spaced.

    Parameters
    ----------
    rng : numpy.random.Generator
    radius : float
        Radius of the disc, µm.
    spacing : float
        Distance between two spots, µm.
    size : (float, float)
        Minimum and maximum radius of a spot, µm.

    Returns
    -------
    list of (float, float, float)
        x, y and radius of each, µm.
    """
    line = np.arange(-radius, radius + spacing, spacing)
    x, y = (axis.ravel() for axis in np.meshgrid(line, line))
    x = x + rng.uniform(-0.4, 0.4, x.shape) * spacing
    y = y + rng.uniform(-0.4, 0.4, y.shape) * spacing
    sizes = rng.uniform(*size, x.shape)
    kept = np.hypot(x, y) < radius
    return list(zip(x[kept].tolist(), y[kept].tolist(), sizes[kept].tolist(), strict=True))


def random_direction(rng: np.random.Generator) -> Float32:
    """Draw a random direction.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape (2,)
        Vector of length 1.
    """
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)


def stain(canvas: Canvas, cell: Cell) -> dict[str, Float32]:
    """Compute the concentration of each dye in a cell.

    Parameters
    ----------
    canvas : Canvas
    cell : Cell

    Returns
    -------
    dict from dye to ndarray of float32, shape (n, n)
        All of :data:`DYES`.
    """
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


def uneven_light(n: int, depth: float, rng: np.random.Generator) -> Float32:
    """Draw uneven light.

    Parameters
    ----------
    n : int
        Number of pixels per side.
    depth : float
        Maximum relative darkening of the darkest side.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape (n, n)
        1 on one side, ``1 - depth`` at most on the other.
    """
    slope = random_direction(rng) * np.float32(rng.uniform(0, depth) / 2)
    axis = np.linspace(-0.7, 0.7, n, dtype=np.float32)
    return 1 - depth / 2 + slope[0] * axis[None, :] + slope[1] * axis[:, None]


def to_image(values: Float32) -> Image.Image:
    """Round grey levels to an 8-bit image.

    Parameters
    ----------
    values : ndarray of float32, shape (height, width, 3)

    Returns
    -------
    PIL Image
    """
    from PIL import Image

    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
