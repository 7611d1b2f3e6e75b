"""The settings of a run: :class:`Config`, made of fields that say everything about themselves.

Each field says, once and as metadata, which stage it decides, what it takes, its value in the
paper's preset, and its words for the command line and the pages; see
:class:`~celltransfer_core.config.settings.Setting`. Defaults are what measured best; ``PAPER`` is
the method as printed (3.1–3.4, A.1, A.2, 5.2).
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

if TYPE_CHECKING:  # --help reads this file and must not wait for NumPy
    from celltransfer_core.matching.matches import Match


@dataclass(frozen=True)
class Config(VotingSettings, TransferSettings, IdentificationSettings):
    """Every setting of a run; the defaults are what measured best.

    Parameters
    ----------
    encoders : tuple of tuple of str
        Voters: each an encoder, or several whose embeddings are concatenated.
    network : {"auto", "named"}
        Let the network of another kind of cell, of those that came with CellTransfer, take the
        place of one where it fits the reference better, or not (the paper).
    framing : {"auto", "nucleus", "wide", "none"}
        Cut cells around their nuclei: where most are found, always, never.
    colour : {"balanced", "lab", "none"}
        Bring each set's Lab mean and spread to the reference's (``lab``), after each framed cell's
        background was brought to the reference's (``balanced``), or leave colours as they are.
    um_per_px : tuple of float, optional
        Size of a pixel in the reference and in the query, in µm, for sets that have none of their
        own (see :class:`~celltransfer_core.data.dataset.PixelScale`).
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
    naming : {"votes", "scores"}
        Name clusters by the votes of their cells and means, or by the scores of A.2 (the paper).
    filtering : {"auto", "none"}
        Leave out types that no cluster matches, or keep all.
    keep : tuple of str
        Types to keep though no cluster matches them: rare ones that a person has seen.
    must_find : tuple of str
        Types that must not be missed: they are kept, and cells that may be one are flagged.
    expect : tuple of str
        Types that a person expects in the query: they are kept likewise.
    absent : tuple of str
        Types that the query cannot hold, as a person said: left out of naming, of the means that
        sets are centred on, and of what is drawn, but not of a person's answers.
    weights : {"matches", "uniform"}
        Draw the reference to the proportions that the matches give, or at random (the paper).
    sources : {"nearest", "equal"}
        Of a reference that was pooled from several sets, use the one alone that is decisively the
        nearest to the query, if there is one, or all cells of all (the paper).
    alignment : {"fgw", "centre", "none"}
        Fused Gromov–Wasserstein, means only, or no aligned voters at all.
    transport : {"needed", "always"}
        Compute aligned voters where their weight can be above nought alone, or always; see
        :func:`~celltransfer_core.pipeline.votes.transport_counts`.
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
    transduction : {"discriminant", "none"}
        Let types as they look in the query vote too, see
        :mod:`~celltransfer_core.pipeline.discriminant`, as much as all unaligned voters together
        unless voters are weighed by ``prior``; or not (the paper).
    vote_weights : {"confirmed", "prior", "equal"}
        Weigh voters evenly, but aligned ones only as far as people confirmed the clusters that
        the alignment rests on; by what they do on the reference and how the sets mix; or evenly.
    scale_blocks : bool
        Divide each block of a concatenation by its mean norm over the reference (not in the paper).
    subset_size : int
        Most cells of either set in one transport (5.2).
    draws : int
        Reference subsets a part of the query; more of them where they are small, see
        :func:`~celltransfer_core.pipeline.draws.draw_size`.
    flag_error : float
        Share of the cells without a flag that may be wrong, once enough cells are typed; see
        :func:`~celltransfer_core.people.flags.find_flags`.
    flag_threshold : float
        Cells with less agreement are flagged for review, until then.
    seed : int
        Of everything that is random.

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
        """Every single encoder that is needed, in the order of first mention."""
        voters = (*self.encoders, *([self.cluster_encoder] if self.cluster_encoder else []))
        return tuple(dict.fromkeys(member for voter in voters for member in voter))

    def first_deciding(self, *stages: ConfigStage) -> dict[str, Any]:
        """Collect the settings that decide nothing before some stages.

        A key that is made from these and from the key of the stage before is the key of everything
        that decides a result.

        Parameters
        ----------
        *stages : str

        Returns
        -------
        dict from name to value
        """
        return {n: getattr(self, n) for n, s in SETTINGS.items() if s.stages[0] in stages}

    def deciding(self, *stages: ConfigStage) -> dict[str, Any]:
        """Collect the settings that decide some stages directly.

        A key that is made from these and from the arrays that a stage is given is the key of
        everything that decides its result.

        Parameters
        ----------
        *stages : str

        Returns
        -------
        dict from name to value
        """
        return {n: getattr(self, n) for n, s in SETTINGS.items() if {*s.stages} & {*stages}}

    def differing(self, other: Config) -> dict[str, Any]:
        """Collect the settings that have another value elsewhere.

        Parameters
        ----------
        other : Config

        Returns
        -------
        dict from name to value
            The values here.
        """
        every = {name: getattr(self, name) for name in SETTINGS}
        return {name: value for name, value in every.items() if value != getattr(other, name)}

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
        from celltransfer_core.matching.matches import shared_types

        named = {match.matched_type for match in matches}
        possible = [name for name in types if name not in self.absent or name in named]
        if self.filtering == "none":
            return tuple(possible)
        return shared_types(matches, possible, self.always_kept)

    @property
    def always_kept(self) -> tuple[str, ...]:
        """Types that are kept though no cluster matches them."""
        return tuple(dict.fromkeys((*self.keep, *self.must_find, *self.expect)))


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {f.name: f.metadata["setting"].of(f) for f in fields(Config)}
)
"""What there is to know of every setting, by the name of its field."""

DEFAULT = Config()
PAPER = Config(**{name: setting.paper for name, setting in SETTINGS.items()})
PRESETS = {"default": DEFAULT, "paper": PAPER}


def setting(name: str) -> Setting:
    """Return what there is to know of a setting.

    Parameters
    ----------
    name : str
        Of its field.

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
    """List the settings that a page offers.

    Parameters
    ----------
    page : {"data", "embeddings", "clusters", "matches", "classify"}

    Returns
    -------
    tuple of Setting
        In the order of the panel.
    """
    offered = (setting for setting in SETTINGS.values() if setting.page == page)
    return tuple(sorted(offered, key=lambda setting: setting.place))


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
