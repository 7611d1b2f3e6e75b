"""The command ``encoders``: list, fetch, add or train encoders (3.1).

Takes names, an ONNX file or folders of labelled cells, and makes encoders available to
``--encoders``.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from celltransfer_core.cli.columns import add_label_columns
from celltransfer_core.cli.options import (
    Parser,
    add_channels,
    add_common,
    add_new_types,
    add_types_at,
    names_given,
    numbers_given,
)
from celltransfer_core.cli.per_set import chosen_channels, label_columns, types_levels
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.sentences import describe_dataset
from celltransfer_core.cli.settings import accepted_types, named_folders
from celltransfer_core.errors import DataError


def add_encoders(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``encoders``."""
    parser.set_defaults(command=_list_encoders)
    actions = parser.add_subparsers(metavar="ACTION", parser_class=Parser)
    listing = actions.add_parser("list", help="list the installed encoders (the default action)")
    listing.set_defaults(command=_list_encoders)
    fetching = actions.add_parser("fetch", help="download the weights of published encoders")
    fetching.set_defaults(command=_fetch_encoders)
    fetching.add_argument("ids", nargs="+", metavar="ID", help="as listed")
    fetching.add_argument(
        "--accept-licence", action="store_true", help="accept the licences as shown, for scripts"
    )
    adding = actions.add_parser("add", help="add your own ONNX file, or weights from a local file")
    adding.set_defaults(command=_add_encoder)
    adding.add_argument("id", help="name for your encoder, or the ID of a published one")
    adding.add_argument(
        "file",
        type=Path,
        help="NAME.onnx with NAME.json beside it; or the weights of a published encoder",
    )
    training = actions.add_parser("train", help="train an encoder on your own labelled cells")
    training.set_defaults(command=_train_encoder)
    _add_training(training)
    for one in (parser, listing, fetching, adding, training):
        add_common(one)


def _add_training(training: argparse.ArgumentParser) -> None:
    training.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="labelled cells; may be repeated for several laboratories, whose types are joined "
        "by name",
    )
    training.add_argument(
        "--map",
        type=_renaming,
        action="append",
        default=[],
        metavar="FROM=TO",
        help="rename the type FROM of any set to TO; leave TO empty to leave the type out; may "
        "be repeated",
    )
    add_types_at(training)
    add_channels(training)
    add_label_columns(training)
    add_new_types(training)
    training.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="NAME.onnx",
        help="NAME.json is written beside it, and NAME.training with the state needed to continue",
    )
    training.add_argument(
        "--steps", type=numbers_given, metavar="N", help="for every network, or N,M for each"
    )
    training.add_argument(
        "--views",
        type=names_given,
        metavar="A,B",
        help="one network each: colour, standardised, grey",
    )
    training.add_argument("--batch", type=int, metavar="N", help="cells a step")
    training.add_argument("--width", type=int, help="channels of the network's first layer")
    training.add_argument(
        "--teacher-width",
        type=int,
        metavar="N",
        help="train wider networks first and distil them into these; for a GPU (default: none)",
    )
    training.add_argument("--teacher-steps", type=int, metavar="N", help="of every wider network")
    training.add_argument(
        "--begin-with",
        metavar="NAME.onnx",
        help="start with the weights of an encoder written by this command, with the same "
        "--views and --width, instead of random ones; takes fewer steps at a lower "
        "--learning-rate",
    )
    training.add_argument(
        "--last-steps",
        type=int,
        metavar="N",
        help="train a last layer over all networks when they are done (default: none); with "
        "--begin-with and --steps 0 only this layer is trained, in minutes",
    )
    training.add_argument(
        "--learning-rate", type=float, metavar="RATE", help="maximum learning rate (default: 0.003)"
    )
    training.add_argument("--seed", type=int, help="random seed")
    training.add_argument(
        "--licence", default="not stated", help="licence of the weights, if you give them to others"
    )
    training.add_argument(
        "--workers", type=int, metavar="N", help="number of processes (default: all processors)"
    )
    training.add_argument("--quiet", action="store_true", help="print no progress and no summary")


def _list_encoders(options: argparse.Namespace) -> None:  # noqa: ARG001
    from celltransfer_core.encoders.catalogue import available_encoders

    print(f"{'id':<14} {'status':<8} {'dim':>5}  {'licence':<15} name; training data")
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
        "\nEncoders with a size are not installed: encoders fetch ID downloads them, encoders add "
        "ID FILE installs a file."
    )


def _fetch_encoders(options: argparse.Namespace) -> None:
    from celltransfer_core.encoders.catalogue import fetch_encoder, published_encoder
    from celltransfer_core.runtime.extras import need

    wanted = [published_encoder(name) for name in options.ids]
    for spec in wanted:
        print(
            f"{spec.id}: {spec.name}, {spec.size_mb:,} MB from {spec.source}\n"
            f"  licence {spec.licence}; trained on {spec.trained_on}"
        )
    if not options.accept_licence:
        if not sys.stdin.isatty():
            raise DataError(
                "Cannot ask for confirmation here; read the licences above and give "
                "--accept-licence."
            )
        if input("Do you accept these licences? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise DataError("Nothing was downloaded.")
    need("encoders", "A published encoder")
    for spec in wanted:
        fetch_encoder(spec.id)
        print(f"{spec.id} is installed: use it with --encoders {spec.id}")


def _add_encoder(options: argparse.Namespace) -> None:
    from celltransfer_core.encoders.catalogue import add_encoder
    from celltransfer_core.runtime.system import LIMITS_MEMORY

    spec = add_encoder(options.id, options.file)
    if spec.loader == "onnx" and not LIMITS_MEMORY:
        print("This system cannot limit the memory of a trial: only its time was limited.")
    print(f"{spec.id} is installed ({spec.dim} numbers per cell): use it with --encoders {spec.id}")


def _renaming(text: str) -> tuple[str, str]:
    before, found, after = text.rpartition("=")
    if not (found and before.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} does not have the form FROM=TO")
    return before.strip(), after.strip()


_RECIPE = (
    *("views", "steps", "batch", "width", "seed", "teacher_width", "teacher_steps"),
    *("begin_with", "learning_rate", "last_steps"),
)


def _train_encoder(options: argparse.Namespace) -> None:
    from celltransfer_core.data.folders import read_dataset
    from celltransfer_core.encoders.training.cells import joined, pack
    from celltransfer_core.encoders.training.fit import train_encoder
    from celltransfer_core.encoders.training.recipe import recipe_from
    from celltransfer_core.runtime.cache import Cache
    from celltransfer_core.runtime.extras import need
    from celltransfer_core.runtime.files import check_writable

    need("train", "Training")
    recipe = recipe_from(**{name: getattr(options, name) for name in _RECIPE})
    if options.out.suffix != ".onnx":
        raise DataError(f"--out must be the encoder's file, NAME.onnx, not {options.out}.")
    check_writable(options.out.parent)
    kept = options.out.with_suffix(".training")
    say = (lambda *_: None) if options.quiet else print
    folders = named_folders(options.data)
    with closing(Screen(quiet=options.quiet)) as screen:
        levels = types_levels(options.types_at, options.data)
        channels = chosen_channels(options.channels, options.data)
        columns = label_columns(options.label_columns, options.data)
        sets = [
            read_dataset(
                folder,
                labelled=True,
                types_at=levels.get(folder.resolve()),
                columns=columns.get(folder.resolve()),
                channels=channels.get(folder.resolve()),
                accepted=accepted_types(options),
                workers=options.workers,
                progress=screen,
            )
            for folder in folders.values()
        ]
        data = joined(sets, [*folders], dict(options.map))
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
            report=say,
        )
    say(
        f"\nWritten to {options.out}: {spec.dim} numbers per cell. To use it: encoders add "
        f"{spec.id} {options.out}. {kept} is no longer needed."
    )
