"""Types that must not be missed: marked on the Data page, and their estimated sensitivity."""

from collections.abc import Sequence

import streamlit as st

from celltransfer_core.config import setting
from celltransfer_core.outputs import describe_sensitivity
from celltransfer_core.people import Inference, sensitivity
from celltransfer_core.pipeline import RunResult
from celltransfer_core.studies import study_config
from parts import text
from parts.here import Here


def choose_must_find(here: Here, types: Sequence[str]) -> None:
    """Let the user mark types of the reference; they are saved at once."""
    one = setting("must_find")
    marked = list(study_config(here.workspace, here.study).must_find)
    key = f"must find {marked}"  # if changed elsewhere, it is shown but not written back

    def keep() -> None:
        here.change_options(must_find=st.session_state[key] or None)

    st.multiselect(
        one.label,
        sorted({*types, *marked}),
        default=marked,
        key=key,
        on_change=keep,
        disabled=here.locked,
        help=one.note,
        placeholder="None selected",
    )
    if gone := sorted({*marked} - {*types}):
        st.warning(f"The reference no longer has {text.listed(gone)}; remove it here or rename it.")


def show_must_find(run: RunResult, inference: Inference) -> None:
    """Show, for each type that must not be missed, the cells to review and the sensitivity."""
    for name, shown in run.to_show.items():
        seen = run.seen_as(name)
        answers = dict(zip(inference.draws.answered.tolist(), inference.draws.answers, strict=True))
        drawn = inference.draws.cells
        found = sensitivity(seen, drawn, [answers[cell] for cell in drawn.tolist()], name)
        predicted = int(seen.sum() - shown.sum())
        st.markdown(
            f":material/priority_high: **{text.plain(name)}**: {text.count(predicted, 'cell')} "
            f"predicted as it, {int(shown.sum()):,} more may be it and are flagged. "
            f"{text.plain(describe_sensitivity(found, int(seen.sum())))}"
        )
