"""What is wrong with pictures of cells, as a filter."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from celltransfer_core.framing import judge_quality
from celltransfer_core.pipeline import RunResult
from parts.quality import NAMES


def choose_faults(run: RunResult, among: Sequence[int] | None) -> Sequence[int] | None:
    """Let cells with faulty pictures be picked out, where there are some."""
    quality = judge_quality(run.framing, run.reference, run.query)
    counts = {f: int(of.sum()) for f, of in quality.faults.items() if of.any()} if quality else {}
    if not counts:
        return among
    wanted = st.pills(
        "Only pictures with",
        list(counts),
        selection_mode="multi",
        format_func=lambda fault: f"{NAMES[fault]} ({counts[fault]:,})",
        key="cells faults",
    )
    if not wanted:
        return among
    picked = np.flatnonzero(np.any([quality.faults[fault] for fault in wanted], axis=0)).tolist()
    return picked if among is None else [cell for cell in picked if cell in set(among)]
