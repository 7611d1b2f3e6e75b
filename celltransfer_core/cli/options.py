"""TODO celltransfer_core/cli/options.py."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

DONE, FAULT, MENDABLE, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(MENDABLE, f"celltransfer: {message}; see {self.prog} --help\n")


def add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="show where an error came from")


def add_work(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes; all processors unless given"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask cluster to work on, such as tcp://HOST:8786; CELLTRANSFER_SCHEDULER unless "
        "given, else this machine",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    add_common(parser)


def add_reference(folders: argparse._ArgumentGroup) -> None:
    folders.add_argument(
        "--reference",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="typed cells: one sub-folder a type, or labels.csv; repeated, the sets are pooled, "
        "each framed, centred and transported by itself",
    )
    folders.add_argument(
        "--types",
        type=_chosen_types,
        action="append",
        default=[],
        metavar="SET:A,B",
        help="take these types alone from a reference, SET being its folder's name; may be "
        "repeated",
    )


def _chosen_types(text: str) -> tuple[str, tuple[str, ...]]:
    name, found, types = text.rpartition(":")
    chosen = tuple(part.strip() for part in types.split(",") if part.strip())
    if not (found and name.strip() and chosen):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form SET:type,type")
    return name.strip(), chosen


def add_skip(method: argparse._ArgumentGroup) -> None:
    method.add_argument(
        "--skip-missing", action="store_true", help="go on without encoders that are not here"
    )


def add_method(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    method = parser.add_argument_group("method", "what is not given is the preset's")
    method.add_argument(
        "--preset",
        choices=("default", "paper"),
        default="default",
        help="what measured best, or the paper as printed",
    )
    method.add_argument(
        "--encoders", metavar="A,B,C+D", help="voters; + concatenates; see the encoders command"
    )
    method.add_argument(
        "--framing", choices=("auto", "nucleus", "none"), help="cut every cell around its nucleus"
    )
    method.add_argument(
        "--colour",
        choices=("balanced", "lab", "none"),
        help="bring the query's colours to the reference's, cell by cell and then as a set; as a "
        "set alone; or not at all",
    )
    method.add_argument(
        "--um-per-px",
        type=float,
        nargs=2,
        metavar=("REFERENCE", "QUERY"),
        help="size of a pixel in µm",
    )
    method.add_argument(
        "--clusters",
        choices=("mixture", "louvain", "node-degree"),
        help="how clusters are found",
    )
    method.add_argument(
        "--n-clusters",
        type=_auto_or_count,
        metavar="auto|N",
        help="of a mixture, each one to confirm; auto: a dozen, up to twenty in large sets",
    )
    method.add_argument(
        "--cluster-encoder",
        metavar="A+B",
        help="what they are found on; the first voter unless given",
    )
    method.add_argument(
        "--graph",
        choices=("geodesic", "knn"),
        help="what clusters are found on: geodesic distances, or nearest neighbours alone",
    )
    method.add_argument(
        "--sigma", type=_sigma, metavar="auto|paper|NUMBER", help="threshold of the clusters' graph"
    )
    method.add_argument("--resolution", type=float, help="of Louvain; higher gives more clusters")
    method.add_argument(
        "--features", choices=("centred", "raw"), help="subtract each set's own mean, or not"
    )
    method.add_argument(
        "--weights", choices=("matches", "uniform"), help="proportions that transport expects"
    )
    method.add_argument(
        "--alpha",
        type=float,
        help="structure against features, 0 to 1, as in the paper "
        "(POT's own is alpha / (2 - alpha))",
    )
    method.add_argument(
        "--class-weight",
        choices=("balanced", "none"),
        help="neighbours count in inverse proportion to the drawn cells of their type, or alike",
    )
    method.add_argument(
        "--solver",
        choices=("auto", "auction", "pot"),
        help="of the transport: own, POT's, or own unless alpha is 1",
    )
    method.add_argument(
        "--mapping",
        choices=("affine", "barycentric"),
        help="move the reference by one affine map fitted to the plan, or each cell as in eq. 4",
    )
    method.add_argument(
        "--subset-size", type=int, metavar="N", help="most cells of either set in one transport"
    )
    method.add_argument("--seed", type=int)
    return method


# As in protocol.py, which takes a second to load and is not needed for --help.
_OT = ("none", "centre", "coral", "linear", "sinkhorn", "fgw-paper", "fgw")
_METHODS = (
    "knn",
    "ensemble",
    "linear",
    "ensemble-linear",
    "nmtune",
    "ensemble-nmtune",
    "majority",
    "ceiling",
)


def add_protocol(parser: argparse.ArgumentParser) -> None:
    protocol = parser.add_argument_group("protocol")
    protocol.add_argument(
        "--ot", type=names_given, metavar="A,B", help=f"alignments, of {', '.join(_OT)}"
    )
    protocol.add_argument(
        "--methods", type=names_given, metavar="A,B", help=f"methods, of {', '.join(_METHODS)}"
    )
    protocol.add_argument(
        "--filtering",
        type=names_given,
        dest="filters",
        metavar="A,B",
        help="types kept: false (all), true (those matched), reader (every cluster named right)",
    )
    protocol.add_argument(
        "--subsets", type=int, metavar="N", help="parts of the query, and draws of the reference"
    )
    protocol.add_argument(
        "--identification-subsets",
        type=int,
        metavar="N",
        help="random subsets to find shared types in; 0 for none",
    )
    protocol.add_argument(
        "--low-label",
        type=numbers_given,
        metavar="2,5,10",
        help="labelled reference cells a type for the low-label curve; none for none",
    )
    protocol.add_argument(
        "--per-class",
        type=int,
        metavar="N",
        help="draw so many cells of each type, of each reference",
    )


def names_given(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def numbers_given(text: str) -> tuple[int, ...]:
    if text == "none":
        return ()
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers with commas") from None


def _auto_or_count(text: str) -> str | int:
    try:
        return text if text == "auto" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto or a whole number") from None


def _sigma(text: str) -> str | float:
    if text in {"auto", "paper"}:
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto, paper or a number") from None
