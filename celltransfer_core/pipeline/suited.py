"""Choice of the field and the network that suit the kind of cell of a framed reference.

The field of a nucleus cuts off the cytoplasm, which distinguishes cells other than blood cells, and
each network was trained on one kind of cell. A few reference cells are embedded in each field, then
with each of the other networks in the chosen field, and typed from the other cells. The default is
kept unless another way is better by more than chance. Types of the query are never used. Not in the
paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from celltransfer_core.config.config import Config
from celltransfer_core.encoders.catalogue import load_encoder, shipped_networks
from celltransfer_core.encoders.registry import Encoder
from celltransfer_core.encoders.training.kinds import groups_of
from celltransfer_core.framing.crops import Crops
from celltransfer_core.framing.nucleus import WIDE_FIELD
from celltransfer_core.framing.sets import Field, Framing
from celltransfer_core.pipeline.embedded import embed_sets
from celltransfer_core.pipeline.features import level_sources, representation
from celltransfer_core.runtime.batches import evenly_spaced
from celltransfer_core.runtime.cache import Cache
from celltransfer_core.types import Bools, Float32, Float64, Ints, Labels, Progress, silent
from celltransfer_core.vocabulary import REFERENCE

TRYING = "trying fields"
"""Name of the trial's phase in progress reports."""

CELLS_A_TYPE, MOST_CELLS = 40, 200
"""Maximum number of reference cells tried, per type and in total."""

ERRORS, LEAST_GAIN = 3.0, 0.05
"""Thresholds that a gain must exceed: a number of its standard errors, because the best of several
ways is partly best by chance, and a share of the cells, because findings of one laboratory may not
hold in another."""

_NEIGHBOURS = 7
_NAMES: Mapping[Field, str] = {
    "nucleus": "the field of the nucleus",
    "wide": "a field twice as wide",
    "whole": "whole images",
}


class Way(NamedTuple):
    """A way to show a cell to the encoders."""

    field: Field
    network: str
    """Encoder supplied with CellTransfer; empty if there is no choice."""

    def __str__(self) -> str:
        return f"{_NAMES[self.field]} with {self.network}" if self.network else _NAMES[self.field]


@dataclass(frozen=True)
class Suited:
    """The chosen field and network for a reference."""

    usual: Field
    """Field used without a trial."""
    field: Field
    voters: tuple[tuple[str, ...], ...]
    """Voters of the configuration, with the chosen network."""
    reason: str = ""
    """The choice and its reason; empty if there was nothing to choose."""


def suit_reference(
    framing: Framing,
    config: Config,
    encoders: Sequence[Encoder],
    *,
    cache: Cache,
    workers: int | None = None,
    progress: Progress = silent,
) -> Suited:
    """Choose the field and the network that best distinguish the reference's own types.

    Parameters
    ----------
    framing : Framing
        Default framing: crops around the nuclei if enough are found. Its reference has types.
    config : Config
        A field is chosen if ``framing`` is ``auto`` and cells are cropped; a network is chosen if
        ``network`` is ``auto`` and a voter has one supplied with CellTransfer.
    encoders : sequence of Encoder
        Encoders of the configuration that can be loaded.
    cache, workers, progress
        As for :func:`~celltransfer_core.pipeline.prepared.prepare`.

    Returns
    -------
    Suited
        At most 40 cells per type and 200 in total are tried, evenly spaced in the order of content
        hashes. Each is typed from cells that were not acquired together with it, see
        :func:`~celltransfer_core.encoders.training.groups_of`. The best way is used if its
        accuracy, with equal weight for each type, exceeds that of the default by more than
        :data:`LEAST_GAIN` and by more than :data:`ERRORS` standard errors, with such groups as
        sampling units.
    """
    networks = shipped_networks() if config.network == "auto" else ()
    voter = next((v for v in config.encoders if {*v} & {*networks}), config.encoders[0])
    fields, own, others = _choices(framing, config, voter, networks)
    usual = Way(fields[0], own)
    at_hand = {encoder.spec.id: encoder for encoder in encoders}
    part = framing.crops[REFERENCE]
    labels, groups = part.dataset.cell_labels, groups_of(part.dataset)
    cells = _spread(labels)
    part = part.take(cells)
    choices = len(fields) + len(others)
    if choices < 2 or not {*voter} <= {*at_hand} or len(np.unique(labels[cells])) < 2:
        return Suited(usual.field, usual.field, config.encoders)
    at_hand |= {network: load_encoder(network) for network in (own, *others) if network}
    types, numbers = np.unique(labels[cells], return_inverse=True)
    alone = np.array([f"cell {cell}" for cell in cells])
    apart = np.unique(np.where(groups[cells] == "", alone, groups[cells]), return_inverse=True)[1]
    right: dict[Way, Bools] = {}

    def attempt(done: int, way: Way) -> None:
        progress(TRYING, done, choices)
        members = _with_network(voter, usual.network, way.network)
        shown = {REFERENCE: _in_field(part, way.field)}
        rows, failures = embed_sets(shown, [at_hand[m] for m in members], cache, workers, silent)
        if not failures:
            X = _compared(rows[REFERENCE], members, numbers, part, config)
            right[way] = typed_by_others(X, numbers, apart) == numbers

    for done, field in enumerate(fields):
        attempt(done, Way(field, own))
    if usual not in right:
        return Suited(usual.field, usual.field, config.encoders)
    # Try other networks only in the chosen field: trying all pairs would take 50 % longer.
    chosen, reason = _choose(right, usual, numbers, apart)
    for done, network in enumerate(others, start=len(fields)):
        attempt(done, Way(chosen.field, network))
    progress(TRYING, choices, choices)
    if others:
        chosen, reason = _choose(right, usual, numbers, apart)
    voters = tuple(_with_network(v, usual.network, chosen.network) for v in config.encoders)
    return Suited(
        usual.field,
        chosen.field,
        voters,
        f"tried on {len(cells)} reference cells of {len(types)} types: {reason}",
    )


def _choices(
    framing: Framing, config: Config, voter: Sequence[str], networks: Sequence[str]
) -> tuple[list[Field], str, list[str]]:
    """Return the fields, the default first, the voter's network, and the other networks."""
    fields: list[Field] = ["whole"]
    if framing.framed:
        fields = ["nucleus", "wide", "whole"] if config.framing == "auto" else [_field_of(framing)]
    own = next((member for member in voter if member in networks), "")
    others = [name for name in networks if name != own and name not in config.encoder_ids]
    return fields, own, others if own else []


def _field_of(framing: Framing) -> Field:
    nuclei = framing.crops[REFERENCE].nuclei
    return "wide" if nuclei is not None and nuclei.field == WIDE_FIELD else "nucleus"


def _in_field(crops: Crops, field: Field) -> Crops:
    if crops.nuclei is None or field == "whole":
        return replace(crops, nuclei=None, white=None)
    return (
        replace(crops, nuclei=replace(crops.nuclei, field=WIDE_FIELD)) if field == "wide" else crops
    )


def _spread(labels: Labels) -> Ints:
    """Draw cells of every type, evenly spaced in their order, shape (k,), ascending."""
    names = np.unique(labels)
    most = max(2, min(CELLS_A_TYPE, MOST_CELLS // len(names)))
    parts = [np.flatnonzero(labels == name) for name in names]
    return np.sort(np.concatenate([of[evenly_spaced(len(of), most)] for of in parts]))


def _with_network(voter: Sequence[str], before: str, now: str) -> tuple[str, ...]:
    return tuple(now if member == before else member for member in voter)


def _compared(
    rows: Mapping[str, Float32],
    voter: Sequence[str],
    numbers: Ints,
    crops: Crops,
    config: Config,
) -> Float32:
    sources = crops.dataset.cell_sources
    if len(crops.dataset.sources) > 1:
        rows = {name: level_sources(X, numbers, sources) for name, X in rows.items()}
    return representation({REFERENCE: rows}, voter, config, query=REFERENCE)[0]


def typed_by_others(X: Float32, numbers: Ints, groups: Ints) -> Ints:
    """Type each cell by its nearest neighbours in other groups.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
    numbers : ndarray of int64, shape (n,)
        Type numbers, from 0.
    groups : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)
        The most frequent type among seven neighbours, each weighted inversely to the number of
        cells of its type; -1 if there is no other group.
    """
    lengths = (X.astype(np.float64) ** 2).sum(axis=1)
    distances = lengths[:, None] + lengths[None] - 2 * (X @ X.T)
    same = groups[:, None] == groups[None]
    distances[same] = np.inf
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :_NEIGHBOURS]
    reached = ~np.take_along_axis(same, nearest, axis=1)
    shares = (1 / np.bincount(numbers))[numbers[nearest]] * reached
    votes = np.zeros((len(X), numbers.max() + 1))
    np.add.at(votes, (np.arange(len(X))[:, None], numbers[nearest]), shares)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), -1).astype(np.int64)


def _choose(right: Mapping[Way, Bools], usual: Way, numbers: Ints, groups: Ints) -> tuple[Way, str]:
    weights = (1 / np.bincount(numbers))[numbers] / (numbers.max() + 1)
    shares = {way: float(weights[told].sum()) for way, told in right.items()}
    told = f"in {usual}, the other cells type {shares[usual]:.1%} of them right"
    clear = [
        way
        for way, found in right.items()
        if _is_gain(weights * (found.astype(np.float64) - right[usual]), groups)
    ]
    if clear:
        best = max(clear, key=lambda way: shares[way])
        return best, f"{told}; in {best}, {shares[best]:.1%}, which is clearly more"
    best = max((way for way in right if way != usual), key=lambda way: shares[way], default=usual)
    if best == usual:
        return usual, told
    more = "clearly more" if shares[best] > shares[usual] else "more"
    return usual, f"{told}; in the best other way, {best}, {shares[best]:.1%}: not {more}"


def _is_gain(differences: Float64, groups: Ints) -> bool:
    # Errors are correlated within a group.
    error = np.sqrt((np.bincount(groups, differences) ** 2).sum())
    return bool(differences.sum() > max(ERRORS * error, LEAST_GAIN))
