"""What to measure (5.1–5.2): alignments with their settings, filterings, and methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from celltransfer_core.config.config import Config
from celltransfer_core.errors import DataError

Filtering = Literal["false", "true", "reader"]

OT = ("none", "centre", "coral", "linear", "sinkhorn", "fgw-paper", "fgw")
"""Alignments from none to fused Gromov–Wasserstein.

They are: none, means only, two affine maps, entropic transport of the features, and fused
Gromov–Wasserstein as in the paper (raw features, uniform weights) and as in ``run``.
"""

FILTERING: tuple[Filtering, ...] = ("false", "true", "reader")
"""Types kept: all; those that clusters are matched to; the same with correct matches."""

METHODS = (
    "knn",
    "ensemble",
    "linear",
    "ensemble-linear",
    "nmtune",
    "ensemble-nmtune",
    "majority",
    "ceiling",
)
"""Methods that can be measured.

``majority`` predicts the query's most common type, ``ceiling`` is a cross-validated k-NN within the
query's own labels: both use the labels, as bounds for the other methods.
"""

CONCATENATIONS = (
    ("convnext", "swin"),
    ("sam", "convnext", "swin", "clip"),
    ("dinov2", "convnext", "vitmae", "swin"),
    ("convnext", "swin", "vitmae"),
    ("dinov2", "convnext", "swin"),
    ("dinov2", "convnext", "vitmae"),
    ("dinov2", "vitmae", "swin"),
)
"""The methods of the paper, Tables 3–8."""

MEMBERS = {"ensemble": "knn", "ensemble-linear": "linear", "ensemble-nmtune": "nmtune"}
"""Classifiers of the members of each ensemble."""

LARGE = 20_000
"""Seed words from here on are reserved for the protocol; lower ones belong to the pipeline."""


@dataclass(frozen=True)
class Protocol:
    """What to measure.

    Parameters
    ----------
    ot : tuple of str
        Some of :data:`OT`.
    filtering : tuple of str
        Some of :data:`FILTERING`.
    methods : tuple of str
        Some of :data:`METHODS`.
    subsets : int
        Parts that the query is split into (5.2).
    identification_subsets : int
        Random subsets for the identification of shared types (5.1); 0 leaves it out.
    low_label : tuple of int
        Labelled reference cells per type for the low-label curve; empty leaves it out.
    repeats : int
        Number of draws of these cells.
    keep_shared : bool
        Whether figures include query cells that are also in the reference.

    Raises
    ------
    DataError
        If a name is unknown or a number is out of range.
    """

    ot: tuple[str, ...] = OT
    filtering: tuple[Filtering, ...] = FILTERING
    methods: tuple[str, ...] = METHODS
    subsets: int = 10
    identification_subsets: int = 5
    low_label: tuple[int, ...] = (2, 5, 10, 20, 50)
    repeats: int = 3
    keep_shared: bool = False

    def __post_init__(self) -> None:
        for option, given, known in (
            ("ot", self.ot, OT),
            ("filtering", self.filtering, FILTERING),
            ("methods", self.methods, METHODS),
        ):
            for name in given:
                if name not in known:
                    raise DataError(
                        f"--{option} cannot be {name!r}; it takes {', '.join(known)}, separated by "
                        "commas."
                    )
            if not given:
                raise DataError(f"--{option} is empty; it takes {', '.join(known)}.")
        if self.subsets < 2:
            raise DataError(f"--subsets cannot be {self.subsets}; it must be at least 2.")
        if self.identification_subsets < 0:
            raise DataError("--identification-subsets cannot be below 0.")
        if self.repeats < 1 or any(cells < 1 for cells in self.low_label):
            raise DataError(
                "--low-label takes numbers of cells of at least 1, separated by commas."
            )

    @property
    def members(self) -> tuple[str, ...]:
        """Required classifiers, out of ``knn``, ``linear`` and ``nmtune``."""
        return tuple(
            member
            for ensemble, member in MEMBERS.items()
            if member in self.methods or ensemble in self.methods
        )


def with_concatenations(voters: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Add the paper's concatenations, formed from those of their members that are available.

    Parameters
    ----------
    voters : sequence of tuple of str

    Returns
    -------
    tuple of tuple of str
        The voters, then the new ones with at least two members.
    """
    single = {voter[0] for voter in voters if len(voter) == 1}
    formed = [tuple(member for member in whole if member in single) for whole in CONCATENATIONS]
    return tuple(dict.fromkeys([*voters, *(voter for voter in formed if len(voter) > 1)]))


def recipe(ot: str, config: Config) -> Config:
    """Configure features, draws and vote weights as an alignment needs them.

    Only ``fgw`` is what ``run`` does. ``none`` is the plain k-NN: raw features, cells drawn at
    random. All voters have the same weight, except that with ``fgw-paper`` each has its prior
    weight.

    Parameters
    ----------
    ot : str
        One of :data:`OT`.
    config : Config

    Returns
    -------
    Config
    """
    if ot == "none":
        return replace(
            config,
            features="raw",
            weights="uniform",
            class_weight="none",
            vote_weights="equal",
            transduction="none",
        )
    if ot == "fgw-paper":
        return replace(
            config,
            features="raw",
            weights="uniform",
            mapping="barycentric",
            class_weight="none",
            vote_weights="prior",
            transduction="none",
        )
    if ot == "fgw":
        return config
    return replace(
        config, features="centred" if ot == "centre" else config.features, vote_weights="equal"
    )
