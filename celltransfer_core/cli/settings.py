"""TODO celltransfer_core/cli/settings.py."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from celltransfer_core.cli.screen import Screen
from celltransfer_core.errors import DataError

if TYPE_CHECKING:
    from celltransfer_core.config import Config
    from celltransfer_core.data.dataset import Dataset
    from celltransfer_core.evaluation.protocol import Protocol


def of_those_here(config: Config, *, skip: bool, say: Callable[[str], None]) -> Config:
    """Stop before hours of work if an encoder is not here, or go on with the others."""
    from dataclasses import replace

    from celltransfer_core.encoders.catalogue import encoder_names, how_to_get

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


def _reference(options: argparse.Namespace, screen: Screen) -> Dataset:
    """Read one reference, or pool several, of the types that were asked for."""
    from celltransfer_core.data.folders import read_dataset
    from celltransfer_core.data.pooling import pool

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
    from celltransfer_core.config import config_from
    from celltransfer_core.encoders.catalogue import parse_encoders

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


def measured(options: argparse.Namespace) -> tuple[Config, Protocol]:
    from dataclasses import replace

    from celltransfer_core.evaluation.protocol import Protocol, with_concatenations

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


def _names(folders: Sequence[Path], taken: Sequence[str] = ()) -> dict[str, Path]:
    names: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        while name in names or name in taken:
            name += "'"
        names[name] = folder
    return names


def write_log(folder: Path, options: argparse.Namespace, seconds: dict[str, float]) -> None:
    # Times and paths live here, not in the manifest: that is the same for the same inputs.
    import json

    from celltransfer_core.runtime.files import write_atomically

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
