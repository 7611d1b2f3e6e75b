"""Settings of the vote (3.4) and of the flags."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from celltransfer_core.config.settings import Choice, Limits, Setting


@dataclass(frozen=True)
class VotingSettings:
    """The third part of ``Config``, which documents the parameters."""

    classifier: Literal["knn", "linear"] = field(
        default="knn",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("vote",),
                choices={
                    "knn": Choice(
                        "Nearest neighbours",
                        "The most similar reference cells vote; their number is chosen for each "
                        "cell. You can look at them on the Cells page.",
                    ),
                    "linear": Choice(
                        "Linear probe", "A linear boundary between types, learned once."
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
                stages=("matches", "vote"),
                choices={
                    "balanced": Choice(
                        "More, the fewer cells of its type are drawn",
                        "A rare type with few cells then counts as much as a common one.",
                    ),
                    "none": Choice("Like any other", "As in the paper."),
                },
                help="neighbours count in inverse proportion to the number of drawn cells of "
                "their type, or equally",
                page="classify",
                place=6,
                label="Weight of a neighbour",
                paper="none",
            )
        },
    )
    transduction: Literal["discriminant", "none"] = field(
        default="discriminant",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("matches",),  # also used to match clusters; no other voter depends on it
                choices={
                    "discriminant": Choice(
                        "They vote too",
                        "The query's own cells show how each type looks there: a normal "
                        "distribution is fitted to the cells that the other voters assign to it.",
                    ),
                    "none": Choice("They do not", "As in the paper."),
                },
                help="one additional voter: normal distributions, one per type, fitted to the "
                "query's own cells; or none",
                offered="run",
                page="classify",
                place=7,
                label="Types fitted to the query",
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
                        "Equally; transport in proportion to confirmed matches",
                        "Transport to wrong proportions does harm, to right ones it helps: its "
                        "voters are weighted by the share of cells whose clusters you confirmed.",
                    ),
                    "prior": Choice(
                        "By performance on the reference",
                        "And by how well both sets mix. As in the paper.",
                    ),
                    "equal": Choice(
                        "Equally",
                        "All voters have the same weight; the fitted types together count as much "
                        "as all unaligned voters.",
                    ),
                },
                help="equally, but aligned voters in proportion to confirmed clusters (the "
                "default); by performance on the reference and how well the sets mix; or "
                "equally",
                offered="run",
                page="classify",
                place=8,
                label="Weight of a voter",
                paper="prior",
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
                help="share of cells without a flag that may be wrong, once 30 cells are typed",
                metavar="SHARE",
                offered="run",
                own=True,
                label="Errors allowed among cells without a flag",
                note="Once 30 cells are typed, calibrated confidence decides: as many cells "
                "stay without a flag as possible with the expected share of errors among "
                "them below this. Nothing is computed again.",
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
                note="Used until 30 cells are typed. Cells of clusters that match no type are "
                "always flagged. Nothing is computed again.",
                shown=(0.0, 1.0),
            )
        },
    )
