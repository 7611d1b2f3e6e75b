"""The command that repeats a run: its configuration and files in, a line for a shell out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from celltransfer_core.config.config import PRESETS, SETTINGS, Config


def command_line(
    config: Config,
    *,
    extras: Mapping[str, float | None] | None = None,
    clusters: str | None = "clusters.csv",
    matches: str | None = "matches.csv",
    reviews: str | None = None,
) -> str:
    """Write the command that gives the same predictions.

    Parameters
    ----------
    config : Config
    extras : mapping from str to float, optional
        Folders of further sets, with the size of a pixel in µm where it is known.
    clusters, matches, reviews : str, optional
        Files with the clusters, their confirmed matches, and the readers' answers on cells.

    Returns
    -------
    str
        For a POSIX shell, quoted, over several lines. It expects the folders ``reference`` and
        ``query``.
    """
    # What has no option is the preset's alone.
    fixed = {name for name, setting in SETTINGS.items() if setting.offered == "preset"}
    differing = {name: config.differing(preset) for name, preset in PRESETS.items()}
    preset = min(PRESETS, key=lambda name: (bool(fixed & {*differing[name]}), len(differing[name])))
    options: list[tuple[str, ...]] = [("--reference", "reference"), ("--query", "query")]
    extras = extras or {}
    options += [("--extra", folder) for folder in extras]
    if config.um_per_px is not None:
        sized = [(folder, size) for folder, size in extras.items() if size]
        options += [("--um-per-px-of", f"{folder}={size}") for folder, size in sized]
    options += [("--out", "results"), ("--preset", preset)]
    for name, value in differing[preset].items():
        setting = SETTINGS[name]
        if setting.offered != "preset" and value is not None:
            options.append((setting.option, *setting.words(value)))
    options += [("--clusters-from", clusters)] if clusters else []
    options += [("--matches", matches)] if matches else []
    options += [("--reviews", reviews)] if reviews else []
    quoted = [shlex.join(option) for option in options]
    return " \\\n    ".join(["python -m celltransfer_core run", *quoted])
