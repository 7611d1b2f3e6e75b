"""Keyboard shortcuts, the same on every page.

Buttons and galleries take their keys from here, and the overlay opened by ``?`` lists them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from celltransfer_core.vocabulary import ARTEFACT, NONE_TYPE, SKIPPED, UNSURE
from parts.assets import component

TYPE_KEYS = "1234567890DEFGHIQVWYB"
"""One per type, in the study's order. The other letters have other meanings."""

KEYS: Mapping[str, str] = {
    "accept": "A",
    NONE_TYPE: "N",
    UNSURE: "U",
    ARTEFACT: "X",
    SKIPPED: "S",
    "next": "J",
    "previous": "K",
    "undo": "Z",
    "take back": "T",
    "mixed": "M",
    "pin": "P",
    "original colours": "O",
    "loupe": "L",
    "all keys": "?",
}
"""The key of each action."""

ANSWERS: Mapping[str, str] = {
    NONE_TYPE: "None of these",
    UNSURE: "Unsure",
    ARTEFACT: "Artefact",
}
"""Answers other than types, and the labels of their buttons."""

_TYPES = f"{TYPE_KEYS[0]} … {TYPE_KEYS[8]}, {TYPE_KEYS[9]}, {TYPE_KEYS[10]} …"
_GIVE = {_TYPES: "Give the type of this key"}
_OTHERS = {
    KEYS[NONE_TYPE]: ANSWERS[NONE_TYPE],
    KEYS[UNSURE]: ANSWERS[UNSURE],
    KEYS[ARTEFACT]: "Artefact: a smudge, two cells, dirt",
}
PAGES: Mapping[str, Mapping[str, str]] = {
    "Every page": {
        KEYS["all keys"]: "Show all keys",
        "Escape": "Close; leave a field, so that keys work again",
        KEYS["original colours"]: "Original colours, or as the encoders see the cells",
    },
    "Review": {
        KEYS["accept"]: "Accept the prediction",
        **_GIVE,
        **_OTHERS,
        KEYS[SKIPPED]: "Skip: the cell comes back at the end",
        KEYS["previous"]: "Previous cell",
        KEYS["undo"]: "Undo",
    },
    "Cells": {
        KEYS["accept"]: "Accept the prediction of each selected cell",
        **_GIVE,
        **_OTHERS,
        KEYS["undo"]: "Undo",
        KEYS["previous"]: "Previous cell",
        KEYS["next"]: "Next cell",
        KEYS["pin"]: "Pin the cell: the most similar come first",
    },
    "Clusters": {
        KEYS["mixed"]: "Split the cluster",
        KEYS["undo"]: "Undo",
    },
    "Matches": {
        KEYS["accept"]: "Confirm the proposed type",
        **_GIVE,
        KEYS[NONE_TYPE]: ANSWERS[NONE_TYPE],
        KEYS["mixed"]: "Mixed: split the cluster",
        KEYS["take back"]: "Withdraw the answer",
        KEYS["undo"]: "Undo",
        KEYS["previous"]: "Previous cluster",
        KEYS["next"]: "Next cluster",
    },
    "Every gallery": {
        "Arrows": "Move between cells",
        "Shift + arrows": "Select a range",
        "Space": "Select or deselect a cell",
        "Ctrl + A": "Select all",
        "Escape": "Deselect all",
        "Enter": "Open the cell",
        KEYS["loupe"]: "Magnifier at the mouse pointer, on or off",
    },
}
"""Content of the overlay: for each page, the action of each key."""


@dataclass(frozen=True)
class Choice:
    """One answer that can be given to cells."""

    name: str
    """The value that is returned."""
    label: str
    key: str
    """One upper-case letter or digit, empty for none."""
    shade: str = ""


def type_key(number: int) -> str | None:
    """Return the key of a study's type, by its index in the study's order; None past the last."""
    return TYPE_KEYS[number] if number < len(TYPE_KEYS) else None


def type_choices(types: Sequence[str], shades: Mapping[str, str] | None = None) -> list[Choice]:
    """Make one answer per type, in the study's order, with their keys and colours."""
    shades = shades or {}
    return [
        Choice(name, name, type_key(number) or "", shades.get(name, ""))
        for number, name in enumerate(types)
    ]


def other_choices() -> list[Choice]:
    """Make the answers that are not types: none of these, unsure, artefact."""
    return [Choice(name, label, KEYS[name]) for name, label in ANSWERS.items()]


def show_keys() -> None:
    """Offer the list of keys, by a button and by ``?``; keys work wherever the focus is."""
    component("keys", "keys")(
        key="keys",
        data={
            "title": "All keys",
            "key": KEYS["all keys"],
            "pages": [[page, [*map(list, keys.items())]] for page, keys in PAGES.items()],
        },
    )
