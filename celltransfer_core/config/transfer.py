"""Settings of the transfer: types kept, draws from the reference (5.2), transport (3.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from celltransfer_core.config.settings import Choice, Limits, Setting

if TYPE_CHECKING:  # --help reads this file and must not wait for NumPy
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
                        "No cell can be typed as one of them: fewer false finds. A rare type that "
                        "hides in another's cluster is lost unless it is kept on the Matches page.",
                    ),
                    "none": Choice("Keep them", "Each keeps a share of 3 % at least."),
                },
                help="leave out types that no cluster matches",
                offered="run",
                page="classify",
                place=3,
                label="Types that no cluster is matched to",
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
                help="keep these types though no cluster matches them",
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
                "one is flagged",
                metavar="TYPE",
                offered="run",
                own=True,
                label="Types that must not be missed",
                note="Such as blasts. They are never left out, and besides the cells of that type "
                "those that may be one are shown first in review.",
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
                help="types that the query is known to hold: they are kept though no cluster "
                "matches them; unless --absent is given too, all others are ruled out",
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
                help="types that the query cannot hold: no cluster is matched to them unless a "
                "person says so",
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
                        "As your matches say",
                        "Types get the share that their clusters have in the query. Unequal "
                        "shares are what transport stumbles on.",
                    ),
                    "uniform": Choice("At random", "As the paper has it."),
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
                stages=("matches", "draws"),
                choices={
                    "nearest": Choice(
                        "By how near they are",
                        "Of a type that several sets have, fewer cells are taken of the sets that "
                        "look less like the query.",
                    ),
                    "equal": Choice("All cells of all sets"),
                },
                help="of a reference pooled from several sets: take fewer cells of the sets that "
                "look less like the query, or all cells",
                page="classify",
                place=11,
                label="Reference pooled from several sets: how many cells of each",
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
                        "Moves reference cells onto query cells so that alike cells meet and "
                        "groups keep their shape (fused Gromov-Wasserstein). Every encoder votes "
                        "both with and without it.",
                    ),
                    "centre": Choice(
                        "Means only",
                        "Shifts each set to a common middle. Quick; it cannot follow a change of "
                        "shape.",
                    ),
                    "none": Choice("None", "Voters without transport alone."),
                },
                help="fused Gromov-Wasserstein, means alone, or none",
                offered="run",
                page="classify",
                place=1,
                label="Alignment: is the reference carried over to the query's look?",
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
                        "Where it counts",
                        "Voters with transport that weigh nothing are not computed: as voters "
                        "count by default, all of them until a cluster is confirmed.",
                    ),
                    "always": Choice(
                        "Always", "To look at what transport does, though it may count nothing."
                    ),
                },
                help="compute aligned voters only where they can count in the vote (as voters are "
                "weighed by default, once a cluster is confirmed), or always",
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
                help="structure against features, 0 to 1, as in the paper (POT's own is alpha / "
                "(2 - alpha))",
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
                    "barycentric": Choice("Each to the cells it is carried to"),
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
                help="of the transport: own, POT's, or own unless alpha is 1",
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
                help="most cells of either set in one transport",
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
                help="reference subsets for each part of the query",
                metavar="N",
                offered="run",
                page="classify",
                place=10,
                label="Draws from the reference",
                note="Each draw is transported by itself, and all are pooled. More draws steady "
                "the vote and take longer.",
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
                help="of everything that is random",
                own=True,
            )
        },
    )
