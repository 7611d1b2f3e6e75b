"""Convert options of the command line into settings, sets and protocol.

The parsed options become a :class:`~celltransfer_core.config.config.Config` of available encoders,
a :class:`~celltransfer_core.evaluation.protocol.Protocol`, and the sets of cells.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celltransfer_core.cli.per_set import chosen_channels, label_columns, pixel_sizes, types_levels
from celltransfer_core.cli.screen import Screen
from celltransfer_core.cli.studies import read_study, study_named
from celltransfer_core.config.config import SETTINGS, Config, config_from
from celltransfer_core.config.samples import find_sample
from celltransfer_core.config.settings import Setting, as_tuples, voter_name
from celltransfer_core.errors import DataError
from celltransfer_core.evaluation.protocol import METHODS, Protocol, with_concatenations
from celltransfer_core.vocabulary import and_more

if TYPE_CHECKING:
    from celltransfer_core.data.dataset import Dataset


def config_of(options: argparse.Namespace) -> Config:
    """Make the requested configuration.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    Config
        The preset's values where no option was given. Encoders that are named are those that vote,
        unless ``--network`` says otherwise.

    Raises
    ------
    DataError
        If a value is out of range, or a method needs torch and it is not installed.
    EncoderError
        If a list of encoders cannot be read.
    """
    if options.workers is not None and options.workers < 1:
        raise DataError("--workers must be at least 1.")
    given = {name: getattr(options, name, None) for name in SETTINGS}
    if given["encoders"] and not given["network"]:
        given["network"] = "named"
    return config_from(
        options.preset,
        **{name: _value(SETTINGS[name], told) for name, told in given.items() if told is not None},
    )


def _value(setting: Setting, given: Any) -> Any:
    if setting.kind not in {"voters", "voter"}:
        return as_tuples(given)
    from celltransfer_core.encoders.catalogue import parse_encoders

    voters = parse_encoders(given)
    return voters if setting.kind == "voters" else voters[0]


def with_types(config: Config, types: Sequence[str], kind: str | None = None) -> Config:
    """Read the types that options name, once the reference is known.

    Parameters
    ----------
    config : Config
    types : sequence of str
        Types of the reference.
    kind : str, optional
        The query's kind of sample; see :mod:`celltransfer_core.config.samples`.

    Returns
    -------
    Config
        A value that is not a type is read as several, separated by commas. Options for a type
        override the kind of sample. Without a kind, if types are expected and none are ruled out,
        all others are ruled out.

    Raises
    ------
    DataError
        If there is no such kind.
    """
    named = {
        name: tuple(
            dict.fromkeys(
                one
                for told in getattr(config, name)
                for one in ([told] if told in types else map(str.strip, told.split(",")))
            )
        )
        for name, one in SETTINGS.items()
        if one.kind == "types"
    }
    wanted = {one for several in named.values() for one in several}
    rest = [one for one in types if one not in wanted]
    if kind:
        states = find_sample(kind).states_of(rest)
        for name, state in (("expect", "expected"), ("absent", "absent")):
            named[name] += tuple(one for one in rest if states[one] == state)
    elif named["expect"] and not named["absent"]:
        named["absent"] = tuple(rest)
    return replace(config, **named)  # type: ignore[arg-type]


def config_and_protocol(options: argparse.Namespace) -> tuple[Config, Protocol]:
    """Make the configuration and protocol of an evaluation.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    config : Config
        With the paper's concatenations of the encoders, and the protocol's number of draws.
    protocol : Protocol
        Without NMTune if torch is not installed, unless it was requested.

    Raises
    ------
    DataError
        If a value is out of range.
    EncoderError
        If a list of encoders cannot be read.
    """
    from celltransfer_core.runtime.extras import missing, need

    methods = options.methods
    if methods is None and missing("encoders", "torch"):
        methods = tuple(name for name in METHODS if "nmtune" not in name)
    given = {
        "ot": options.ot,
        "methods": methods,
        "filtering": options.filters,
        "subsets": options.subsets,
        "identification_subsets": options.identification_subsets,
        "low_label": options.low_label,
        "keep_shared": options.keep_shared,
    }
    protocol = Protocol(**{name: value for name, value in given.items() if value is not None})
    if "nmtune" in protocol.members:
        need("encoders", "NMTune", DataError, "torch")
    config = config_of(options)
    voters = with_concatenations(config.encoders)
    return replace(config, draws=protocol.subsets, encoders=voters), protocol


def without_missing(config: Config, *, skip: bool, say: Callable[[str], None]) -> Config:
    """Stop before hours of work if an encoder is missing, or continue with the others.

    Parameters
    ----------
    config : Config
    skip : bool
        Whether to continue.
    say : callable
        Called with a message on the encoders that are left out.

    Returns
    -------
    Config
        With available encoders only.

    Raises
    ------
    DataError
        If an encoder is missing and must not be skipped, or all are missing.
    """
    from celltransfer_core.encoders.catalogue import encoder_names, how_to_get

    here = encoder_names()
    gone = [name for name in config.encoder_ids if name not in here]
    if not gone:
        return config
    if not skip:
        ways = " ".join(how_to_get(name) for name in gone)
        raise DataError(f"{ways} Or continue with the others: --skip-missing.")
    voters = [tuple(member for member in voter if member in here) for voter in config.encoders]
    kept = [v for v in dict.fromkeys(voters) if v in config.encoders or len(v) > 1]
    if not kept:
        raise DataError(
            f"None of the encoders {', '.join(gone)} is installed; name others with --encoders."
        )
    say(
        f"encoders not installed: {', '.join(gone)}; used: "
        f"{', '.join(voter_name(voter) for voter in kept)}"
    )
    clusters = config.cluster_encoder
    if clusters and set(clusters) & set(gone):
        say(
            f"clusters are found on the first encoder, because {voter_name(clusters)} is not "
            "installed"
        )
        clusters = None
    return replace(config, encoders=tuple(kept), cluster_encoder=clusters)


def _folders(options: argparse.Namespace) -> tuple[Path, ...]:
    """List the folders of all sets."""
    return (*options.reference, options.query, *options.extra)


def read_query(options: argparse.Namespace, screen: Screen) -> Dataset:
    """Read the query, without types.

    Parameters
    ----------
    options : argparse.Namespace
    screen : Screen

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the folder has no usable cell, or ``--um-per-px-of`` or ``--channels`` does not fit the
        sets.
    """
    from celltransfer_core.data.folders import read_dataset

    folder = options.query.resolve()
    query = read_dataset(
        options.query,
        channels=chosen_channels(options.channels, _folders(options)).get(folder),
        workers=options.workers,
        progress=screen,
    )
    return query.with_um_per_px(pixel_sizes(options).get(folder))


def read_reference(options: argparse.Namespace, screen: Screen) -> Dataset:
    """Read one reference, or pool several, with the requested types.

    Parameters
    ----------
    options : argparse.Namespace
    screen : Screen

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If a folder has no usable cell, or ``--types`` names a set or a type that does not exist, or
        leaves only one type.
    StudyError
        If a named study cannot be used as a reference.
    """
    from celltransfer_core.data.folders import read_dataset
    from celltransfer_core.data.pooling import pool
    from celltransfer_core.data.type_names import same_type

    folders = named_folders(options.reference)
    chosen = _types_of(options, folders)
    sizes, channels = pixel_sizes(options), chosen_channels(options.channels, _folders(options))
    levels = types_levels(options.types_at, (*options.reference, options.query))
    columns = label_columns(options.label_columns, (*options.reference, options.query))
    sets, mappings = [], []
    for name, folder in folders.items():
        if study := study_named(folder):
            dataset = read_study(study, options.least_confidence)
        else:
            dataset = read_dataset(
                folder,
                labelled=True,
                types_at=levels.get(folder.resolve()),
                columns=columns.get(folder.resolve()),
                # Types named explicitly are accepted.
                accepted=None if name in chosen else accepted_types(options),
                channels=channels.get(folder.resolve()),
                workers=options.workers,
                progress=screen,
            )
        own = set(dataset.labels or ())
        wanted = {same_type(one, own) or one for one in chosen.get(name, own)}
        if missing := wanted - own:
            raise DataError(
                f"--types selects {', '.join(sorted(missing))} from {name}, which has "
                f"{and_more(sorted(own))}."
            )
        sets.append(dataset.with_um_per_px(sizes.get(folder.resolve())))
        mappings.append(dict.fromkeys(own - wanted, ""))
    if len(sets) == 1 and not chosen:
        return sets[0]
    pooled = pool(sets, mappings, [*folders])
    if len(set(pooled.cell_labels.tolist())) < 2:
        raise DataError("--types leaves only one type; a reference needs at least two.")
    return pooled


def accepted_types(options: argparse.Namespace) -> Collection[str] | None:
    """Find the labels that ``--new-types`` accepts as types although they are doubtful.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    collection of str or None
        None for all.
    """
    given: Collection[str] | bool = options.new_types
    return None if isinstance(given, bool) else given


def _types_of(options: argparse.Namespace, folders: dict[str, Path]) -> dict[str, set[str]]:
    """Collect the types that ``--types`` selects from each reference that it names."""
    chosen: dict[str, set[str]] = {}
    for name, types in options.types:
        if name not in folders:
            raise DataError(f"--types names {name!r}; the references are {and_more([*folders])}.")
        chosen.setdefault(name, set()).update(types)
    return chosen


def read_extras(options: argparse.Namespace, screen: Screen) -> dict[str, Dataset]:
    """Read the further sets, without types.

    Parameters
    ----------
    options : argparse.Namespace
    screen : Screen

    Returns
    -------
    dict from name to Dataset

    Raises
    ------
    DataError
        If a folder has no usable cell.
    """
    from celltransfer_core.data.folders import read_dataset

    sizes, channels = pixel_sizes(options), chosen_channels(options.channels, _folders(options))
    return {
        name: read_dataset(
            folder,
            channels=channels.get(folder.resolve()),
            workers=options.workers,
            progress=screen,
        ).with_um_per_px(sizes.get(folder.resolve()))
        for name, folder in named_folders(options.extra, ("reference", "query")).items()
    }


def named_folders(folders: Sequence[Path], taken: Sequence[str] = ()) -> dict[str, Path]:
    """Name sets after their folders, with a ' appended to names that are taken.

    Parameters
    ----------
    folders : sequence of Path
    taken : sequence of str

    Returns
    -------
    dict from name to Path
    """
    names: dict[str, Path] = {}
    for folder in folders:
        name = str(folder) if study_named(folder) else folder.resolve().name
        while name in names or name in taken:
            name += "'"
        names[name] = folder
    return names
