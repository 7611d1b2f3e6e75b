"""Settings up to the matches: framing, embeddings (3.1), clusters (A.1), features (A.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from celltransfer_core.config.settings import Choice, Limits, Setting
from celltransfer_core.encoders.registry import DEFAULT_ENCODERS

if TYPE_CHECKING:  # --help imports this file and must not wait for NumPy
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
                help="voters; + concatenates embeddings; see the encoders command",
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
                        "Automatic",
                        "Another network that comes with CellTransfer replaces cell if it "
                        "separates the reference's types clearly better.",
                    ),
                    "named": Choice(
                        "As selected", "The encoders selected above, for all kinds of cells."
                    ),
                },
                help="let another network that comes with CellTransfer replace cell if it fits "
                "the reference's cells better, or use only the named encoders (default "
                "with --encoders)",
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
                        "Automatic",
                        "Cropped if at least 80 % of nuclei are found in every set; a wider crop "
                        "or the whole image if that separates the reference's types clearly "
                        "better.",
                    ),
                    "nucleus": Choice(
                        "Always", "Cropped; cells without a detected nucleus are left whole."
                    ),
                    "wide": Choice(
                        "Always, wider",
                        "Cropped twice as wide, for cells whose cytoplasm tells their types apart.",
                    ),
                    "none": Choice(
                        "Never", "Whole images, as in the paper. For unstained or live cells."
                    ),
                },
                help="crop every cell around its nucleus: automatically if most nuclei are "
                "found and it suits the reference's cells, always, always twice as wide, "
                "or never",
                page="data",
                label="Crop around the nucleus",
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
                        "Each cell",
                        "Cropped cells get the same background brightness, because slides may "
                        "differ in light; then each set is adjusted as below.",
                    ),
                    "lab": Choice(
                        "Each set",
                        "Each set's colours as a whole are adjusted to the reference's.",
                    ),
                    "none": Choice("Unchanged", "Each set keeps its own colours, as in the paper."),
                },
                help="adjust the query's colours to the reference's, cell by cell and then as "
                "a set; as a set only; or not at all",
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
                help="pixel size in µm",
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
                        "A fixed number of groups, each around its own centre. Keeps small types "
                        "separate from large ones: measured best on blood cells.",
                    ),
                    "louvain": Choice(
                        "Louvain",
                        "Connects similar cells, and finds groups that are more connected among "
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
                choices={"auto": Choice("About twelve, more in large sets")},
                limits=Limits(1),
                help="number of clusters of the mixture, each to be confirmed; auto: about "
                "twelve, up to twenty in large sets",
                metavar="auto|N",
                page="clusters",
                label="Number of clusters (mixture only)",
                note="You confirm each of them. With few cells fewer clusters are made: one "
                "for every eight cells.",
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
                help="embedding on which clusters are found (default: the first voter)",
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
                    "knn": Choice("Nearest neighbours only"),
                },
                help="distances used to find clusters: geodesic distances, or nearest "
                "neighbours only",
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
                label="How similar two cells must be to be connected (σ)",
                note="Connections weaker than σ are removed. Higher: fewer connections, more "
                "and tighter clusters.",
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
                help="for Louvain; a higher value gives more clusters",
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
                        "Removes the overall effect of stain and microscope first.",
                    ),
                    "raw": Choice("Raw embeddings", "As in the paper."),
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
                        "One third of the votes comes from its cells, through their nearest "
                        "reference cells; the rest from the similarity of its mean to the types' "
                        "means.",
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
