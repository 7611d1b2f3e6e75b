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
                stages=("matches", "vote"),
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
    transduction: Literal["discriminant", "none"] = field(
        default="discriminant",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("matches",),  # clusters are named by it too; no other voter rests on it
                choices={
                    "discriminant": Choice(
                        "They vote too",
                        "The query's own cells show what each type looks like there: a normal "
                        "distribution is fitted to those that the other voters take for it.",
                    ),
                    "none": Choice("They do not", "As the paper has it."),
                },
                help="one voter more: normal distributions, one a type, fitted to the query's "
                "own cells; or none",
                offered="run",
                page="classify",
                place=7,
                label="Types as they look in the query",
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
                    "equal": Choice(
                        "Evenly",
                        "Every voter the same; the fitted types as all unaligned ones together.",
                    ),
                },
                help="evenly, but aligned voters as far as clusters are confirmed (the default); "
                "by what they do on the reference and how the sets mix; or evenly",
                offered="run",
                page="classify",
                place=8,
                label="What a voter counts",
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
