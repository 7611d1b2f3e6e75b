"""The command line: ``python -m celltransfer_core``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from celltransfer_core import RESEARCH_USE, __version__
from celltransfer_core.errors import CellTransferError, DataError

if TYPE_CHECKING:
    from celltransfer_core.datasets import Dataset
    from celltransfer_core.paper import Printed
    from celltransfer_core.pipeline import Config, RunResult
    from celltransfer_core.protocol import Evaluation, Protocol
    from celltransfer_core.types import Labels

DONE, FAULT, MENDABLE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        0 done, 2 the user can mend it (one line says how), 1 a fault of ours, 130 interrupted.
    """
    options = _parser().parse_args(arguments)
    from celltransfer_core.execution import on_cluster

    try:
        with on_cluster(getattr(options, "scheduler", None)):
            options.command(options)
    except CellTransferError as error:
        if options.debug:
            raise
        print(f"celltransfer: {error}", file=sys.stderr)
        return MENDABLE
    except KeyboardInterrupt:
        print(
            "celltransfer: interrupted; what was computed is kept, run the same command to go on.",
            file=sys.stderr,
        )
        return INTERRUPTED
    except Exception as error:
        if options.debug:
            raise
        print(
            f"celltransfer: a fault of ours ({type(error).__name__}: {error}); run again with "
            "--debug and report what it prints.",
            file=sys.stderr,
        )
        return FAULT
    return DONE


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(MENDABLE, f"celltransfer: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m celltransfer_core",
        description=f"Type the cells of a new microscope from a set already typed. {RESEARCH_USE}",
    )
    parser.add_argument("--version", action="version", version=f"CellTransfer {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _add_run(commands.add_parser("run", help="type the cells of a folder"))
    _add_evaluate(
        commands.add_parser("evaluate", help="measure every method on a query with known types")
    )
    _add_benchmark(commands.add_parser("benchmark", help="measure many pairs of sets"))
    _add_encoders(commands.add_parser("encoders", help="list encoders; fetch, add or train one"))
    _add_demo(commands.add_parser("demo", help="draw two small sets of cells to try things on"))
    _add_job(commands.add_parser("job"))  # what the dashboard starts; of no use to people
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="show where an error came from")


def _add_work(parser: argparse.ArgumentParser) -> None:
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
    _add_common(parser)


def _add_job(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_run_job)
    parser.add_argument("id")
    _add_common(parser)


def _run_job(options: argparse.Namespace) -> None:
    from celltransfer_core.jobs import run_job
    from celltransfer_core.studies import Workspace

    run_job(Workspace(), options.id)


def _add_reference(folders: argparse._ArgumentGroup) -> None:
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


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_run)
    folders = parser.add_argument_group("folders")
    _add_reference(folders)
    folders.add_argument("--query", type=Path, required=True, metavar="DIR", help="cells to type")
    folders.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a further set without types, which helps to name the query's "
        "clusters; may be repeated",
    )
    folders.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the results"
    )
    folders.add_argument(
        "--format",
        choices=("csv", "parquet", "h5ad"),
        default="csv",
        help="what tables are written as beside CSV",
    )

    method = _add_method(parser)
    _add_skip(method)
    method.add_argument(
        "--clusters-from",
        type=Path,
        metavar="FILE",
        help="keep the clusters of an earlier clusters.csv",
    )
    method.add_argument(
        "--matches", type=Path, metavar="FILE", help="a matches.csv in which you confirmed clusters"
    )
    method.add_argument(
        "--reviews",
        type=Path,
        metavar="FILE",
        help="a reviews.csv with what readers said of query cells: it teaches the vote",
    )
    method.add_argument(
        "--filtering", choices=("auto", "none"), help="leave out types that no cluster matches"
    )
    method.add_argument(
        "--keep",
        nargs="+",
        metavar="TYPE",
        help="keep these types though no cluster matches them",
    )
    method.add_argument(
        "--alignment",
        choices=("fgw", "centre", "none"),
        help="fused Gromov-Wasserstein, means alone, or none",
    )
    method.add_argument("--classifier", choices=("knn", "linear"))
    method.add_argument(
        "--vote-weights",
        choices=("confirmed", "prior", "equal"),
        help="evenly, but aligned voters as far as clusters are confirmed (the default); by what "
        "they do on the reference and how the sets mix; or evenly",
    )
    method.add_argument(
        "--draws", type=int, metavar="N", help="reference subsets for each part of the query"
    )
    method.add_argument(
        "--flag-threshold", type=float, metavar="SHARE", help="flag cells with less agreement"
    )
    _add_work(parser)


def _add_skip(method: argparse._ArgumentGroup) -> None:
    method.add_argument(
        "--skip-missing", action="store_true", help="go on without encoders that are not here"
    )


def _add_method(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
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


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_evaluate)
    folders = parser.add_argument_group("folders")
    _add_reference(folders)
    folders.add_argument(
        "--query",
        type=Path,
        required=True,
        metavar="DIR",
        help="cells whose types are known, likewise; used to score and for nothing else",
    )
    folders.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a further set without types for the t-SNE correction; may be repeated",
    )
    folders.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the results; the same again goes on where it was interrupted",
    )
    _add_protocol(parser)
    reader = parser.add_argument_group("reader")
    reader.add_argument(
        "--reader",
        action="store_true",
        help="play a person who confirms every cluster and then answers the queue: reader.csv",
    )
    reader.add_argument(
        "--reader-errors",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the reader's answers that are wrong",
    )
    _add_skip(_add_method(parser))
    _add_work(parser)


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


def _add_protocol(parser: argparse.ArgumentParser) -> None:
    protocol = parser.add_argument_group("protocol")
    protocol.add_argument(
        "--ot", type=_names_given, metavar="A,B", help=f"alignments, of {', '.join(_OT)}"
    )
    protocol.add_argument(
        "--methods", type=_names_given, metavar="A,B", help=f"methods, of {', '.join(_METHODS)}"
    )
    protocol.add_argument(
        "--filtering",
        type=_names_given,
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
        type=_numbers_given,
        metavar="2,5,10",
        help="labelled reference cells a type for the low-label curve; none for none",
    )
    protocol.add_argument(
        "--per-class",
        type=int,
        metavar="N",
        help="draw so many cells of each type, of each reference",
    )


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_benchmark)
    parser.add_argument("pairs", type=Path, metavar="PAIRS.toml", help="which sets, which pairs")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="where the sets are; beside the file unless given"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("benchmark"),
        metavar="DIR",
        help="folder for the results (./benchmark); the same again goes on",
    )
    parser.add_argument(
        "--only", type=_names_given, metavar="A,B", help="names of the pairs to measure"
    )
    _add_protocol(parser)
    _add_method(parser)
    _add_work(parser)
    parser.set_defaults(preset=None)  # the file's, unless given


def _given(options: argparse.Namespace) -> list[str]:
    """Write the options of ``evaluate`` that a ``benchmark`` was given as words again."""
    known = _option_names(_Parser())
    words = []
    for name, option in known.items():
        value = getattr(options, name)
        if value is None:
            continue
        if isinstance(value, list):
            words += [option, *map(str, value)]
        elif isinstance(value, tuple):
            words += [option, ",".join(map(str, value)) or "none"]
        else:
            words += [option, str(value)]
    return words


def _option_names(parser: argparse.ArgumentParser) -> dict[str, str]:
    _add_protocol(parser)
    _add_method(parser)
    return {
        action.dest: action.option_strings[-1]
        for action in parser._actions
        if action.dest != "help"
    }


def _pair_options(words: Sequence[str]) -> argparse.Namespace:
    parser = _PairParser(add_help=False, allow_abbrev=False)
    _option_names(parser)
    parsed = parser.parse_args(words)
    parsed.workers = None
    return parsed


class _PairParser(_Parser):
    def error(self, message: str) -> NoReturn:
        raise DataError(f"The settings of the pairs: {message}.")


def _names_given(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers_given(text: str) -> tuple[int, ...]:
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


def _add_encoders(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_list_encoders)
    actions = parser.add_subparsers(metavar="ACTION", parser_class=_Parser)
    listing = actions.add_parser("list", help="what is here (also without an action)")
    listing.set_defaults(command=_list_encoders)
    fetching = actions.add_parser("fetch", help="download the weights of published encoders")
    fetching.set_defaults(command=_fetch_encoders)
    fetching.add_argument("ids", nargs="+", metavar="ID", help="as listed")
    fetching.add_argument(
        "--accept-licence", action="store_true", help="take the licences as shown, for scripts"
    )
    adding = actions.add_parser("add", help="bring your own ONNX file, or weights on a stick")
    adding.set_defaults(command=_add_encoder)
    adding.add_argument("id", help="name to call it by, or that of a published encoder")
    adding.add_argument(
        "file",
        type=Path,
        help="NAME.onnx with NAME.json beside it; of a published encoder, its weights",
    )
    training = actions.add_parser("train", help="train an encoder on labelled cells of your own")
    training.set_defaults(command=_train_encoder)
    training.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="labelled cells; again for more sets",
    )
    training.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="NAME.onnx",
        help="NAME.json comes beside it, and NAME.training with what is needed to go on",
    )
    training.add_argument(
        "--steps", type=_numbers_given, metavar="N", help="of every network, or N,M for each"
    )
    training.add_argument(
        "--views",
        type=_names_given,
        metavar="A,B",
        help="a network each: colour, standardised, grey",
    )
    training.add_argument("--batch", type=int, metavar="N", help="cells a step")
    training.add_argument("--width", type=int, help="channels of a network's first layer")
    training.add_argument(
        "--teacher-width",
        type=int,
        metavar="N",
        help="train wider networks first, which teach these; for a graphics card (default: none)",
    )
    training.add_argument("--teacher-steps", type=int, metavar="N", help="of every wider network")
    training.add_argument("--seed", type=int)
    training.add_argument(
        "--licence", default="not stated", help="of the weights, for whom you give them to"
    )
    training.add_argument("--workers", type=int, metavar="N")
    training.add_argument("--quiet", action="store_true")
    for one in (parser, listing, fetching, adding, training):
        _add_common(one)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_demo)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    parser.add_argument("--seed", type=int, default=0)
    _add_common(parser)


class _Screen:
    """Shows progress with a rate and the time left, and remembers how long each stage took."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.seconds: dict[str, float] = {}
        self._stage = ""
        self._started = 0.0
        self._bar = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if stage != self._stage:
            self.close()
            self._stage, self._started = stage, time.monotonic()
            self._bar = tqdm(
                desc=stage, total=total, initial=done, file=sys.stderr, disable=self.quiet
            )
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the stage under way."""
        if self._stage:
            spent = time.monotonic() - self._started
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + spent
        if self._bar is not None:
            self._bar.close()
        self._stage, self._bar = "", None


def _run(options: argparse.Namespace) -> None:
    from celltransfer_core.datasets import read_dataset
    from celltransfer_core.export import (
        check_writable,
        read_answers,
        read_clusters,
        read_matches,
        write_run,
    )
    from celltransfer_core.pipeline import run, type_names

    say = (lambda *_: None) if options.quiet else print
    config = _of_those_here(_config(options), skip=options.skip_missing, say=say)
    confirmations = read_matches(options.matches) if options.matches else ()
    check_writable(options.out)
    workers = options.workers
    with closing(_Screen(quiet=options.quiet)) as screen:
        # The query first: it is mostly the smaller, and a wrong folder shows at once.
        query = read_dataset(options.query, workers=workers, progress=screen)
        reference = _reference(options, screen)
        extras = {
            name: read_dataset(folder, workers=workers, progress=screen)
            for name, folder in _names(options.extra, ("reference", "query")).items()
        }
        screen.close()
        for name, dataset in (("reference", reference), ("query", query), *extras.items()):
            say(describe_dataset(name, dataset))
        clusters = read_clusters(options.clusters_from, query) if options.clusters_from else None
        reviews = (
            read_answers(options.reviews, query, type_names(reference)) if options.reviews else ()
        )
        result = run(
            reference,
            query,
            config,
            extras=extras,
            confirmations=confirmations,
            reviews=reviews,
            clusters=clusters,
            workers=workers,
            progress=screen,
        )
    write_run(result, options.out, options.format, reviews)
    _write_log(options.out, options, screen.seconds)
    say(describe_run(result))
    say(f"\nWritten to {options.out}: predictions.csv and the rest. {RESEARCH_USE}")


def _of_those_here(config: Config, *, skip: bool, say: Callable[[str], None]) -> Config:
    """Stop before hours of work if an encoder is not here, or go on with the others."""
    from dataclasses import replace

    from celltransfer_core.encoders import encoder_names, how_to_get

    here = encoder_names()
    gone = [name for name in config.encoder_ids if name not in here]
    if not gone:
        return config
    if not skip:
        ways = " ".join(how_to_get(name) for name in gone)
        raise DataError(f"{ways} Or go on with the others: --skip-missing.")
    voters = [tuple(member for member in voter if member in here) for voter in config.encoders]
    kept = [v for v in dict.fromkeys(voters) if v in config.encoders or len(v) > 1]
    if not kept:
        raise DataError(
            f"None of the encoders {', '.join(gone)} is here; name others with --encoders."
        )
    say(
        f"encoders that are not here: {', '.join(gone)}; used: "
        f"{', '.join('+'.join(voter) for voter in kept)}"
    )
    clusters = config.cluster_encoder
    if clusters and set(clusters) & set(gone):
        say(f"clusters are found on the first encoder, for {'+'.join(clusters)} is not here")
        clusters = None
    return replace(config, encoders=tuple(kept), cluster_encoder=clusters)


def _reference(options: argparse.Namespace, screen: _Screen) -> Dataset:
    """Read one reference, or pool several, of the types that were asked for."""
    from celltransfer_core.datasets import pool, read_dataset

    folders = _names(options.reference)
    chosen: dict[str, set[str]] = {}
    for name, types in options.types:
        if name not in folders:
            raise DataError(f"--types speaks of {name!r}; the references are {', '.join(folders)}.")
        chosen.setdefault(name, set()).update(types)
    sets, mappings = [], []
    for name, folder in folders.items():
        dataset = read_dataset(folder, labelled=True, workers=options.workers, progress=screen)
        own = set(dataset.labels or ())
        if missing := chosen.get(name, own) - own:
            raise DataError(
                f"--types takes {', '.join(sorted(missing))} from {name}, which has "
                f"{', '.join(sorted(own))}."
            )
        sets.append(dataset)
        mappings.append(dict.fromkeys(own - chosen.get(name, own), ""))
    if len(sets) == 1 and not chosen:
        return sets[0]
    pooled = pool(sets, mappings, [*folders])
    if len(set(pooled.cell_labels.tolist())) < 2:
        raise DataError("What --types leaves is one type only; a reference needs two at least.")
    return pooled


def _config(options: argparse.Namespace) -> Config:
    from celltransfer_core.encoders import parse_encoders
    from celltransfer_core.pipeline import config_from

    if options.workers is not None and options.workers < 1:
        raise DataError("--workers cannot be under 1.")
    return config_from(
        options.preset,
        encoders=parse_encoders(options.encoders) if options.encoders is not None else None,
        cluster_encoder=(
            parse_encoders(options.cluster_encoder)[0] if options.cluster_encoder else None
        ),
        um_per_px=tuple(options.um_per_px) if options.um_per_px else None,
        keep=tuple(options.keep) if getattr(options, "keep", None) else None,
        **{
            name: getattr(options, name, None)
            for name in (
                "framing",
                "colour",
                "clusters",
                "graph",
                "sigma",
                "n_clusters",
                "resolution",
                "features",
                "filtering",
                "weights",
                "alignment",
                "alpha",
                "mapping",
                "solver",
                "classifier",
                "class_weight",
                "vote_weights",
                "subset_size",
                "draws",
                "flag_threshold",
                "seed",
            )
        },
    )


def _evaluate(options: argparse.Namespace) -> None:
    from celltransfer_core.datasets import draw_per_class, read_dataset
    from celltransfer_core.evaluation import true_labels
    from celltransfer_core.export import check_writable

    config, protocol = _measured(options)
    say = (lambda *_: None) if options.quiet else print
    config = _of_those_here(config, skip=options.skip_missing, say=say)
    if not 0 <= options.reader_errors < 1:
        raise DataError(
            f"--reader-errors cannot be {options.reader_errors:g}; it takes 0 to below 1."
        )
    check_writable(options.out)
    workers = options.workers
    with closing(_Screen(quiet=options.quiet)) as screen:
        query = read_dataset(options.query, workers=workers, progress=screen)
        truth = true_labels(query)
        reference = _reference(options, screen)
        if options.per_class is not None:
            reference = draw_per_class(reference, options.per_class, config.seed)
        extras = {
            name: read_dataset(folder, workers=workers, progress=screen)
            for name, folder in _names(options.extra, ("reference", "query")).items()
        }
        screen.close()
        for name, dataset in (("reference", reference), ("query", query), *extras.items()):
            say(describe_dataset(name, dataset))
        found = _measure(
            reference,
            query,
            truth,
            extras,
            config,
            protocol,
            options.out,
            workers,
            screen,
            _printed("+".join(_names(options.reference)), options.query.resolve().name),
            options.reader_errors if options.reader else None,
        )
    _write_log(options.out, options, screen.seconds)
    say("\n" + describe_evaluation(found))
    say(f"\nWritten to {options.out}: results.csv, results.md, results.html. {RESEARCH_USE}")


def _measured(options: argparse.Namespace) -> tuple[Config, Protocol]:
    from dataclasses import replace

    from celltransfer_core.protocol import Protocol, with_concatenations

    given = {
        "ot": options.ot,
        "methods": options.methods,
        "filtering": options.filters,
        "subsets": options.subsets,
        "identification_subsets": options.identification_subsets,
        "low_label": options.low_label,
    }
    protocol = Protocol(**{name: value for name, value in given.items() if value is not None})
    config = _config(options)
    voters = with_concatenations(config.encoders)
    return replace(config, draws=protocol.subsets, encoders=voters), protocol


def _measure(
    reference: Dataset,
    query: Dataset,
    truth: Labels,
    extras: dict[str, Dataset],
    config: Config,
    protocol: Protocol,
    out: Path,
    workers: int | None,
    screen: _Screen,
    printed: Sequence[Printed] = (),
    reader_errors: float | None = None,
) -> Evaluation:
    from dataclasses import replace

    from celltransfer_core.pipeline import detect, identify, prepare
    from celltransfer_core.protocol import evaluate
    from celltransfer_core.reader import play_reader
    from celltransfer_core.results import write_evaluation

    prepared = prepare(reference, query, config, extras=extras, workers=workers, progress=screen)
    named = identify(prepared, detect(prepared))
    found = evaluate(
        prepared, named, truth, protocol, store=out / "kept", workers=workers, progress=screen
    )
    if reader_errors is not None:
        reading = play_reader(
            prepared, named, truth, errors=reader_errors, workers=workers, progress=screen
        )
        found = replace(found, reading=reading)
    screen.close()
    write_evaluation(found, out, printed)
    return found


def _printed(reference: str, query: str, name: str = "") -> tuple[Printed, ...]:
    """Find what the paper prints for a pair, by its table's number where the pair's name is one."""
    import re

    from celltransfer_core.paper import TABLES, printed, read_tables

    if not TABLES.is_file():
        return ()
    number = re.fullmatch(r"Table (\d+)", name)
    return printed(read_tables(), reference, query, int(number[1]) if number else None)


def _benchmark(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from celltransfer_core.benchmark import load_pair, options_of, run_pairs, write_summary
    from celltransfer_core.datasets import draw_per_class
    from celltransfer_core.export import check_writable
    from celltransfer_core.pairs import Pair, read_pairs

    file = read_pairs(options.pairs, options.data)
    names = [pair.name for pair in file.pairs]
    for name in options.only or ():
        if name not in names:
            raise DataError(f"--only names {name!r}; the pairs are {', '.join(names)}.")
    if options.only:
        file = replace(file, pairs=tuple(p for p in file.pairs if p.name in options.only))
    check_writable(options.out)
    say = (lambda *_: None) if options.quiet else print

    def measure(pair: Pair, words: Sequence[str], into: Path) -> None:
        parsed = _pair_options(words)
        config, protocol = _measured(parsed)
        config = _of_those_here(config, skip=True, say=say)
        with closing(_Screen(quiet=options.quiet)) as screen:
            sets = load_pair(file, pair, workers=options.workers, progress=screen)
            reference = sets.reference
            if parsed.per_class is not None:
                reference = draw_per_class(reference, parsed.per_class, config.seed)
            found = _measure(
                reference,
                sets.query,
                sets.truth,
                sets.extras,
                config,
                protocol,
                into,
                options.workers,
                screen,
                _printed("+".join(pair.reference), pair.query, pair.name),
            )
        say(describe_evaluation(found))

    for pair in file.pairs:  # wrong settings show before hours of work
        _measured(_pair_options(options_of(pair, _given(options))))
    outcomes = run_pairs(file, options.out, _given(options), measure, say)
    write_summary(outcomes, options.out)
    say(f"\nWritten to {options.out}: summary.csv, summary.md, summary.html. {RESEARCH_USE}")
    failed = [o.pair.name for o in outcomes if o.problem and not o.missing]
    if failed:
        raise DataError(f"{len(failed)} pairs failed ({', '.join(failed)}); summary.md says why.")
    if all(outcome.missing for outcome in outcomes):
        raise DataError("No pair's sets are there; give their folder with --data.")


def _names(folders: Sequence[Path], taken: Sequence[str] = ()) -> dict[str, Path]:
    names: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        while name in names or name in taken:
            name += "'"
        names[name] = folder
    return names


def _write_log(folder: Path, options: argparse.Namespace, seconds: dict[str, float]) -> None:
    # Times and paths live here, not in the manifest: that is the same for the same inputs.
    import json

    from celltransfer_core.export import write_atomically

    log: dict[str, object] = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "options": {
            name: str(value)
            for name, value in vars(options).items()
            if value is not None and name != "command"
        },
        "seconds": {stage: round(spent, 2) for stage, spent in seconds.items()},
    }
    with suppress(ImportError):  # not on Windows
        import resource

        log["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    write_atomically(folder / "run.json", (json.dumps(log, indent=1) + "\n").encode())


def describe_dataset(name: str, dataset: Dataset) -> str:
    """Say in a few lines what a set holds and what was left out.

    Parameters
    ----------
    name : str
    dataset : Dataset

    Returns
    -------
    str
    """
    lines = [f"{name}: {dataset.n_cells:,} cells"]
    if dataset.labels is not None:
        import numpy as np

        found = zip(*np.unique(dataset.cell_labels, return_counts=True), strict=True)
        lines[0] += " (" + ", ".join(f"{label} {count:,}" for label, count in found) + ")"
    if dataset.duplicates:
        example = " = ".join(dataset.duplicates[0])
        lines.append(f"  {len(dataset.duplicates)} images stand there more than once ({example})")
    lines += _shortened("left out", [f"{r.file}: {r.reason}" for r in dataset.left_out])
    lines += _shortened("note", [f"{r.file} {r.reason}" for r in dataset.notes])
    return "\n".join(lines)


def _shortened(what: str, remarks: Sequence[str], most: int = 5) -> list[str]:
    lines = [f"  {what}: {remark}" for remark in remarks[:most]]
    if len(remarks) > most:
        lines.append(f"  {what}: {len(remarks) - most} more, see manifest.json")
    return lines


_FILES_OF_A_TYPE = 4


def describe_run(result: RunResult) -> str:
    """Say what a run found, for the screen.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    import numpy as np

    lines = ["", f"framing: {result.framing.reason}"]
    lines += [f"encoder {f.encoder} was left out: {f.reason}" for f in result.failures]
    scores = result.scores["query"]
    silent = [name for name, kept in zip(scores.encoders, scores.kept, strict=True) if not kept]
    if silent:
        lines.append(f"without signal for matching: {', '.join(silent)}")
    lines += ["", f"{'cluster':>7} {'cells':>6}  {'matched type':<24} {'score':>5}  runner-up"]
    for name, match in zip(result.clusters.names, result.matches, strict=True):
        word = " (confirmed)" if match.confirmed else ""
        lines.append(
            f"{name:>7} {match.cells:>6}  {match.matched_type + word:<24} {match.score:>5.2f}  "
            f"{match.runner_up} {match.runner_up_score:.2f}"
        )
        if match.reason:
            lines.append(f"{'':>15}  t-SNE proposes {match.tsne_type}: {match.reason}")
    if result.filtered:
        left = ", ".join(f"{name} ({count:,} cells)" for name, count in result.filtered.items())
        lines += ["", f"types that no cluster matches, left out: {left}"]
        for name in result.filtered:
            cells = result.alike[scores.types.index(name)][:_FILES_OF_A_TYPE]
            files = ", ".join(result.query.first_file[cell] for cell in cells)
            lines.append(f"  query cells most like {name}: {files}")
        lines.append("  if one of them is of its type, run again with --keep and the type")
    elif result.config.filtering == "auto" and len({m.matched_type for m in result.matches}) < 2:
        lines += ["", "fewer than two types were matched: all are kept"]
    remarks = [(solve.voter, remark) for solve in result.solves for remark in solve.log.remarks]
    for voter, remark in dict.fromkeys(remarks):
        lines.append(f"transport of {voter}: {remark} ({remarks.count((voter, remark))} times)")
    if result.taught:
        said = result.taught.words
        lines += [
            "",
            f"taught by {len(said.clusters)} confirmed clusters and {len(said.cells)} typed cells",
        ]
        for position in result.taught.slips:
            name = dict(said.clusters)[position]
            lines.append(
                f"cluster {result.clusters.names[position]}: look again whether it is {name}; to "
                "the encoders it looks different"
            )
    predicted = np.array(result.predicted)
    lines += ["", f"{'predicted type':<24} {'cells':>6} {'percent':>8}"]
    for name in result.types:
        count = int((predicted == name).sum())
        lines.append(f"{name:<24} {count:>6} {100 * count / len(predicted):>7.1f}%")
    flagged = int(result.flagged.sum())
    lines.append(
        f"flagged for review: {flagged} of {len(predicted)} cells "
        f"(agreement under {result.config.flag_threshold:g}, or in a cluster of none)"
    )
    return "\n".join(lines)


def describe_evaluation(evaluation: Evaluation) -> str:
    """Say what an evaluation found, for the screen: the ensemble's and the best figures.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    str
    """
    lines = [f"- {note}" for note in evaluation.notes]
    lines += ["", f"{'method':<28} {'ot':<10} {'filtering':<9} {'acc.':>6} {'F1':>6} {'bal.':>6}"]
    for row in evaluation.rows:
        if not row.method.startswith(("knn:", "linear:", "nmtune:")):
            lines.append(
                f"{row.method:<28} {row.ot:<10} {row.filtering:<9} {row.accuracy:>6.1f} "
                f"{row.f1:>6.1f} {row.balanced_accuracy:>6.1f}"
            )
    return "\n".join(lines)


def _list_encoders(options: argparse.Namespace) -> None:  # noqa: ARG001
    from celltransfer_core.encoders import available_encoders

    print(f"{'id':<14} {'here':<8} {'dim':>5}  {'licence':<15} name; trained on")
    for entry in available_encoders():
        spec = entry.spec
        if spec is None:
            print(f"{entry.id:<14} cannot be used: {entry.problem}")
            continue
        here = "yes" if entry.here else f"{spec.size_mb:,} MB"
        seen = f", among them {spec.overlap}" if spec.overlap else ""
        print(
            f"{entry.id:<14} {here:<8} {spec.dim:>5}  {spec.licence:<15} {spec.name}; "
            f"{spec.trained_on or 'not stated'}{seen}"
        )
    print(
        "\nThose with a size are not here: encoders fetch ID downloads them, encoders add ID FILE "
        "takes a file that you brought."
    )


def _fetch_encoders(options: argparse.Namespace) -> None:
    from celltransfer_core.encoders import fetch_encoder, published_encoder

    wanted = [published_encoder(name) for name in options.ids]
    for spec in wanted:
        print(
            f"{spec.id}: {spec.name}, {spec.size_mb:,} MB from {spec.source}\n"
            f"  licence {spec.licence}; trained on {spec.trained_on}"
        )
    if not options.accept_licence:
        if not sys.stdin.isatty():
            raise DataError(
                "Nobody can be asked here; read the licences above and give --accept-licence."
            )
        if input("Do you accept these licences? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise DataError("Nothing was fetched.")
    for spec in wanted:
        fetch_encoder(spec.id)
        print(f"{spec.id} is here: use it with --encoders {spec.id}")


def _add_encoder(options: argparse.Namespace) -> None:
    from celltransfer_core.encoders import add_encoder

    spec = add_encoder(options.id, options.file)
    print(f"{spec.id} is added ({spec.dim} numbers a cell): use it with --encoders {spec.id}")


def _train_encoder(options: argparse.Namespace) -> None:
    from celltransfer_core.cache import Cache
    from celltransfer_core.datasets import pool, read_dataset
    from celltransfer_core.encoders.training import pack, recipe_from, train_encoder
    from celltransfer_core.export import check_writable

    recipe = recipe_from(
        **{
            name: getattr(options, name)
            for name in (
                "views",
                "steps",
                "batch",
                "width",
                "seed",
                "teacher_width",
                "teacher_steps",
            )
        }
    )
    if options.out.suffix != ".onnx":
        raise DataError(f"--out is the encoder's file, NAME.onnx, not {options.out}.")
    check_writable(options.out.parent)
    kept = options.out.with_suffix(".training")
    say = (lambda *_: None) if options.quiet else print
    folders = _names(options.data)
    with closing(_Screen(quiet=options.quiet)) as screen:
        sets = [
            read_dataset(folder, labelled=True, workers=options.workers, progress=screen)
            for folder in folders.values()
        ]
        data = sets[0] if len(sets) == 1 else pool(sets, [{}] * len(sets), [*folders])
        screen.close()
        say(describe_dataset("data", data))
        cells = pack(data, Cache(), kept, workers=options.workers, progress=screen)
        spec = train_encoder(
            cells,
            recipe,
            options.out,
            trained_on=", ".join(folders),
            licence=options.licence,
            progress=screen,
            say=say,
        )
    say(
        f"\nWritten to {options.out}: {spec.dim} numbers a cell. To use it: encoders add "
        f"{spec.id} {options.out}. {kept} is needed no more."
    )


def _demo(options: argparse.Namespace) -> None:
    from celltransfer_core.demo import DRAWN_NOTICE, draw_demo

    draw_demo(options.folder, seed=options.seed)
    print(DRAWN_NOTICE)
    print(
        f"python -m celltransfer_core run --reference {options.folder / 'reference'} "
        f"--query {options.folder / 'query'} --out {options.folder / 'results'}"
    )


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
