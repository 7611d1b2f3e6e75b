"""Settings up to the matches: framing, embeddings (3.1), clusters (A.1), features (A.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from celltransfer_core.config.settings import Choice, Limits, Setting
from celltransfer_core.encoders.registry import DEFAULT_ENCODERS

if TYPE_CHECKING:  # --help reads this file and must not wait for NumPy
    from celltransfer_core.clustering.base import Sigma
    from celltransfer_core.clustering.mixture import Auto
    from celltransfer_core.framing.colour import Colour


@dataclass(frozen=True)
class IdentificationSettings:
    """The first part of ``Config``, which documents the parameters."""

    encoders: tuple[tuple[str, ...], ...] = field(
        default=DEFAULT_ENCODERS,
        metadata={
            "setting": Setting(
                kind="voters",
                stages=("embed",),
                takes="one encoder at least",
                help="voters; + concatenates; see the encoders command",
                metavar="A,B,C+D",
                own=True,
                page="embeddings",
            )
        },
    )
    network: Literal["auto", "named"] = field(
        default="auto",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("embed",),
                choices={
                    "auto": Choice(
                        "As fits the cells",
                        "Another network that came with CellTransfer takes the place of cell where "
                        "it tells the reference's types apart clearly better.",
                    ),
                    "named": Choice("As chosen", "The encoders chosen above, whatever the cells."),
                },
                help="let another network that came with CellTransfer take the place of cell where "
                "it fits the reference's cells better, or keep to the encoders that are named "
                "(default with --encoders)",
                own=True,
                page="embeddings",
                label="Network",
                paper="named",
            )
        },
    )
    framing: Literal["auto", "nucleus", "wide", "none"] = field(
        default="auto",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("embed",),
                choices={
                    "auto": Choice(
                        "As fits the cells",
                        "Cut, if at least 80 % of nuclei are found in every set; wider or not at "
                        "all where that tells the reference's types apart clearly better.",
                    ),
                    "nucleus": Choice(
                        "Always", "Cut; cells whose nucleus is not found are left whole."
                    ),
                    "wide": Choice(
                        "Always, wider",
                        "Cut twice as wide, for cells that their cytoplasm tells apart.",
                    ),
                    "none": Choice(
                        "Never", "Whole images, as in the paper. For unstained or live cells."
                    ),
                },
                help="cut every cell around its nucleus: as fits the reference's cells where most "
                "nuclei are found, always, always twice as wide, or never",
                page="data",
                label="Cut around the nucleus",
                paper="none",
            )
        },
    )
    colour: Colour = field(
        default="balanced",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("embed",),
                choices={
                    "balanced": Choice(
                        "Every cell alike",
                        "Cells that are cut are lit alike, so that slides may differ in light; "
                        "then as below.",
                    ),
                    "lab": Choice(
                        "Every set alike",
                        "Each set's colours as a whole are brought to the reference's.",
                    ),
                    "none": Choice(
                        "As they are", "Each set keeps its own colours, as in the paper."
                    ),
                },
                help="bring the query's colours to the reference's, cell by cell and then as a "
                "set; as a set alone; or not at all",
                page="data",
                label="Colours",
                paper="none",
            )
        },
    )
    um_per_px: tuple[float, float] | None = field(
        default=None,
        metadata={
            "setting": Setting(
                kind="pair",
                stages=("embed",),
                limits=Limits(0, above=True),
                takes="two numbers above 0",
                help="size of a pixel in µm",
                metavar=("REFERENCE", "QUERY"),
            )
        },
    )
    clusters: Literal["mixture", "louvain", "node-degree"] = field(
        default="mixture",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("clusters",),
                choices={
                    "mixture": Choice(
                        "Mixture",
                        "As many groups as you ask for, each about a middle of its own. Keeps "
                        "small types apart from large ones: measured best on blood cells.",
                    ),
                    "louvain": Choice(
                        "Louvain",
                        "Ties cells that are alike, and looks for groups that are tied more among "
                        "themselves than to others.",
                    ),
                    "node-degree": Choice(
                        "Node degree",
                        "Grows each cluster from its best-connected cell. Fewer and larger "
                        "clusters; cells of sparse regions join the nearest one.",
                    ),
                },
                help="how clusters are found",
                page="clusters",
                label="Method",
                paper="node-degree",
            )
        },
    )
    n_clusters: Auto | int = field(
        default="auto",
        metadata={
            "setting": Setting(
                kind="whole",
                stages=("clusters",),
                choices={"auto": Choice("A dozen, more in large sets")},
                limits=Limits(1),
                help="of a mixture, each one to confirm; auto: a dozen, up to twenty in large sets",
                metavar="auto|N",
                page="clusters",
                label="How many clusters (mixture only)",
                note="Each is one to confirm. Of few cells fewer clusters are made: one for eight.",
                shown=(1, 99),
            )
        },
    )
    cluster_encoder: tuple[str, ...] | None = field(
        default=None,
        metadata={
            "setting": Setting(
                kind="voter",
                stages=("embed",),
                takes="names of encoders",
                help="what clusters are found on; the first voter unless given",
                metavar="A+B",
                own=True,
            )
        },
    )
    graph: Literal["geodesic", "knn"] = field(
        default="geodesic",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("clusters",),
                choices={
                    "geodesic": Choice("Geodesic distances"),
                    "knn": Choice("Nearest neighbours alone"),
                },
                help="what clusters are found on: geodesic distances, or nearest neighbours alone",
            )
        },
    )
    sigma: Sigma | float = field(
        default="auto",
        metadata={
            "setting": Setting(
                kind="number",
                stages=("clusters",),
                choices={
                    "auto": Choice("From these cells' own distances"),
                    "paper": Choice("The paper's rule"),
                },
                limits=Limits(0, 1, above=True),
                help="threshold of the clusters' graph",
                metavar="auto|paper|NUMBER",
                page="clusters",
                label="How alike two cells must be to be tied (σ)",
                note="Ties weaker than σ are cut. Higher: fewer ties, more and tighter clusters.",
                shown=(0.01, 1.0),
                paper="paper",
            )
        },
    )
    resolution: float = field(
        default=2.0,
        metadata={
            "setting": Setting(
                kind="number",
                stages=("clusters",),
                limits=Limits(0, above=True),
                help="of Louvain; higher gives more clusters",
                page="clusters",
                label="Resolution (Louvain only)",
                shown=(0.5, 5.0),
            )
        },
    )
    features: Literal["centred", "raw"] = field(
        default="centred",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("clusters", "vote"),
                choices={
                    "centred": Choice(
                        "Differences from each set's own mean",
                        "Takes the stain's and the microscope's overall look away first.",
                    ),
                    "raw": Choice("Embeddings as they are", "As the paper has it."),
                },
                help="subtract each set's own mean, or not",
                page="classify",
                place=4,
                label="What is compared",
                paper="raw",
            )
        },
    )
    naming: Literal["votes", "scores"] = field(
        default="votes",
        metadata={
            "setting": Setting(
                kind="word",
                stages=("matches",),
                choices={
                    "votes": Choice(
                        "By the votes of its cells and its mean",
                        "A third of the votes is its cells', by their nearest reference cells; the "
                        "rest is by the likeness of its mean to the types'.",
                    ),
                    "scores": Choice(
                        "By the scores of its mean",
                        "Mean cosines of clusters and types, as in the paper.",
                    ),
                },
                help="clusters are named by the votes of their cells and means, or by the paper's "
                "scores",
                page="classify",
                place=0,
                label="How a cluster is named",
                paper="scores",
            )
        },
    )
