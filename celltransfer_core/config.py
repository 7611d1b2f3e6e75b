"""TODO celltransfer_core/config.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, get_args, get_origin, get_type_hints

from celltransfer_core.classify.voting import FLAG_THRESHOLD
from celltransfer_core.clustering.base import Sigma
from celltransfer_core.clustering.mixture import Auto
from celltransfer_core.encoders.registry import DEFAULT_ENCODERS
from celltransfer_core.errors import DataError
from celltransfer_core.framing.colour import Colour
from celltransfer_core.matching.matches import Match, shared_types
from celltransfer_core.transport.fgw import Solver
from celltransfer_core.transport.plans import Map


@dataclass(frozen=True)
class Config:
    """Everything a run can be told; the defaults are what measured best.

    Parameters
    ----------
    encoders : tuple of tuple of str
        Voters: each an encoder, or several whose embeddings are concatenated.
    framing : {"auto", "nucleus", "none"}
        Cut cells around their nuclei: where most are found, always, never.
    colour : {"balanced", "lab", "none"}
        Bring each set's Lab mean and spread to the reference's (``lab``), after each framed cell's
        background was brought to the reference's (``balanced``), or leave colours as they are.
    um_per_px : tuple of float, optional
        Size of a pixel in the reference and in the query, in µm.
    clusters : {"mixture", "louvain", "node-degree"}
        How clusters are found (A.1).
    n_clusters : {"auto"} or int
        Of a mixture, at most; ``auto``: a dozen, and up to twenty in large sets.
    cluster_encoder : tuple of str, optional
        Encoders, concatenated, that clusters are found on; the first voter by default.
    graph : {"geodesic", "knn"}
        Graph that clusters are found on, and cells are central in: of eq. 7, or of nearest
        neighbours alone.
    sigma : {"auto", "paper"} or float
        Threshold of eq. 7.
    resolution : float
        Of Louvain.
    features : {"centred", "raw"}
        Compare sets after each one's own mean is subtracted, or as they are (the paper).
    filtering : {"auto", "none"}
        Leave out types that no cluster matches, or keep all.
    keep : tuple of str
        Types to keep though no cluster matches them: rare ones that a person has seen.
    weights : {"matches", "uniform"}
        Draw the reference to the proportions that the matches give, or at random (the paper).
    alignment : {"fgw", "centre", "none"}
        Fused Gromov–Wasserstein, means only, or no aligned voters at all.
    alpha : float
        Trade-off of eq. 2, in the paper's convention.
    mapping : {"affine", "barycentric"}
        Where transport leads the reference's cells: all by one affine map that is fitted to eq. 4,
        or each by eq. 4 itself (the paper).
    solver : {"auto", "auction", "pot"}
        Of the transport: own; POT's; or own unless α is 1.
    classifier : {"knn", "linear"}
        Entropy-weighted k-NN, or a linear probe.
    class_weight : {"balanced", "none"}
        Let a type's drawn cells count as neighbours in inverse proportion to their number, or each
        alike (the paper). Types that are rare in the query are drawn rarely.
    vote_weights : {"confirmed", "prior", "equal"}
        Weigh voters evenly, but aligned ones only as far as people confirmed the clusters that
        the alignment rests on; by what they do on the reference and how the sets mix; or evenly.
    scale_blocks : bool
        Divide each block of a concatenation by its mean norm over the reference (not in the paper).
    subset_size : int
        Most cells of either set in one transport (5.2).
    draws : int
        Reference subsets a part of the query; more of them where they are small, see
        :func:`draw_size`.
    flag_threshold : float
        Cells with less agreement are flagged for review.
    seed : int
        Of everything that is random.

    Raises
    ------
    DataError
        If a value is out of range; the message names the option.
    """

    encoders: tuple[tuple[str, ...], ...] = DEFAULT_ENCODERS
    framing: Literal["auto", "nucleus", "none"] = "auto"
    colour: Colour = "balanced"
    um_per_px: tuple[float, float] | None = None
    clusters: Literal["mixture", "louvain", "node-degree"] = "mixture"
    n_clusters: Auto | int = "auto"
    cluster_encoder: tuple[str, ...] | None = None
    graph: Literal["geodesic", "knn"] = "geodesic"
    sigma: Sigma | float = "auto"
    resolution: float = 2.0
    features: Literal["centred", "raw"] = "centred"
    filtering: Literal["auto", "none"] = "auto"
    keep: tuple[str, ...] = ()
    weights: Literal["matches", "uniform"] = "matches"
    alignment: Literal["fgw", "centre", "none"] = "fgw"
    alpha: float = 0.5
    mapping: Map = "affine"
    solver: Solver = "auto"
    classifier: Literal["knn", "linear"] = "knn"
    class_weight: Literal["balanced", "none"] = "balanced"
    vote_weights: Literal["confirmed", "prior", "equal"] = "confirmed"
    scale_blocks: bool = True
    subset_size: int = 2000
    draws: int = 3
    flag_threshold: float = FLAG_THRESHOLD
    seed: int = 0

    def __post_init__(self) -> None:
        for name, words in _choices().items():
            value = getattr(self, name)
            if value not in words:
                option = name.replace("_", "-")
                raise DataError(f"--{option} cannot be {value}; it takes {', '.join(words)}.")
        limits = {
            "alpha": 0 <= self.alpha <= 1,
            "flag-threshold": 0 <= self.flag_threshold <= 1,
            "subset-size": self.subset_size >= 10,
            "draws": self.draws >= 1,
            "n-clusters": self.n_clusters == "auto"
            if isinstance(self.n_clusters, str)
            else self.n_clusters >= 1,
            "resolution": self.resolution > 0,
            "seed": 0 <= self.seed < 2**32,
            "sigma": self.sigma in get_args(Sigma)
            if isinstance(self.sigma, str)
            else 0 < self.sigma <= 1,
            "um-per-px": self.um_per_px is None or min(self.um_per_px) > 0,
            "encoders": bool(self.encoders),
        }
        allowed = {
            "alpha": "0 to 1",
            "flag-threshold": "0 to 1",
            "subset-size": "10 or more",
            "draws": "1 or more",
            "n-clusters": "auto, or 1 or more",
            "resolution": "above 0",
            "seed": "0 to 4294967295",
            "sigma": "auto, paper, or above 0 up to 1",
            "um-per-px": "two numbers above 0",
            "encoders": "one encoder at least",
        }
        for name, fine in limits.items():
            if not fine:
                value = getattr(self, name.replace("-", "_"))
                raise DataError(f"--{name} cannot be {value}; it takes {allowed[name]}.")

    @property
    def encoder_ids(self) -> tuple[str, ...]:
        """Every single encoder that is needed, in the order of first mention."""
        voters = (*self.encoders, *([self.cluster_encoder] if self.cluster_encoder else []))
        return tuple(dict.fromkeys(member for voter in voters for member in voter))

    def kept_types(self, matches: Sequence[Match], types: Sequence[str]) -> tuple[str, ...]:
        """List the types of the reference that take part (3.2).

        Parameters
        ----------
        matches : sequence of Match
        types : sequence of str
            Those of the reference.

        Returns
        -------
        tuple of str
            In the order of ``types``.
        """
        if self.filtering == "none":
            return tuple(types)
        return shared_types(matches, types, self.keep)


@cache
def _choices() -> dict[str, tuple[str, ...]]:
    """List the words that each setting takes which takes nothing else."""
    hints = get_type_hints(Config)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


DEFAULT = Config()
PAPER = replace(
    DEFAULT,
    framing="none",
    colour="none",
    clusters="node-degree",
    sigma="paper",
    features="raw",
    weights="uniform",
    mapping="barycentric",
    class_weight="none",
    vote_weights="prior",
    scale_blocks=False,
)
PRESETS = {"default": DEFAULT, "paper": PAPER}

CLUSTERED_BY = ("clusters", "n_clusters", "graph", "sigma", "resolution", "seed")
"""Settings that decide the clusters of what they are found on."""


def voter_name(voter: Sequence[str]) -> str:
    """Write a voter as on the command line: ``colour+shape``."""
    return "+".join(voter)


def config_from(preset: str, **options: object) -> Config:
    """Make a configuration from a preset and what differs from it.

    Parameters
    ----------
    preset : {"default", "paper"}
    **options
        Fields of :class:`Config`; None leaves the preset's value.

    Returns
    -------
    Config

    Raises
    ------
    DataError
        If a value is out of range.
    """
    changes = {name: value for name, value in options.items() if value is not None}
    return replace(PRESETS[preset], **changes)  # type: ignore[arg-type]
