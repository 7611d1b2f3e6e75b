from collections import Counter

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from celltransfer_core.plots import (
    CLUSTER_PALETTE,
    NONE_COLOUR,
    PALETTE,
    SYMBOLS,
    cluster_colours,
    set_colours,
    type_colours,
    type_symbols,
)
from celltransfer_core.plots.colours import text_on
from celltransfer_core.vocabulary import QUERY, REFERENCE
from tests.plots.samples import BLOOD

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(colours) -> np.ndarray:
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(colours) -> np.ndarray:
    return linear(colours) @ (0.2126, 0.7152, 0.0722)


def contrast(one: str, other: str) -> float:
    low, high = sorted(luminance([one, other]))
    return (high + 0.05) / (low + 0.05)


def differences(colours, kind) -> np.ndarray:
    """CIEDE2000 of each two colours as such eyes see them."""
    seen = np.clip(linear(colours) @ SIGHT[kind].T, 0, 1)
    gamma = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(gamma[None])[0]
    return deltaE_ciede2000(lab[:, None], lab[None])[np.triu_indices(len(lab), 1)]


class TestColours:
    def test_they_part_for_every_kind_of_sight(self):
        for kind in SIGHT:
            least = differences(PALETTE[:8], kind).min()
            assert least > (18 if kind == "normal" else 13), kind

    def test_twenty_four_types_part_for_normal_eyes(self):
        assert differences(PALETTE, "normal").min() > 11

    def test_neighbouring_clusters_part_for_every_kind_of_sight(self):
        for kind in SIGHT:
            assert differences(CLUSTER_PALETTE, kind).min() > 9, kind

    @pytest.mark.parametrize("page", ["#FFFFFF", "#0E1117"])
    def test_they_stand_out_on_light_and_on_dark(self, page):
        for colour in (*PALETTE, NONE_COLOUR, *CLUSTER_PALETTE):
            assert contrast(colour, page) >= 2.9, colour

    def test_text_on_any_of_them_is_readable(self):
        for colour in (*PALETTE, "#FFFFFF", "#000000", "#757575", "#777777"):
            assert contrast(colour, text_on(colour)) >= 4.5

    def test_the_same_in_any_order(self):
        assert type_colours(BLOOD) == type_colours(BLOOD[::-1])

    def test_none_is_grey_and_takes_no_place(self):
        assert type_colours([*BLOOD, "none"]) == type_colours(BLOOD)
        assert type_colours(BLOOD)["none"] == NONE_COLOUR

    def test_up_to_eight_types_colours_alone_are_unique(self):
        types = [f"type {number}" for number in range(8)]
        assert {type_colours(types)[name] for name in types} == set(PALETTE[:8])
        assert {type_symbols(types)[name] for name in types} == {"circle"}

    def test_up_to_24_types_each_has_a_colour_and_eight_share_a_symbol(self):
        types = [f"type {number}" for number in range(24)]
        colours, symbols = type_colours(types), type_symbols(types)
        assert len({colours[name] for name in types}) == 24
        assert Counter(symbols[name] for name in types) == dict.fromkeys(SYMBOLS, 8)

    def test_near_clusters_have_colours_far_apart(self):
        side = np.arange(5.0)
        places = np.array(np.meshgrid(side, side)).reshape(2, -1).T
        names = [str(number) for number in range(25)]
        colours = cluster_colours(names, places)
        apart = np.linalg.norm(places[:, None] - places[None], axis=2)
        for one, other in np.argwhere(np.triu(apart <= 1.0, 1)):
            assert colours[names[one]] != colours[names[other]]

    def test_a_new_type_leaves_most_colours_as_they_were(self):
        before = type_colours(BLOOD)
        kept = [
            before[name] == type_colours([*BLOOD, f"{letter} new"])[name]
            for letter in "abcdefghijklmnopqrstuvwxyz"
            for name in BLOOD
        ]
        assert np.mean(kept) > 0.8

    def test_clusters_are_greyer_than_types(self):
        def chroma(colours):
            rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255
            return np.hypot(*rgb2lab(rgb[None])[0, :, 1:].T)

        names = [str(number) for number in range(30)]
        clusters = cluster_colours(names)
        assert list(clusters) == names
        assert chroma(clusters.values()).max() < chroma(PALETTE).min() - 5

    def test_sets_differ(self):
        colours = set_colours([QUERY, REFERENCE, "wbc"])
        assert len(set(colours.values())) == 3
        assert set_colours([QUERY])[QUERY] == colours[QUERY]
