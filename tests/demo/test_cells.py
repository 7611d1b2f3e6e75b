from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.demo import CELL_TYPES, QUERY_STYLE, REFERENCE_STYLE, draw_cell
from celltransfer_core.demo.canvas import Canvas
from celltransfer_core.framing import find_nucleus


@pytest.mark.parametrize(
    ("style", "name"), [(REFERENCE_STYLE, "reference"), (QUERY_STYLE, "query")]
)
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_nuclei_are_found_near_the_middle(cell_type, style, name):
    rng = np.random.default_rng(11)
    nuclei = [find_nucleus(draw_cell(cell_type, rng, style)) for _ in range(8)]
    assert all(nucleus is not None for nucleus in nuclei), name
    middle = style.size / 2
    # An eccentric nucleus and a cell off the centre: 6 % of the side, and half a cell's radius.
    reach = 0.06 * style.size + 5 / style.um_per_px
    assert all(np.hypot(n.x - middle, n.y - middle) < reach for n in nuclei)
    extent = np.median([n.extent for n in nuclei]) * style.um_per_px
    assert 3 < extent < 12


def test_types_have_their_marks():
    rng = np.random.default_rng(5)
    style = replace(REFERENCE_STYLE, noise=0.0, blur=(0.0, 0.0))

    def colours(cell_type):
        """Return the mean RGB of what is coloured but no nucleus in the middle of ten cells."""
        pixels = []
        for _ in range(10):
            middle = draw_cell(cell_type, rng, style)[36:76, 36:76].reshape(-1, 3).astype(float)
            pixels.append(middle[(middle[:, 1] > 90) & (middle[:, 1] < 225)])
        return np.concatenate(pixels).mean(axis=0)

    def nucleus(cell_type):
        """Return the mean size of a nucleus, µm²."""
        dark = [(draw_cell(cell_type, rng, style)[..., 1] < 90).sum() for _ in range(10)]
        return float(np.mean(dark)) * style.um_per_px**2

    eosinophil, neutrophil = colours("eosinophil"), colours("neutrophil")
    assert eosinophil[2] < neutrophil[2] - 30  # orange granules against pale pink
    assert colours("monocyte")[0] < neutrophil[0] - 20  # grey-blue cytoplasm
    assert nucleus("erythroblast") < 0.75 * nucleus("lymphocyte")
    assert nucleus("lymphocyte") < 1.2 * nucleus("monocyte")


def test_query_looks_like_another_microscope():
    rng = np.random.default_rng(3)

    def drawn(style):
        return np.stack([draw_cell("neutrophil", rng, style) for _ in range(6)]).astype(float)

    reference, query = drawn(REFERENCE_STYLE), drawn(QUERY_STYLE)
    yellow = [float(np.median(s[..., 0] - s[..., 2])) for s in (reference, query)]
    assert yellow[1] > yellow[0] + 30
    steps = [np.abs(np.diff(s[..., 1], axis=2)).max(axis=(1, 2)).mean() for s in (reference, query)]
    assert steps[1] < 0.7 * steps[0]  # blurred


def test_draw_cell_repeats_and_knows_its_types():
    first, again = (draw_cell("monocyte", np.random.default_rng(2)) for _ in range(2))
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    with pytest.raises(ValueError, match="monocyte"):
        draw_cell("unicorn", np.random.default_rng(2))


def test_the_pixels_around_a_place_are_all_within_its_window():
    canvas = Canvas(QUERY_STYLE, np.random.default_rng(3))
    for x, y, reach in [(0, 0, 3.0), (-9, 4, 2.5), (8.5, -8, 4.0), (40, 0, 2.0)]:
        rows, columns = canvas.around(x, y, reach)
        inside = np.zeros((canvas.n, canvas.n), dtype=bool)
        inside[rows, columns] = True
        near = np.hypot(canvas.x - x, canvas.y - y) <= reach
        assert not (near & ~inside).any()
        assert inside.sum() <= (2 * reach / canvas.step + 5) ** 2
