"""Settings as widgets, made from the metadata of the fields of ``Config``.

``choose_word``, ``choose_number`` and ``choose_switch`` show one setting, on any page;
``show_choices`` is the panel of the Classify page. A field whose ``page`` is ``classify`` appears
there without further code.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from celltransfer_core.config import PRESETS, SETTINGS, Config, Setting, panel
from celltransfer_core.studies import Study
from parts.clicks import clicked
from parts.here import Here

NUMBER = "number"
PRESET_NAMES = {"default": "As measured best", "paper": "As in the paper"}
PRESET_BUTTONS = {
    "default": ("What measured best", "Framing, colours and clusters are reset to it too."),
    "paper": (
        "The paper's preset",
        (
            "It also uses whole images, original colours and node-degree clusters, so cells are "
            "embedded and matched again. Your answers are kept."
        ),
    ),
}


def preset_of(study: Study) -> str:
    """Return the preset that a study starts from."""
    name = study.options.get("preset", "default")
    return name if name in PRESETS else "default"


def own_choices(config: Config, preset: str) -> list[str]:
    """List the settings of the panel that differ from a preset's."""
    offered = {setting.name for setting in panel("classify")}
    return [name for name in config.differing(PRESETS[preset]) if name in offered]


def take_preset(here: Here, name: str) -> None:
    """Apply all of a preset's choices, including those of other pages."""
    back: dict[str, Any] = {n: None for n, one in SETTINGS.items() if not one.own}
    here.change_options(**back, preset=None if name == "default" else name)


def keep(here: Here, config: Config, chosen: Mapping[str, Any]) -> None:
    """Save changed settings; those equal to the preset are removed."""
    preset = PRESETS[preset_of(here.study)]
    changed = {
        name: None if value == getattr(preset, name) else value
        for name, value in chosen.items()
        if value != getattr(config, name)
    }
    if here.change_options(**changed):
        st.rerun()


def show_preset(here: Here, config: Config) -> None:
    """Show the active preset, and offer the other one."""
    preset = preset_of(here.study)
    changed = own_choices(config, preset)
    more = f", with {len(changed)} changed by you" if changed else ""
    left, right = st.columns([3, 2], vertical_alignment="center")
    left.markdown(
        f"**Settings: {PRESET_NAMES[preset]}{more}.** The first option of each setting is the one "
        "that measured best."
    )
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        for other, (label, note) in PRESET_BUTTONS.items():
            if other != preset or changed:
                st.button(
                    label,
                    key=f"preset {other}",
                    on_click=take_preset,
                    args=(here, other),
                    disabled=here.locked,
                    help=note,
                )


def show_choices(here: Here, config: Config) -> None:
    """Show how cells are typed, and let the user change it."""
    show_preset(here, config)
    with st.form("choices", border=False):
        chosen: dict[str, Any] = {}
        columns = st.columns(2, gap="large")
        settings = panel("classify")
        words = [setting for setting in settings if setting.kind == "word"]
        for number, setting in enumerate(words):
            with columns[number % 2]:
                chosen[setting.name] = choose_word(here, setting, config, marked=True)
        for setting in settings:
            if setting not in words:
                choose = choose_switch if setting.kind == "switch" else choose_number
                chosen[setting.name] = choose(here, setting, config)
        st.caption(
            "Changing what is compared also finds new clusters. Clusters also get new proposals "
            "when their votes change: through the weight of neighbours or the types fitted to the "
            "query. Your answers are kept."
        )
        if clicked(
            st.form_submit_button,
            "Use these choices",
            key="use choices",
            icon=":material/check:",
            disabled=here.locked,
        ):
            keep(here, config, chosen)


def choose_word(
    here: Here, setting: Setting, config: Config, *, marked: bool = False, **more: Any
) -> str:
    """Offer the choices of a setting, each with what it does.

    ``marked`` is the paper's choice if that is not the default; ``more`` is passed to the widget.
    """
    now = getattr(config, setting.name)
    papers = setting.paper if marked and setting.paper != setting.default else None
    return st.radio(
        setting.label,
        list(setting.choices),
        index=list(setting.choices).index(now),
        format_func=lambda value: (
            setting.choices[value].label + (" (the paper's)" if value == papers else "")
        ),
        captions=[choice.caption for choice in setting.choices.values()],
        key=key_of(setting, config),
        disabled=here.locked,
        **more,
    )


def key_of(setting: Setting, config: Config) -> str:
    """Name a widget after its current value, so that changes by other users are shown."""
    return f"{setting.name} {getattr(config, setting.name)}"


def choose_switch(here: Here, setting: Setting, config: Config) -> bool:
    """Offer a setting that is on or off."""
    return st.checkbox(
        setting.label,
        getattr(config, setting.name),
        key=key_of(setting, config),
        help=setting.note or None,
        disabled=here.locked,
    )


def choose_number(
    here: Here,
    setting: Setting,
    config: Config,
    *,
    label: str = "",
    start: float | None = None,
) -> str | float:
    """Offer a number, or one of the setting's words if it has any.

    With words, ``label`` is the label of the number next to them, and ``start`` its initial value.
    """
    now = getattr(config, setting.name)
    given = start if isinstance(now, str) else now
    plain = int if setting.kind == "whole" else float
    low, high = map(plain, setting.shown)
    rule = choose_rule(here, setting, config) if setting.choices else NUMBER
    number = st.number_input(
        label or setting.label,
        low,
        high,
        low if given is None else plain(np.clip(given, low, high)),
        key=key_of(setting, config),
        help=setting.note or None,
        disabled=here.locked,
    )
    return number if rule == NUMBER else rule


def choose_rule(here: Here, setting: Setting, config: Config) -> str:
    """Offer the words of a setting that also takes a number."""
    now = getattr(config, setting.name)
    labels = {value: choice.label for value, choice in setting.choices.items()}
    labels[NUMBER] = "A number"
    return st.segmented_control(
        setting.label,
        list(labels),
        default=now if isinstance(now, str) else NUMBER,
        format_func=labels.__getitem__,
        key=f"rule of {key_of(setting, config)}",
        required=True,
        disabled=here.locked,
    )
