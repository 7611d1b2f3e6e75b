"""Framing and embedding of the reference, the query and further sets in the same way (3.1).

In: datasets and a configuration. Out: raw embeddings by set and encoder, and the voters whose
encoders all work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from celltransfer_core.config.config import DEFAULT, Config, setting
from celltransfer_core.data.background import over_one_background
from celltransfer_core.data.dataset import Dataset
from celltransfer_core.data.pooling import unpool
from celltransfer_core.data.type_names import answer_named
from celltransfer_core.encoders.catalogue import load_encoder
from celltransfer_core.encoders.embedding import kept_rows
from celltransfer_core.encoders.registry import Encoder
from celltransfer_core.errors import DataError, EncoderError
from celltransfer_core.framing.sets import Framing, frame_sets
from celltransfer_core.pipeline.embedded import embed_sets, load_encoders
from celltransfer_core.pipeline.result import Failure, Prepared, type_names
from celltransfer_core.pipeline.sources import choose_sets
from celltransfer_core.pipeline.suited import suit_reference
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Float32, Progress, silent
from celltransfer_core.vocabulary import QUERY, REFERENCE, and_more

Voters = tuple[tuple[str, ...], ...]


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
    """Frame and embed every set (3.1), reusing cached results.

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
        If the sets or all encoders cannot be used, a type has the name of another answer, or a type
        to keep does not exist.
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
    embed = partial(_embed, config=config, cache=cache, workers=workers, progress=progress)
    prepared = embed(sets)
    if len(reference.sources) == 1:
        return prepared
    rows = prepared.embeddings
    nearest = choose_sets(prepared.reference, config, rows[REFERENCE], rows[QUERY])
    if nearest.alone:
        # Frame and match colours again, as if the other sets did not exist.
        prepared = embed({**sets, REFERENCE: unpool(reference, nearest.alone)})
    return replace(prepared, nearest=nearest)


def _embed(
    sets: Mapping[str, Dataset],
    config: Config,
    cache: Cache,
    workers: int | None,
    progress: Progress,
) -> Prepared:
    """Frame and embed all sets with every encoder that works."""
    sets = over_one_background(sets, REFERENCE)
    encoders, failures = load_encoders(config)
    # Use µm as the common unit if the pixel size of every cell to compare is known.
    sizes = [*sets[REFERENCE].um_per_px, *sets[QUERY].um_per_px]
    framing, encoders, voters = frame_as_suits(
        sets,
        config,
        encoders,
        in_um=bool(np.isfinite(sizes).all()),
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
        extras={name: one for name, one in sets.items() if name not in (REFERENCE, QUERY)},
        framing=framing,
        encoders=tuple(e.spec for e in encoders if e.spec.id in embeddings[QUERY]),
        failures=failures,
        embeddings=embeddings,
        voters=usable_voters(voters, config.cluster_encoder, embeddings[QUERY], failures),
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
        If the reference lacks a type, a type is both ruled out and required, or fewer than two
        types are left.
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
                "contain is not searched for."
            )
    if config.absent and len({*types} - {*config.absent}) < 2:
        raise DataError(
            f"--absent leaves {and_more(sorted({*types} - {*config.absent})) or 'no type'}; "
            "at least two types must be possible."
        )


def with_kept_embeddings(prepared: Prepared, cache: Cache) -> Prepared | None:
    """Read the cached embeddings of prepared sets without loading an encoder.

    Parameters
    ----------
    prepared : Prepared
        With or without its embeddings.
    cache : Cache

    Returns
    -------
    Prepared or None
        None if a row is no longer in the cache.
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


def frame_as_suits(
    sets: Mapping[str, Dataset],
    config: Config,
    encoders: Sequence[Encoder],
    *,
    in_um: bool,
    cache: Cache,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[Framing, tuple[Encoder, ...], Voters]:
    """Frame sets and choose the network that suits the reference's kind of cell.

    Parameters
    ----------
    sets : mapping from name to Dataset
        Sets including the reference with its types.
    config : Config
    encoders : sequence of Encoder
        Encoders of the configuration that can be loaded.
    in_um, cache, workers, progress
        As for :func:`~celltransfer_core.framing.frame_sets`.

    Returns
    -------
    framing : Framing
        Its reason states what was chosen and why.
    encoders : tuple of Encoder
        Encoders of the voters and of the clusters.
    voters : tuple of tuple of str
        Voters of the configuration, with the chosen network.
    """
    frame = partial(
        frame_sets,
        sets,
        mode=config.framing,
        colour=config.colour,
        in_um=in_um,
        cache=cache,
        workers=workers,
        progress=progress,
    )
    framing = frame()
    suited = suit_reference(
        framing, config, encoders, cache=cache, workers=workers, progress=progress
    )
    if suited.field != suited.usual:
        framing = frame(suited=suited.field)
    if suited.reason:
        framing = replace(framing, reason=f"{framing.reason}; {suited.reason}")
    by_id = {encoder.spec.id: encoder for encoder in encoders}
    asked = replace(config, encoders=suited.voters).encoder_ids
    here = [n for n in asked if n in by_id or n not in config.encoder_ids]
    return framing, tuple(by_id.get(n) or load_encoder(n) for n in here), suited.voters


def usable_voters(
    voters: Voters,
    cluster_encoder: tuple[str, ...] | None,
    at_hand: Mapping[str, Float32],
    failures: Sequence[Failure],
) -> Voters:
    """List the voters whose encoders all work.

    Parameters
    ----------
    voters : tuple of tuple of str
    cluster_encoder : tuple of str, optional
        Encoders on which clusters are found.
    at_hand : mapping from encoder to its embeddings
    failures : sequence of Failure

    Returns
    -------
    tuple of tuple of str

    Raises
    ------
    EncoderError
        If no voter is left, or an encoder for the clusters failed.
    """
    reasons = " ".join(failure.reason for failure in failures)
    usable = tuple(v for v in voters if all(member in at_hand for member in v))
    if not usable:
        raise EncoderError(f"No encoder could be used. {reasons}")
    if cluster_encoder and not all(member in at_hand for member in cluster_encoder):
        raise EncoderError(f"The encoder for clusters could not be used. {reasons}")
    return usable
