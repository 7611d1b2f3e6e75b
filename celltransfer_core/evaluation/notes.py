"""Notes on the figures of an evaluation: which cells count, and what the protocol was."""

from __future__ import annotations

import numpy as np

from celltransfer_core.config.config import Config
from celltransfer_core.config.settings import voter_name
from celltransfer_core.data.overlap import Overlap
from celltransfer_core.evaluation.metrics import RARE
from celltransfer_core.evaluation.parts import QueryParts
from celltransfer_core.evaluation.protocol import CONCATENATIONS, Protocol
from celltransfer_core.pipeline.result import Prepared
from celltransfer_core.types import Labels
from celltransfer_core.vocabulary import QUERY


def evaluation_notes(
    prepared: Prepared,
    truth: Labels,
    shared: Labels,
    parts: QueryParts,
    protocol: Protocol,
    leaks: Overlap,
    *,
    confirmed: bool,
) -> tuple[str, ...]:
    """Write notes that are needed to interpret the figures.

    Parameters
    ----------
    prepared : Prepared
    truth, shared : ndarray of str, shape (m,)
        All labels of the query, and those of the cells that figures are computed on.
    parts : QueryParts
    protocol : Protocol
    leaks : Overlap
        Query cells that are also in the reference.
    confirmed : bool
        Whether any cluster is confirmed.

    Returns
    -------
    tuple of str
    """
    config = prepared.config
    scored = int((shared != "").sum())
    on_cells = (
        f"The figures are for {scored:,} of {len(truth):,} query cells: those labelled with a type "
        f"that the reference has and that at least {RARE} query cells have."
    )
    on_draws = (
        f"Reference subsets: {config.draws} of at most {config.subset_size:,} cells, seed "
        f"{config.seed}. Linear probe and NMTune are trained on at most 5,000 of them."
    )
    notes = [
        on_cells,
        *_on_leaks(leaks, len(truth), protocol),
        *_on_other_types(prepared, truth),
        *_on_parts(parts, len(truth), config, protocol),
        on_draws,
    ]
    if "fgw" in protocol.ot and config.vote_weights == "confirmed" and not confirmed:
        notes.append(
            "No cluster is confirmed, so optimal transport has no weight in the vote yet: with "
            "the current matches its ensemble is that of centring."
        )
    notes += [
        f"The encoder {failure.encoder} was left out: {failure.reason}"
        for failure in prepared.failures
    ]
    return (*notes, *_on_concatenations(prepared))


def _on_leaks(leaks: Overlap, m: int, protocol: Protocol) -> list[str]:
    """Describe query cells that are also in the reference."""
    if not len(leaks):
        return []
    found = f"{len(leaks):,} of {m:,} query cells are also in the reference ({leaks.how})"
    if protocol.keep_shared:
        return [f"{found}. They are counted, as requested, although such cells are already known."]
    left_out = (
        f"{found}: they are left out of the figures, but used to find clusters and to identify "
        "shared types. On the command line --keep-shared counts them."
    )
    return [left_out]


def _on_other_types(prepared: Prepared, truth: Labels) -> list[str]:
    """List the types that are left out, with their numbers of cells."""
    names, counts = np.unique(truth[truth != ""], return_counts=True)
    others = {
        str(name): int(count)
        for name, count in zip(names, counts, strict=True)
        if name not in prepared.types or count < RARE
    }
    if not others:
        return []
    left = ", ".join(f"{name} ({count})" for name, count in others.items())
    return [f"Left out, not in the reference or too rare: {left}."]


def _on_parts(parts: QueryParts, m: int, config: Config, protocol: Protocol) -> tuple[str, ...]:
    """Describe how the query was split, and what the deviations are computed over."""
    if not parts.own:
        whole = (
            "The query fits in one transport. The figures are for all its cells; the standard "
            f"deviation and the tests are over {protocol.subsets} random parts of it, and so "
            "reflect the chance of which cells it contains."
        )
        return (whole,)
    sizes = [len(part) for part in parts.cells]
    cut = (
        f"The query is divided into {len(sizes)} random subsets of up to {max(sizes):,} cells, "
        f"each with {config.draws} subsets of the reference transported onto it; figures are means "
        "over the subsets, ± their standard deviation."
    )
    if sum(sizes) == m:
        return (cut,)
    return cut, f"{m - sum(sizes):,} cells are in no subset and are not scored."


def _on_concatenations(prepared: Prepared) -> list[str]:
    """List the paper's concatenations that were formed from only some of their members."""
    formed = [
        f"{voter_name(formed)} (of {voter_name(whole)})"
        for whole in CONCATENATIONS
        if (formed := tuple(m for m in whole if m in prepared.embeddings[QUERY])) != whole
        and formed in prepared.voters
        and len(formed) > 1
    ]
    if not formed:
        return []
    return ["Concatenations of the paper, formed from the available members: " + ", ".join(formed)]
