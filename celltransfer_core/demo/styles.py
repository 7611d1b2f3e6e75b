"""Microscopes, stains and slides of the demonstration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_RGB = tuple[float, float, float]

DYES = ("chromatin", "blue", "pink", "orange", "violet", "haemoglobin")
"""Every dye of a :class:`Style`."""


@dataclass(frozen=True)
class Style:
    """Appearance of cells through a microscope and its stain.

    Parameters
    ----------
    size : int
        Side of the square image in px.
    um_per_px : float
        Size of a pixel, µm.
    background : tuple of float
        RGB colour of the empty slide, 0–255.
    dyes : mapping of str to tuple of float
        Optical density (natural logarithm) of each dye in R, G and B at concentration 1.
    strength : float
        Factor on all optical densities.
    blur : tuple of float
        Lowest and highest standard deviation of the blur, px.
    noise : float
        Standard deviation of the sensor's noise, grey levels.
    shading : float
        Maximum relative darkening of one side of the image.
    jpeg_quality : int or None
        Quality of a JPEG compression that leaves artefacts; None for none.
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
    """One slide of the query: its stain, and the types on it."""

    name: str
    patient: str
    strength: float
    """See :class:`Style`."""
    background: _RGB
    shares: Mapping[str, float]
    """Share of each type among the slide's cells."""


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
"""A clean May-Grünwald-Giemsa stain: nearly white slide, purple nuclei, sharp."""

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
"""Another microscope: yellow light, redder and weaker stain, closer, blurred and compressed."""

# As in blood, neutrophils are most common. Two reference types are missing, and one type is new.
SLIDES = (
    Slide(
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
    Slide(
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
    Slide(
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
