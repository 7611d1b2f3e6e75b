"""TODO celltransfer_core/outputs/command.py."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from celltransfer_core.config import PRESETS, Config, voter_name


def command_line(
    config: Config,
    *,
    extras: Sequence[str] = (),
    clusters: str | None = "clusters.csv",
    matches: str | None = "matches.csv",
    reviews: str | None = None,
) -> str:
    """Write the command that gives the same predictions.

    Parameters
    ----------
    config : Config
    extras : sequence of str
        Folders of further sets.
    clusters, matches, reviews : str, optional
        Files that pin the clusters, what people confirmed of them, and what they said of cells.

    Returns
    -------
    str
        For a POSIX shell, quoted, over several lines. It expects the folders ``reference`` and
        ``query``.
    """

    def changed(preset: Config) -> dict[str, Any]:
        every = {field.name: getattr(config, field.name) for field in fields(config)}
        return {name: value for name, value in every.items() if value != getattr(preset, name)}

    # Whether blocks are scaled is the preset's alone.
    preset = min(
        PRESETS,
        key=lambda name: (
            "scale_blocks" in changed(PRESETS[name]),
            len(changed(PRESETS[name])),
        ),
    )
    words: list[tuple[str, ...]] = [("--reference", "reference"), ("--query", "query")]
    words += [("--extra", folder) for folder in extras]
    words += [("--out", "results"), ("--preset", preset)]
    for name, value in changed(PRESETS[preset]).items():
        if name == "scale_blocks" or value is None:
            continue
        if name == "encoders":
            value = ",".join(voter_name(voter) for voter in value)
        elif name == "cluster_encoder":
            value = voter_name(value)
        several = value if isinstance(value, tuple) else (value,)
        words.append((f"--{name.replace('_', '-')}", *(str(one) for one in several)))
    words += [("--clusters-from", clusters)] if clusters else []
    words += [("--matches", matches)] if matches else []
    words += [("--reviews", reviews)] if reviews else []
    options = [" ".join(shlex.quote(word) for word in option) for option in words]
    return " \\\n    ".join(["python -m celltransfer_core run", *options])
