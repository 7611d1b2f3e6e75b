import re

import pytest
from playwright.sync_api import expect

from tests.browser.driving import SOON, settle

# What is drawn while the frame has no room, as when a page is left.
WITHOUT_ROOM = """
(viewer) => {
  viewer.style.width = "0";
  return new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => {
      viewer.style.width = "";
      done();
    })));
}
"""
STYLE = "all => all.map((one) => [one.style.width, one.style.left, one.style.filter])"


@pytest.fixture
def viewer(demo, page):
    """One cell of the demo study, large on the Cells page, with room for both its views."""
    app, study = demo
    cell = app.space.pooled(study, "query").cells[0]
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{app.url}/cells?study={study}&cell={cell[:16]}")
    viewer = page.locator(".viewer")
    expect(viewer.locator("img:not(.waits)")).to_have_count(2, timeout=SOON)
    return viewer


def test_both_views_of_a_large_cell_move_together(viewer, page):
    images = viewer.locator("img")
    views = viewer.get_by_role("group")
    first = images.evaluate_all(STYLE)
    assert views.all_inner_texts()[0].startswith("Original colours")
    box = views.first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -300)
    zoomed = images.evaluate_all(STYLE)
    grown = [float(b[0][:-2]) / float(a[0][:-2]) for a, b in zip(first, zoomed, strict=True)]
    assert grown[0] == pytest.approx(grown[1], rel=1e-4)  # layout rounds to fractions of pixels
    assert grown[0] > 1.5
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 40, box["y"] + box["height"] / 2)
    page.mouse.up()
    panned = images.evaluate_all(STYLE)
    moved = [float(b[1][:-2]) - float(a[1][:-2]) for a, b in zip(zoomed, panned, strict=True)]
    assert moved == pytest.approx([-40, -40])
    views.last.focus()
    page.keyboard.press("Home")
    assert images.evaluate_all(STYLE) == first


def test_zoom_and_contrast_stay_from_cell_to_cell_and_the_switch_swaps_the_views(viewer, page):
    viewer.get_by_label("Contrast").fill("2")
    viewer.get_by_label("Light").fill("1.2")
    viewer.get_by_role("group").first.focus()
    page.keyboard.press("+")
    zoom = viewer.get_by_role("slider", name="Zoom").input_value()
    before = viewer.locator("img").first.get_attribute("src")
    page.get_by_role("button", name="Next").click()
    expect(viewer.locator("img").first).not_to_have_attribute("src", before, timeout=SOON)
    expect(viewer.locator("img").first).to_have_css("filter", "brightness(1.2) contrast(2)")
    expect(viewer.get_by_role("slider", name="Zoom")).to_have_value(zoom)
    settle(page)
    page.get_by_role("button", name="Original colours").click()
    first = viewer.get_by_role("group").first
    expect(first).to_contain_text("As the encoders see it", timeout=SOON)
    tile = page.get_by_role("option").first.locator("img")
    expect(tile).to_have_attribute("src", re.compile("show=cut"), timeout=SOON)
    page.keyboard.press("o")
    expect(tile).to_have_attribute("src", re.compile("show=field"), timeout=SOON)
    expect(first).to_contain_text("Original colours", timeout=SOON)


def test_a_frame_without_room_is_drawn_without_an_error(viewer, page):
    bar = viewer.locator(".bar").first
    expect(bar).to_contain_text("µm")
    said = bar.inner_text()
    viewer.evaluate(WITHOUT_ROOM)
    expect(bar).to_have_text(said)
