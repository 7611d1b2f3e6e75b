"""Settings of the transfer: draws from the reference (5.2), transport (3.3) and vote (3.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from celltransfer_core.config.settings import Choice, Limits, Setting

if TYPE_CHECKING:  # --help reads this file and must not wait for NumPy
    from celltransfer_core.transport.fgw import Solver
    from celltransfer_core.transport.plans import Map


@dataclass(frozen=True)
class TransferSettings:
    """The second half of ``Config``, which documents the parameters."""

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
                place=8,
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
    classifier: Literal["knn", "linear"] = field(
        default="knn",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("vote",),
                choices={
                    "knn": Choice(
                        "Nearest neighbours",
                        "The most alike reference cells vote; how many is chosen cell by cell. "
                        "You can look at them on the Cells page.",
                    ),
                    "linear": Choice(
                        "Linear probe", "A straight border between types, learned once."
                    ),
                },
                help="entropy-weighted nearest neighbours, or a linear probe",
                offered="run",
                page="classify",
                place=5,
                label="Classifier",
            )
        },
    )
    class_weight: Literal["balanced", "none"] = field(
        default="balanced",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("vote",),
                choices={
                    "balanced": Choice(
                        "The more, the fewer of its type are drawn",
                        "A rare type, of which few are, then counts as much as a common one.",
                    ),
                    "none": Choice("Like any other", "As the paper has it."),
                },
                help="neighbours count in inverse proportion to the drawn cells of their type, "
                "or alike",
                page="classify",
                place=6,
                label="What a neighbour counts",
                paper="none",
            )
        },
    )
    vote_weights: Literal["confirmed", "prior", "equal"] = field(
        default="confirmed",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("weighing",),
                choices={
                    "confirmed": Choice(
                        "Evenly; transport as far as matches are confirmed",
                        "Transport to wrong proportions does harm, to right ones good: its voters "
                        "count for the share of cells whose clusters you confirmed.",
                    ),
                    "prior": Choice(
                        "By how it does on the reference",
                        "And by how well both sets mix. As the paper has it.",
                    ),
                    "equal": Choice("Evenly", "Every voter the same."),
                },
                help="evenly, but aligned voters as far as clusters are confirmed (the default); "
                "by what they do on the reference and how the sets mix; or evenly",
                offered="run",
                page="classify",
                place=7,
                label="What a voter counts",
                paper="prior",
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
                place=9,
                label="Draws from the reference",
                note="Each draw is transported by itself, and all are pooled. More draws steady "
                "the vote and take longer.",
                shown=(1, 20),
            )
        },
    )
    flag_error: float = field(
        default=0.02,
        metadata={
            "setting": Setting(
                kind="number",
                stages=("flagging",),
                limits=Limits(0, 1),
                help="share of the cells without a flag that may be wrong, once 30 cells are typed",
                metavar="SHARE",
                offered="run",
                own=True,
                label="Errors allowed among cells without a flag",
                note="Once 30 cells are typed, calibrated confidence decides: as many cells are "
                "left without a flag as keeps the expected share of errors among them below this. "
                "Nothing is computed anew.",
                shown=(0.0, 0.2),
            )
        },
    )
    flag_threshold: float = field(
        default=0.6,
        metadata={
            "setting": Setting(
                kind="number",
                stages=("flagging",),
                limits=Limits(0, 1),
                help="flag cells with less agreement, until 30 cells are typed",
                metavar="SHARE",
                offered="run",
                own=True,
                label="Flag cells with less agreement than",
                note="It decides until 30 cells are typed. Cells of clusters that fit no type are "
                "always flagged. Nothing is computed anew.",
                shown=(0.0, 1.0),
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
