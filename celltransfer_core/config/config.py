"""The settings of a run: :class:`Config`, whose fields carry their own metadata.

The metadata of a field are declared once: the stage that it affects, its allowed values, its value
in the paper's preset, and its texts for the command line and the pages; see
:class:`~celltransfer_core.config.settings.Setting`. Defaults are the values that performed best in
benchmarks; ``PAPER`` is the method as printed (3.1–3.4, A.1, A.2, 5.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from celltransfer_core.config.identification import IdentificationSettings
from celltransfer_core.config.settings import ConfigStage, Page, Setting
from celltransfer_core.config.transfer import TransferSettings
from celltransfer_core.config.voting import VotingSettings

if TYPE_CHECKING:  # --help imports this file and must not wait for NumPy
    from celltransfer_core.matching.matches import Match


@dataclass(frozen=True)
class Config(VotingSettings, TransferSettings, IdentificationSettings):
    """All settings of a run; the defaults performed best in benchmarks.

    Parameters
    ----------
    encoders : tuple of tuple of str
        Voters, each an encoder or several encoders whose embeddings are concatenated.
    network : {"auto", "named"}
        Whether a shipped network may be replaced by one for another kind of cell that fits the
        reference better (``auto``), or not (``named``, as in the paper).
    framing : {"auto", "nucleus", "wide", "none"}
        Crop cells around their nuclei if most are found (``auto``), always (``nucleus``, or
        ``wide`` with a larger field), or never.
    colour : {"balanced", "lab", "none"}
        Match the Lab mean and standard deviation of each set to the reference (``lab``), after
        matching the background of each framed cell (``balanced``), or leave colours unchanged.
    um_per_px : tuple of float, optional
        Pixel size in the reference and in the query, in µm, for sets that do not specify one
        (see :class:`~celltransfer_core.data.dataset.PixelScale`).
    clusters : {"mixture", "louvain", "node-degree"}
        Clustering method (A.1).
    n_clusters : {"auto"} or int
        Maximum number of clusters of a mixture; ``auto``: twelve, and up to twenty in large sets.
    cluster_encoder : tuple of str, optional
        Encoders whose concatenated embeddings are clustered; the first voter by default.
    graph : {"geodesic", "knn"}
        Graph used for clustering and for the centrality of cells: that of eq. 7, or a plain
        nearest-neighbour graph.
    sigma : {"auto", "paper"} or float
        Threshold of eq. 7.
    resolution : float
        Resolution of Louvain.
    features : {"centred", "raw"}
        Compare sets after subtracting the mean of each, or without centring (the paper).
    naming : {"votes", "scores"}
        Match clusters by the votes of their cells and means, or by the scores of A.2 (the paper).
    filtering : {"auto", "none"}
        Leave out types that match no cluster, or keep all.
    keep : tuple of str
        Types to keep even if they match no cluster, such as rare types that a person has seen.
    must_find : tuple of str
        Types that must not be missed: they are kept, and possible cells of them are flagged.
    expect : tuple of str
        Types that a person expects in the query; they are kept as well.
    absent : tuple of str
        Types that a person has ruled out for the query: excluded from matching, from the means used
        for centring, and from draws, but still possible as answers.
    weights : {"matches", "uniform"}
        Draw the reference in the proportions given by the matches, or at random (the paper).
    sources : {"nearest", "equal"}
        For a reference pooled from several sets: use only the set that is clearly the nearest to
        the query, if there is one, or all cells of all sets (the paper).
    alignment : {"fgw", "centre", "none"}
        Fused Gromov–Wasserstein, means only, or no aligned voters.
    transport : {"needed", "always"}
        Compute aligned voters only if their weight can be above zero, or always; see
        :func:`~celltransfer_core.pipeline.votes.transport_counts`.
    alpha : float
        Trade-off of eq. 2, in the paper's convention.
    mapping : {"affine", "barycentric"}
        How transport maps the reference's cells: by one affine map fitted to eq. 4, or each cell by
        eq. 4 itself (the paper).
    solver : {"auto", "auction", "pot"}
        Transport solver: CellTransfer's own (``auction``), POT's (``pot``), or the former unless α
        is 1 (``auto``).
    classifier : {"knn", "linear"}
        Entropy-weighted k-NN, or a linear probe.
    class_weight : {"balanced", "none"}
        Weight neighbours in inverse proportion to the number of drawn cells of their type, or
        equally (the paper). Types that are rare in the query are drawn rarely.
    transduction : {"discriminant", "none"}
        Add a voter based on the appearance of types in the query, see
        :mod:`~celltransfer_core.pipeline.discriminant`, with the weight of all unaligned voters
        together unless ``vote_weights`` is ``prior``; or not (the paper).
    vote_weights : {"confirmed", "prior", "equal"}
        Weight voters equally, but aligned ones only as far as people confirmed the clusters that
        the alignment is based on (``confirmed``); by their accuracy on the reference and the mixing
        of the sets (``prior``); or equally.
    scale_blocks : bool
        Whether to divide each block of a concatenation by its mean norm over the reference (not in
        the paper).
    subset_size : int
        Maximum number of cells of either set in one transport (5.2).
    draws : int
        Number of reference subsets per part of the query; more if the subsets are small, see
        :func:`~celltransfer_core.pipeline.draws.draw_size`.
    flag_error : float
        Acceptable share of errors among cells without a flag, once enough cells are typed; see
        :func:`~celltransfer_core.people.flags.find_flags`.
    flag_threshold : float
        Until then, cells with less agreement are flagged for review.
    seed : int
        Seed of everything random.

    Raises
    ------
    DataError
        If a value is out of range; the message names the option.
    """

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            setting.check(getattr(self, name))

    @property
    def encoder_ids(self) -> tuple[str, ...]:
        """All encoders needed, in the order of first mention."""
        voters = (*self.encoders, *([self.cluster_encoder] if self.cluster_encoder else []))
        return tuple(dict.fromkeys(member for voter in voters for member in voter))

    def first_deciding(self, *stages: ConfigStage) -> dict[str, Any]:
        """Collect the settings whose earliest stage is one of some stages.

        A key made from these settings and the key of the previous stage covers everything that
        affects a result.

        Parameters
        ----------
        *stages : str

        Returns
        -------
        dict from name to value
        """
        return {n: getattr(self, n) for n, s in SETTINGS.items() if s.stages[0] in stages}

    def deciding(self, *stages: ConfigStage) -> dict[str, Any]:
        """Collect the settings that affect some stages directly.

        A key made from these settings and the input arrays of a stage covers everything that
        affects its result.

        Parameters
        ----------
        *stages : str

        Returns
        -------
        dict from name to value
        """
        return {n: getattr(self, n) for n, s in SETTINGS.items() if {*s.stages} & {*stages}}

    def differing(self, other: Config) -> dict[str, Any]:
        """Collect the settings that differ from another configuration.

        Parameters
        ----------
        other : Config

        Returns
        -------
        dict from name to value
            Values of this configuration.
        """
        every = {name: getattr(self, name) for name in SETTINGS}
        return {name: value for name, value in every.items() if value != getattr(other, name)}

    def kept_types(self, matches: Sequence[Match], types: Sequence[str]) -> tuple[str, ...]:
        """List the reference types that are used (3.2).

        Parameters
        ----------
        matches : sequence of Match
        types : sequence of str
            Types of the reference.

        Returns
        -------
        tuple of str
            Used types in the order of ``types``.
        """
        from celltransfer_core.matching.matches import shared_types

        named = {match.matched_type for match in matches}
        possible = [name for name in types if name not in self.absent or name in named]
        if self.filtering == "none":
            return tuple(possible)
        return shared_types(matches, possible, self.always_kept)

    @property
    def always_kept(self) -> tuple[str, ...]:
        """Types that are kept even if they match no cluster."""
        return tuple(dict.fromkeys((*self.keep, *self.must_find, *self.expect)))


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {f.name: f.metadata["setting"].of(f) for f in fields(Config)}
)
"""Metadata of every setting, by the name of its field."""

DEFAULT = Config()
PAPER = Config(**{name: setting.paper for name, setting in SETTINGS.items()})
PRESETS = {"default": DEFAULT, "paper": PAPER}


def setting(name: str) -> Setting:
    """Return the metadata of a setting.

    Parameters
    ----------
    name : str
        Name of its field.

    Returns
    -------
    Setting

    Raises
    ------
    KeyError
        If there is no such field.
    """
    return SETTINGS[name]


def panel(page: Page) -> tuple[Setting, ...]:
    """List the settings offered on a page.

    Parameters
    ----------
    page : {"data", "embeddings", "clusters", "matches", "classify"}

    Returns
    -------
    tuple of Setting
        Settings in the order of the panel.
    """
    offered = (setting for setting in SETTINGS.values() if setting.page == page)
    return tuple(sorted(offered, key=lambda setting: setting.place))


def config_from(preset: str, **options: object) -> Config:
    """Make a configuration from a preset and changed values.

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
