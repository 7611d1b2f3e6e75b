"""The shell command that repeats a run, made from its configuration and files."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from celltransfer_core.config.config import PRESETS, SETTINGS, Config
from celltransfer_core.vocabulary import QUERY, REFERENCE

if TYPE_CHECKING:
    from celltransfer_core.pipeline.result import RunResult


def command_line(
    config: Config,
    *,
    extras: Mapping[str, float | None] | None = None,
    channels: Mapping[str, Sequence[int]] | None = None,
    clusters: str | None = "clusters.csv",
    matches: str | None = "matches.csv",
    reviews: str | None = None,
    new_types: Sequence[str] = (),
) -> str:
    """Write the command that reproduces the predictions.

    Parameters
    ----------
    config : Config
    extras : mapping from str to float, optional
        Folders of further sets, with the pixel size in µm where it is known.
    channels : mapping from str to sequence of int, optional
        Displayed channels, by folder; see :func:`shown_channels`.
    clusters, matches, reviews : str, optional
        Files with the clusters, their confirmed matches, and the readers' answers on cells.
    new_types : sequence of str
        Types that these files name but the reference lacks.

    Returns
    -------
    str
        For a POSIX shell, quoted, on several lines. It expects the folders ``reference`` and
        ``query``.
    """
    # Settings without an option come from the preset only.
    fixed = {name for name, setting in SETTINGS.items() if setting.offered == "preset"}
    differing = {name: config.differing(preset) for name, preset in PRESETS.items()}
    preset = min(PRESETS, key=lambda name: (bool(fixed & {*differing[name]}), len(differing[name])))
    options: list[tuple[str, ...]] = [("--reference", "reference"), ("--query", "query")]
    extras = extras or {}
    options += [("--extra", folder) for folder in extras]
    if config.um_per_px is not None:
        sized = [(folder, size) for folder, size in extras.items() if size]
        options += [("--um-per-px-of", f"{folder}={size}") for folder, size in sized]
    for folder, shown in (channels or {}).items():
        options.append(("--channels", f"{folder}={','.join(map(str, shown))}"))
    options += [("--out", "results"), ("--preset", preset)]
    for name, value in differing[preset].items():
        setting = SETTINGS[name]
        if setting.offered != "preset" and value is not None:
            words = setting.words(value)
            if any(word.startswith("-") for word in words):  # otherwise read as an option
                options += [(f"{setting.option}={word}",) for word in words]
            else:
                options.append((setting.option, *words))
    if "encoders" in differing[preset] and "network" not in differing[preset]:
        options.append(("--network", config.network))  # named encoders would stay unchanged
    if config.expect and not config.absent:  # --expect alone rules out all other types
        options.append(("--sample", "any"))
    options += [("--clusters-from", clusters)] if clusters else []
    options += [("--matches", matches)] if matches else []
    options += [("--reviews", reviews)] if reviews else []
    options += [(f"--new-types={_quoted(new_types)}",)] if new_types else []
    quoted = [shlex.join(option) for option in options]
    return " \\\n    ".join(["python -m celltransfer_core run", *quoted])


def shown_channels(result: RunResult) -> dict[str, tuple[int, ...]]:
    """Find the channels that were chosen for the sets of a run.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict from str to tuple of int
        By folder, named as in :func:`command_line`; sets without chosen channels are left out.
        Pooled references share one folder, which gets the first reference's channels.
    """
    sets = {REFERENCE: result.reference, QUERY: result.query, **result.extras}
    found = {
        name: [scale.channels for scale in dataset.scales if scale.channels]
        for name, dataset in sets.items()
    }
    return {name: channels[0] for name, channels in found.items() if channels}


def _quoted(names: Sequence[str]) -> str:
    """Join names with commas; names that contain a comma are put in quotation marks."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()
