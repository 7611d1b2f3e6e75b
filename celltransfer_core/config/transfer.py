"""Settings of the transfer: types kept, draws from the reference (5.2), transport (3.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from celltransfer_core.config.settings import Choice, Limits, Setting

if TYPE_CHECKING:  # --help imports this file and must not wait for NumPy
    from celltransfer_core.transport.fgw import Solver
    from celltransfer_core.transport.plans import Map


@dataclass(frozen=True)
class TransferSettings:
    """The second part of ``Config``, which documents the parameters."""

    filtering: Literal["auto", "none"] = field(
        default="auto",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("draws",),
                choices={
                    "auto": Choice(
                        "Leave them out",
                        "No cell can get one of these types: fewer false positives. A rare type "
                        "whose cells are hidden in another cluster is lost unless it is kept on "
                        "the Matches page.",
                    ),
                    "none": Choice("Keep them", "Each keeps a share of at least 3 %."),
                },
                help="leave out types that no cluster matches",
                offered="run",
                page="classify",
                place=3,
                label="Types that match no cluster",
            )
        },
    )
    keep: tuple[str, ...] = field(
        default=(),
        metadata={
            "setting": Setting(
                kind="types",
                stages=("draws",),
                takes="types of the reference",
                help="keep these types even if no cluster matches them",
                metavar="TYPE",
                offered="run",
                own=True,
                page="matches",
            )
        },
    )
    must_find: tuple[str, ...] = field(
        default=(),
        metadata={
            "setting": Setting(
                kind="types",
                stages=("draws",),
                takes="types of the reference",
                help="types that must not be missed: they are kept, and every cell that may be "
                "one of them is flagged",
                metavar="TYPE",
                offered="run",
                own=True,
                label="Types that must not be missed",
                note="For example blasts. They are never left out, and in the review not only "
                "their cells but also cells that may be of these types are shown first.",
            )
        },
    )
    expect: tuple[str, ...] = field(
        default=(),
        metadata={
            "setting": Setting(
                kind="types",
                stages=("draws",),
                takes="types of the reference",
                help="types that the query is known to contain: they are kept even if no "
                "cluster matches them; unless --absent is also given, all others are "
                "ruled out",
                metavar="TYPE",
                own=True,
            )
        },
    )
    absent: tuple[str, ...] = field(
        default=(),
        metadata={
            "setting": Setting(
                kind="types",
                stages=("matches", "draws"),
                takes="types of the reference",
                help="types that the query cannot contain: no cluster is matched to them "
                "unless a reader does so",
                metavar="TYPE",
                own=True,
            )
        },
    )
    weights: Literal["matches", "uniform"] = field(
        default="matches",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("draws",),
                choices={
                    "matches": Choice(
                        "According to the matches",
                        "Types get the share of their clusters in the query. Unequal shares are "
                        "what makes transport fail.",
                    ),
                    "uniform": Choice("At random", "As in the paper."),
                },
                help="proportions that transport expects",
                page="classify",
                place=2,
                label="How many cells of each type are drawn from the reference",
                paper="uniform",
            )
        },
    )
    sources: Literal["nearest", "equal"] = field(
        default="nearest",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("embed",),
                choices={
                    "nearest": Choice(
                        "Only the nearest set, if it is clearly the nearest",
                        "A set of the query's own microscope and stain gives better results alone "
                        "than with others. Types that it lacks are not expected; keep them on "
                        "Matches.",
                    ),
                    "equal": Choice("All cells of all sets"),
                },
                help="which sets of a pooled reference are used: only the set that is clearly the "
                "nearest to the query, if there is one, or all cells of all sets",
                page="classify",
                place=11,
                label="Which sets of a pooled reference are used",
                paper="equal",
            )
        },
    )
    alignment: Literal["fgw", "centre", "none"] = field(
        default="fgw",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("aligned",),
                choices={
                    "fgw": Choice(
                        "Optimal transport",
                        "Moves reference cells onto query cells so that similar cells meet and "
                        "groups keep their shape (fused Gromov-Wasserstein). Every encoder votes "
                        "both with and without it.",
                    ),
                    "centre": Choice(
                        "Means only",
                        "Shifts each set to a common mean. Fast, but cannot follow a change of "
                        "shape.",
                    ),
                    "none": Choice("None", "Only voters without transport."),
                },
                help="fused Gromov-Wasserstein, means only, or none",
                offered="run",
                page="classify",
                place=1,
                label="Alignment: is the reference moved onto the query?",
            )
        },
    )
    transport: Literal["needed", "always"] = field(
        default="needed",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("aligned voters",),
                choices={
                    "needed": Choice(
                        "When it counts",
                        "Voters with transport that have no weight are not computed: with the "
                        "default weights, none of them until a cluster is confirmed.",
                    ),
                    "always": Choice(
                        "Always", "To see the effect of transport even if it does not count."
                    ),
                },
                help="compute aligned voters only when they can count in the vote (with the "
                "default weights, once a cluster is confirmed), or always",
                offered="run",
                page="classify",
                place=9,
                label="When transport is computed",
                paper="always",
            )
        },
    )
    alpha: float = field(
        default=0.5,
        metadata={
            "setting": Setting(
                kind="number",
                stages=("aligned",),
                limits=Limits(0, 1),
                help="structure against features, 0 to 1, as in the paper (POT's own alpha is "
                "alpha / (2 - alpha))",
            )
        },
    )
    mapping: Map = field(
        default="affine",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("aligned",),
                choices={
                    "affine": Choice("All by one affine map"),
                    "barycentric": Choice("Each to its target cells"),
                },
                help="move the reference by one affine map fitted to the plan, or each cell as in "
                "eq. 4",
                paper="barycentric",
            )
        },
    )
    solver: Solver = field(
        default="auto",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("aligned",),
                choices={
                    "auto": Choice("CellTransfer's, or POT's where α is 1"),
                    "auction": Choice("CellTransfer's"),
                    "pot": Choice("POT's"),
                },
                help="solver of the transport: own, POT's, or own unless alpha is 1",
            )
        },
    )
    scale_blocks: bool = field(
        default=True,
        metadata={
            "setting": Setting(
                kind="switch",
                stages=("clusters", "vote"),
                takes="true or false",
                help="divide each block of a concatenation by its mean norm over the reference",
                offered="preset",
                paper=False,
            )
        },
    )
    subset_size: int = field(
        default=2000,
        metadata={
            "setting": Setting(
                kind="whole",
                stages=("draws",),
                limits=Limits(10),
                help="maximum number of cells of either set in one transport",
                metavar="N",
            )
        },
    )
    draws: int = field(
        default=3,
        metadata={
            "setting": Setting(
                kind="whole",
                stages=("draws",),
                limits=Limits(1),
                help="number of reference subsets for each part of the query",
                metavar="N",
                offered="run",
                page="classify",
                place=10,
                label="Draws from the reference",
                note="Each draw is transported separately, and all are pooled. More draws make "
                "the vote more stable and take longer.",
                shown=(1, 20),
            )
        },
    )
    seed: int = field(
        default=0,
        metadata={
            "setting": Setting(
                kind="whole",
                stages=("clusters", "matches", "draws", "vote"),
                limits=Limits(0, 2**32 - 1),
                help="random seed",
                own=True,
            )
        },
    )
