from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from celltransfer_core.data import Dataset, PixelScale
from celltransfer_core.framing import (
    MEASURES,
    Framing,
    Nuclei,
    Shift,
    judge_quality,
    look_at,
    measure,
)

USUAL = dict(zip(MEASURES, (0.8, 5.4, 0.6, 0.3, 0.0, 0.0), strict=True))
SPREAD = dict(zip(MEASURES, (0.1, 0.03, 0.03, 0.01, 0.0, 0.0), strict=True))


def cells(n, slide=None, source=None):
    """Make a set of n cells without files."""
    names = tuple(f"{number:04}" for number in range(n))
    return Dataset(Path(), names, names, None, slide, None, (), (), (PixelScale(),), source=source)


def measured(n, seed=0):
    """Measure n usual cells."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.normal(USUAL[name], SPREAD[name], n) for name in MEASURES], axis=1)
    zero = np.zeros(n, np.float32)
    background = np.zeros((n, 3), np.float32)
    return Nuclei(np.ones(n, bool), zero, zero, zero, background, rows.astype(np.float32))


def judge(known, seen, reference=None, query=None):
    framing = Framing({}, True, "", {"reference": known, "query": seen})
    return judge_quality(
        framing, reference or cells(len(known.found)), query or cells(len(seen.found))
    )


@pytest.mark.parametrize(
    ("name", "by", "fault"),
    [
        ("blur", 1.0, "blurred"),
        ("light", -0.4, "dark"),
        ("light", 0.3, "bright"),
        ("red stain", 0.3, "stain"),
        ("red stain", -0.3, "stain"),
        ("blue stain", -0.1, "stain"),
        ("border", 1.0, "cut off"),
        ("others", 0.6, "several nuclei"),
    ],
)
def test_a_cell_far_from_its_likes_is_told(name, by, fault):
    known, seen = measured(200), measured(120, seed=1)
    seen.measures[7, MEASURES.index(name)] += by
    quality = judge(known, seen)
    assert quality.worst_first(fault)[0] == 7
    for other, of in quality.faults.items():
        assert of.mean() <= 0.03, other
    assert quality.shifts == ()


@pytest.mark.parametrize("by", [-0.4, 0.4])
def test_what_a_whole_set_has_is_told_once_and_is_no_fault_of_its_cells(by):
    known, seen = measured(200), measured(120, seed=1)
    seen.measures[:, MEASURES.index("light")] += by
    fault = "dark" if by < 0 else "bright"
    quality = judge(known, seen)
    assert quality.shifts == (Shift(fault, "", 120),)
    assert not quality.faults[fault].any()


def test_what_a_whole_slide_has_is_told_of_the_slide():
    slide = tuple("ab"[number < 40] for number in range(120))
    known, seen = measured(200), measured(120, seed=1)
    seen.measures[:40, MEASURES.index("blur")] += 0.8
    seen.measures[3, MEASURES.index("blur")] += 1.0
    quality = judge(known, seen, query=cells(120, slide))
    assert quality.shifts == (Shift("blurred", "b", 40),)
    # A cell that is blurred beyond its slide is a fault all the same.
    assert quality.worst_first("blurred").tolist() == [3]


def test_another_laboratorys_wider_spread_is_no_fault():
    known, seen = measured(200), measured(300, seed=1)
    column = MEASURES.index("red stain")
    seen.measures[:, column] = 0.6 + 4 * (seen.measures[:, column] - 0.6)
    assert judge(known, seen).faults["stain"].mean() < 0.02


def test_one_odd_cell_of_a_small_reference_does_not_widen_the_limit():
    known, seen = measured(15), measured(60, seed=1)
    column = MEASURES.index("blur")
    known.measures[2, column] += 2.0
    seen.measures[7, column] += 1.0
    assert judge(known, seen).faults["blurred"][7]


def test_pooled_references_are_compared_each_with_itself():
    source = tuple("xy"[number % 2] for number in range(200))
    known, seen = measured(200), measured(60, seed=1)
    known.measures[::2, MEASURES.index("light")] -= 0.5
    seen.measures[7, MEASURES.index("light")] -= 0.4
    quality = judge(known, seen, reference=cells(200, source=source))
    assert quality.worst_first("dark").tolist() == [7]
    assert quality.shifts == ()  # it is like one of them


def test_cells_without_a_nucleus_have_no_other_fault():
    known, seen = measured(200), measured(60, seed=1)
    seen.found[[4, 9]] = False
    seen.measures[[4, 9]] = 0
    quality = judge(known, seen)
    assert quality.worst_first("no nucleus").tolist() == [4, 9]
    assert not any(of[[4, 9]].any() for fault, of in quality.faults.items() if fault[0] != "n")
    seen.found[:30] = False  # whole images then, which is told elsewhere
    assert not judge(known, seen).faults["no nucleus"].any()
    seen.found[:] = False
    assert not any(of.any() for of in judge(known, seen).faults.values())
    assert judge_quality(Framing({}, False, ""), cells(200), cells(60)) is None


def turned(image):
    hsv = np.array(Image.fromarray(image).convert("HSV"))
    hsv[..., 0] += 40
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))


def halved(image):
    return np.ascontiguousarray(image[:, round(look_at(image).nucleus.x) :])


@pytest.mark.parametrize(
    ("fault", "spoil"),
    [
        ("blurred", lambda image: gaussian_filter(image, (3, 3, 0))),
        ("dark", lambda image: np.rint(image * 0.6).astype(np.uint8)),
        ("stain", turned),
        ("cut off", halved),
        ("no nucleus", lambda image: np.full_like(image, 230)),
    ],
)
def test_spoilt_pictures_are_found_and_the_others_are_not(reference, nuclei, fault, spoil):
    seen = look_at(image := spoil(reference.read(5)))
    rows = {name: np.copy(values) for name, values in vars(nuclei).items()}
    rows["found"][5], rows["measures"][5] = seen.nucleus is not None, measure(image, seen)
    faults = judge(nuclei, Nuclei(**rows), reference, reference).faults
    assert faults[fault][5]
    assert np.delete(faults[fault], 5).sum() <= 1
