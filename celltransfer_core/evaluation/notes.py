"""TODO celltransfer_core/evaluation/notes.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltransfer_core.config import voter_name
from celltransfer_core.evaluation.metrics import RARE
from celltransfer_core.evaluation.protocol import CONCATENATIONS, Protocol
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Ints, Labels
from celltransfer_core.vocabulary import QUERY


def _notes(
    prepared: Prepared,
    truth: Labels,
    shared: Labels,
    parts: Sequence[Ints],
    own_parts: bool,
    protocol: Protocol,
    *,
    confirmed: bool,
) -> tuple[str, ...]:
    config = prepared.config
    scored = int((shared != "").sum())
    figures = (
        f"Figures are over {scored:,} of {len(truth):,} cells of the query: labelled with a type "
        f"that the reference has and {RARE} cells or more of the query have."
    )
    notes = [figures]
    names, counts = np.unique(truth[truth != ""], return_counts=True)
    others = {
        str(name): int(count)
        for name, count in zip(names, counts, strict=True)
        if name not in prepared.types or count < RARE
    }
    if others:
        left = ", ".join(f"{name} ({count})" for name, count in others.items())
        notes.append(f"Left out, not in the reference or too rare: {left}.")
    if own_parts:
        taken = sum(len(part) for part in parts)
        notes.append(
            f"The query is cut into {len(parts)} random subsets of up to {max(map(len, parts)):,} "
            f"cells, each with {config.draws} subsets of the reference transported onto it; "
            "figures are means over the subsets, ± their standard deviation."
        )
        if taken < len(truth):
            notes.append(f"{len(truth) - taken:,} cells are in no subset and are not scored.")
    else:
        notes.append(
            "The query fits in one transport. Figures are of all its cells; the standard "
            f"deviation, and the tests, are over {protocol.subsets} random parts of it, and so "
            "tell the chance of which cells there are."
        )
    notes.append(
        f"Reference subsets: {config.draws} of at most {config.subset_size:,} cells, seed "
        f"{config.seed}. Linear probe and NMTune are trained on at most 5,000 of them."
    )
    if "fgw" in protocol.ot and config.vote_weights == "confirmed" and not confirmed:
        notes.append(
            "No cluster is confirmed, so optimal transport has no say in the vote yet: with the "
            "clusters as matched its ensemble is that of centring."
        )
    notes += [
        f"The encoder {failure.encoder} was left out: {failure.reason}"
        for failure in prepared.failures
    ]
    formed = [
        f"{voter_name(formed)} (of {voter_name(whole)})"
        for whole in CONCATENATIONS
        if (formed := tuple(m for m in whole if m in prepared.embeddings[QUERY])) != whole
        and formed in prepared.voters
        and len(formed) > 1
    ]
    if formed:
        notes.append(
            "Concatenations of the paper formed from the members at hand: " + ", ".join(formed)
        )
    return tuple(notes)
