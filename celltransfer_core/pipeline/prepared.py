"""Sets framed and embedded (3.1): the reference, the query and further ones, all alike.

In: datasets and a configuration. Out: raw embeddings by set and encoder, and the voters whose
encoders all work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from celltransfer_core.config.config import DEFAULT, Config, setting
from celltransfer_core.data.background import over_one_background
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.type_names import answer_named
from celltransfer_core.encoders.catalogue import encoder_names, how_to_get, load_encoder
from celltransfer_core.encoders.embedding import embed_together, grouped, kept_rows
from celltransfer_core.encoders.registry import Encoder, published_encoders
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.framing.crops import Crops
from celltransfer_core.framing.sets import frame_sets
from celltransfer_core.pipeline.features import Embeddings
from celltransfer_core.pipeline.result import Failure, Prepared, type_names
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.runtime.progress import counted_together
from celltransfer_core.types import Float32, Progress, silent
from celltransfer_core.vocabulary import QUERY, REFERENCE, and_more


def prepare(
    reference: Dataset,
    query: Dataset,
    config: Config = DEFAULT,
    *,
    extras: Mapping[str, Dataset] | None = None,
    cache: Cache | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Frame and embed every set (3.1); what is kept from earlier is not computed again.

    Parameters
    ----------
    reference, query, config, extras, cache, workers, progress
        As for :func:`run`.

    Returns
    -------
    Prepared

    Raises
    ------
    CellTransferError
        If the sets or all encoders cannot be used, a type is named like another answer, or one
        that is to be kept is not there.
    """
    cache = cache or Cache()
    taken = sorted(filter(answer_named, {*reference.cell_labels.tolist()}))
    if taken:
        raise DataError(
            f"The reference has a type named {taken[0]!r}, which is also an answer to a cluster or "
            "a cell; rename the type or leave it out."
        )
    check_named_types(config, type_names(reference))
    scales = config.um_per_px or (None, None)
    reference, query = reference.with_um_per_px(scales[0]), query.with_um_per_px(scales[1])
    sets = {REFERENCE: reference, QUERY: query, **(extras or {})}
    sets = over_one_background(sets, REFERENCE)
    encoders, failures = load_encoders(config)
    framing = frame_sets(
        sets,
        mode=config.framing,
        colour=config.colour,
        # In one unit: µm where the pixel size of every cell to compare is known.
        in_um=bool(np.isfinite([*reference.um_per_px, *query.um_per_px]).all()),
        cache=cache,
        workers=workers,
        progress=progress,
    )
    embeddings, broken = embed_sets(framing.crops, encoders, cache, workers, progress)
    failures = (*failures, *broken)
    return Prepared(
        config=config,
        reference=sets[REFERENCE],
        query=sets[QUERY],
        extras={name: sets[name] for name in extras or {}},
        framing=framing,
        encoders=tuple(e.spec for e in encoders if e.spec.id in embeddings[QUERY]),
        failures=failures,
        embeddings=embeddings,
        voters=usable_voters(config, embeddings[QUERY], failures),
    )


def check_named_types(config: Config, types: Sequence[str]) -> None:
    """Check the types that a configuration names against those of the reference.

    Parameters
    ----------
    config : Config
    types : sequence of str

    Raises
    ------
    DataError
        If the reference lacks one, one is ruled out and wanted at once, or fewer than two are left.
    """
    for name in ("keep", "must_find", "expect", "absent"):
        option, named = setting(name).option, getattr(config, name)
        if wrong := sorted({*named} - {*types}):
            raise DataError(
                f"{option} cannot be {', '.join(wrong)}; it takes types of the reference: "
                f"{and_more(types)}."
            )
        if name != "absent" and (both := sorted({*named} & {*config.absent})):
            raise DataError(
                f"{option} and --absent both name {', '.join(both)}; a type that the query cannot "
                "hold is not looked for."
            )
    if config.absent and len({*types} - {*config.absent}) < 2:
        raise DataError(
            f"--absent leaves {and_more(sorted({*types} - {*config.absent})) or 'no type'}; "
            "at least two types must be possible."
        )


def load_encoders(config: Config) -> tuple[tuple[Encoder, ...], tuple[Failure, ...]]:
    """Load every encoder the configuration names; those that cannot be read are reported.

    Parameters
    ----------
    config : Config

    Returns
    -------
    encoders : tuple of Encoder
    failures : tuple of Failure

    Raises
    ------
    EncoderError
        If a name is not known at all.
    """
    known = encoder_names()
    encoders: list[Encoder] = []
    failures: list[Failure] = []
    for name in config.encoder_ids:
        if name not in (*known, *published_encoders()):
            raise EncoderError(how_to_get(name))
        try:
            encoders.append(load_encoder(name))
        except EncoderError as error:
            failures.append(Failure(name, str(error)))
    return tuple(encoders), tuple(failures)


def embed_sets(
    crops: Mapping[str, Crops],
    encoders: Sequence[Encoder],
    cache: Cache,
    workers: int | None,
    progress: Progress,
) -> tuple[Embeddings, tuple[Failure, ...]]:
    """Embed every set with every encoder (3.1); an encoder that fails is left out everywhere.

    Parameters
    ----------
    crops : mapping from set name to Crops
    encoders : sequence of Encoder
    cache : Cache
    workers : int, optional
    progress : callable

    Returns
    -------
    embeddings : mapping from set name to mapping from encoder to ndarray of float32
    failures : tuple of Failure
    """
    embeddings: dict[str, dict[str, Float32]] = {name: {} for name in crops}
    failures = []
    by_id = {encoder.spec.id: encoder for encoder in encoders}
    waiting = grouped([*by_id])
    while waiting:
        group = waiting.pop(0)
        together = [by_id[name] for name in group]
        parts = counted_together(progress, [len(cells) for cells in crops.values()])
        try:
            found = {
                name: _embed_parts(cells, together, cache, workers, part)
                for (name, cells), part in zip(crops.items(), parts, strict=True)
            }
        except EncoderError as error:
            if len(group) > 1:  # each by itself: one that fails is left out, not those beside it
                waiting = [*((name,) for name in group), *waiting]
            else:
                failures.append(Failure(group[0], str(error)))
            continue
        for name, rows in found.items():
            embeddings[name] |= dict(zip(group, rows, strict=True))
    # In the order in which they were named.
    named = [name for name in by_id if name in next(iter(embeddings.values()))]
    ordered = {of: {name: rows[name] for name in named} for of, rows in embeddings.items()}
    return ordered, tuple(failures)


def embed_by_scale(
    crops: Crops, encoder: Encoder, cache: Cache, workers: int | None, progress: Progress = silent
) -> Float32:
    """Embed one set, each of its sources by itself as it was framed; rows come from the cache.

    Parameters
    ----------
    crops : Crops
    encoder : Encoder
    cache : Cache
    workers : int, optional
    progress : callable

    Returns
    -------
    ndarray of float32, shape (n, dim)

    Raises
    ------
    EncoderError
        If the encoder fails.
    """
    return _embed_parts(crops, [encoder], cache, workers, progress)[0]


def with_kept_embeddings(prepared: Prepared, cache: Cache) -> Prepared | None:
    """Read the embeddings of sets that were prepared before; no encoder is loaded.

    Parameters
    ----------
    prepared : Prepared
        With or without its embeddings.
    cache : Cache

    Returns
    -------
    Prepared or None
        None if some row is kept no more.
    """
    embeddings: dict[str, dict[str, Float32]] = {}
    for name, crops in prepared.framing.crops.items():
        parts = crops.by_scale()
        order = np.argsort(np.concatenate([cells for cells, _ in parts]))
        embeddings[name] = {}
        for spec in prepared.encoders:
            rows = [kept_rows(part, spec, cache) for _, part in parts]
            found = [one for one in rows if one is not None]
            if len(found) < len(rows):
                return None
            embeddings[name][spec.id] = np.concatenate(found)[order]
    return replace(prepared, embeddings=embeddings)


def _embed_parts(
    crops: Crops,
    encoders: Sequence[Encoder],
    cache: Cache,
    workers: int | None,
    progress: Progress,
) -> list[Float32]:
    """Embed the sources of a set, each by itself, with a group of encoders."""
    parts = crops.by_scale()
    counts = counted_together(progress, [len(cells) for cells, _ in parts])
    found = [
        embed_together(part, encoders, cache, workers=workers, progress=count)
        for (_, part), count in zip(parts, counts, strict=True)
    ]
    order = np.argsort(np.concatenate([cells for cells, _ in parts]))
    return [np.concatenate(rows)[order] for rows in zip(*found, strict=True)]


def usable_voters(
    config: Config, at_hand: Mapping[str, Float32], failures: Sequence[Failure]
) -> tuple[tuple[str, ...], ...]:
    """List the voters whose encoders all work.

    Parameters
    ----------
    config : Config
    at_hand : mapping from encoder to its embeddings
    failures : sequence of Failure

    Returns
    -------
    tuple of tuple of str

    Raises
    ------
    EncoderError
        If none is left, or the clusters' own encoder failed.
    """
    reasons = " ".join(failure.reason for failure in failures)
    voters = tuple(v for v in config.encoders if all(member in at_hand for member in v))
    if not voters:
        raise EncoderError(f"No encoder could be used. {reasons}")
    if config.cluster_encoder and not all(member in at_hand for member in config.cluster_encoder):
        raise EncoderError(f"The encoder for clusters could not be used. {reasons}")
    return voters
