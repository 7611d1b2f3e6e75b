"""What the query may contain: the kind of sample, single types, and who said what."""

from collections.abc import Mapping
from operator import attrgetter

import streamlit as st

from celltransfer_core.config import Sample, TypeState, sample_kinds
from celltransfer_core.errors import CellTransferError
from celltransfer_core.outputs import describe_ruled_out
from celltransfer_core.pipeline import RunResult
from celltransfer_core.studies import (
    EXPECT,
    FEWEST_TYPES,
    ExpectedTypes,
    expect_payloads,
    expected_types,
)
from celltransfer_core.vocabulary import QUERY, REFERENCE
from parts import text
from parts.here import Here, readable
from parts.study_types import reference_types

WORDS: Mapping[TypeState, str] = {
    "expected": "Expected",
    "possible": "Possible",
    "absent": "Absent",
}
_WIDE = 268  # px: three words side by side
_HIGH = 460  # px: more rows of types scroll
_MANY = 12  # number of types above which they scroll
_STROKES = 4  # shown at most


def show_sample(here: Here) -> None:
    """Ask what the query may contain, once both sets can be read."""
    if readable(here, QUERY) is None or readable(here, REFERENCE) is None:
        return
    types = reference_types(here)
    if len(types) < FEWEST_TYPES:
        return
    said = expected_types(here.workspace, here.id)
    must_find = here.options.get("must_find", ())
    st.header("What may be in the query?")
    st.caption(
        "State which types this sample can contain. Absent types are left out of naming and "
        "typing, which improves both; your answers may still use them."
    )
    choose_kind(here, types, said)
    high = len(types) > _MANY
    with (
        st.container(height=_HIGH if high else "content", border=high),
        st.container(horizontal=True, gap="small"),
    ):
        for name in types:
            choose_state(here, name, said.state(name), must=name in must_find)
    if said.too_few:
        left = f"only {text.listed(said.left)}" if said.left else "no type"
        st.warning(
            f"That leaves {left}; at least two types must be possible. Until then nothing is ruled "
            "out."
        )
    show_said(here, said)


def choose_kind(here: Here, types: list[str], said: ExpectedTypes) -> None:
    """Offer the kinds of samples; each of them decides on all types at once."""
    try:
        kinds = sample_kinds()
    except CellTransferError as error:  # the user's own file
        st.warning(text.sentence(error))
        return
    key = "kind of sample"
    told = [
        one.payload.get("sample", "") for one in sorted(said.said.values(), key=attrgetter("id"))
    ]
    named = [kind for kind in told if kind in kinds]
    st.session_state[key] = named[-1] if named else None

    def keep() -> None:
        if kind := st.session_state[key]:
            here.decide_all(EXPECT, expect_payloads(kinds[kind].states_of(types), kind))

    st.selectbox(
        "Kind of sample",
        list(kinds),
        format_func=lambda kind: kinds[kind].title,
        key=key,
        on_change=keep,
        index=0 if named else None,  # decisions are removed with Undo
        placeholder="Choose one as a starting point",
        disabled=here.locked,
        width=420,
    )
    if named:
        show_source(kinds[named[-1]], types)


def show_source(kind: Sample, types: list[str]) -> None:
    """Show the usual shares of a kind of sample, and their source."""
    shares = [
        f"{text.plain(name)} {low:g}–{high:g} %"
        for name, (low, high) in kind.intervals_of(types).items()
    ]
    if shares:
        st.caption(f"Usual shares: {', '.join(shares)} ({text.plain(kind.source)}).")


def titles_of_kinds() -> Mapping[str, str]:
    """Read the names of kinds of samples; none while the user's own file is invalid."""
    try:
        return {kind: one.title for kind, one in sample_kinds().items()}
    except CellTransferError:
        return {}


def choose_state(here: Here, name: str, state: TypeState, *, must: bool) -> None:
    """Let the user say whether the query may contain a type; it is saved at once."""
    key = f"expect {name}"
    if must and state == "absent":
        state = "possible"
    st.session_state[key] = state  # set by any reader, on any page

    def keep() -> None:
        here.decide_all(EXPECT, expect_payloads({name: st.session_state[key]}))

    st.segmented_control(
        text.plain(name),
        list(WORDS),
        format_func=WORDS.get,
        key=key,
        on_change=keep,
        required=True,
        disabled=here.locked or must,
        help="It is marked above as a type that must not be missed: it cannot be ruled out."
        if must
        else None,
        width=_WIDE,
    )


def show_said(here: Here, said: ExpectedTypes) -> None:
    """Show who said what and when, and let readers undo their last decision."""
    strokes: dict[tuple[str, str, str], list[str]] = {}
    for name, one in sorted(said.said.items(), key=lambda item: item[1].id):
        kind = one.payload.get("sample", "")
        stroke = (one.who, text.when(one.at), kind or one.payload["state"])
        strokes.setdefault(stroke, []).append(name)
    titles, lines = titles_of_kinds(), []
    for (who, when, what), names in [*strokes.items()][-_STROKES:]:
        word = WORDS.get(what)
        title = titles.get(what, what)
        told = f"{word.lower()}: {text.listed(names)}" if word else f"kind: {text.plain(title)}"
        lines.append(f"{told} ({text.plain(who)}, {when})")
    if lines:
        st.caption(f":material/person: {'; '.join(lines)}")
    if here.own_decisions(EXPECT):
        st.button(
            "Undo",
            key="undo expect",
            icon=":material/undo:",
            on_click=here.undo,
            args=(EXPECT,),
            disabled=here.locked,
        )


def show_ruled_out(here: Here, run: RunResult) -> None:
    """Show the evidence for types that were ruled out, and offer to allow them again."""
    said = expected_types(here.workspace, here.id).said
    by = {name: one.who for name, one in said.items() if one.who != here.reader}
    for name, sentence in describe_ruled_out(run, by).items():
        if name not in said or said[name].payload["state"] != "absent":
            continue  # undone since
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(f":material/priority_high: **{text.plain(sentence)}**", width="stretch")
            offer_way_back(here, name, key=f"speaks for {name}")


def offer_way_back(here: Here, name: str, key: str) -> None:
    """Offer to make a type possible that was ruled out."""
    st.button(
        f"{text.plain(name)} may be in it",
        key=key,
        icon=":material/undo:",
        on_click=here.decide_all,
        args=(EXPECT, expect_payloads({name: "possible"})),
        disabled=here.locked,
    )
