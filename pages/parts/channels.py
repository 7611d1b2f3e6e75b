"""Grey values shown as black and white in a set, and its displayed channels."""

import streamlit as st

from celltransfer_core.data import FAR_BELOW, Dataset, describe_scale, parse_channels
from celltransfer_core.studies import ImageSet
from parts.clicks import clicked
from parts.here import Here, attempt

_GREY, _COLOUR = "One channel, in grey", "Three channels, as red, green and blue"
_COLOURS = ("Red", "Green", "Blue")


def show_numbers(here: Here, image_set: ImageSet, dataset: Dataset) -> None:
    """Show the grey values that become black and white; offer channels if they are not colours."""
    words = [said for scale in dataset.scales if (said := describe_scale(scale))]
    if words:
        kind = "One scale for the set" if len(words) == 1 else "One scale per pixel format"
        st.caption(f"{kind}: {'; '.join(words)}.")
    if len(dataset.scales) > 1:
        st.warning("The set contains several pixel formats; check that the images belong together.")
    if far := [one.reason for one in dataset.notes if one.reason.startswith(FAR_BELOW)]:
        st.warning(f"{len(far):,} files are nearly black: {far[0].replace('its', 'their', 1)}.")
    if dataset.channel_counts:
        offer_channels(here, image_set, dataset)


def offer_channels(here: Here, image_set: ImageSet, dataset: Dataset) -> None:
    """Let the user choose the displayed channels; until then files without exactly three wait."""
    counts = [f"{files:,} files have {has} channels" for has, files in dataset.channel_counts]
    most = max(has for has, _ in dataset.channel_counts)
    waiting = not image_set.channels and any(has != 3 for has, _ in dataset.channel_counts)
    chosen = parse_channels(image_set.channels) if image_set.channels else None
    with st.expander("Channels", icon=":material/palette:", expanded=waiting):
        then = (
            "they are not used until you choose which channels to show."
            if waiting
            else "these are shown:"
        )
        (st.warning if waiting else st.caption)(f"{'; '.join(counts)}; {then}")
        shown = st.radio(
            "Shown",
            (_GREY, _COLOUR),
            index=int(len(chosen or (1, 2, 3)) == 3 and most >= 3),
            key=f"channels as {image_set.id}",
            horizontal=True,
            label_visibility="collapsed",
            disabled=here.locked,
        )
        names = ("Grey",) if shown == _GREY else _COLOURS
        columns = st.columns(3)
        wanted = [
            column.selectbox(
                name,
                range(1, most + 1),
                index=min(_start(chosen, at, len(names)), most) - 1,
                key=f"channel {name} {image_set.id} {image_set.revision}",
                disabled=here.locked,
            )
            for at, (name, column) in enumerate(zip(names, columns, strict=False))
        ]
        if clicked(
            st.button, "Show these channels", key=f"channels {image_set.id}", disabled=here.locked
        ) and attempt(here.workspace.change_set, image_set.id, channels=",".join(map(str, wanted))):
            st.rerun()


def _start(chosen: tuple[int, ...] | None, at: int, number: int) -> int:
    """Return the initial channel of a choice."""
    return chosen[at] if chosen and len(chosen) == number else at + 1
