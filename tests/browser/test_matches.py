import re

from playwright.sync_api import expect

from tests.browser.driving import FILLED, settle


def test_answers_and_pictures_are_in_view_together_on_a_small_screen(demo, browser):
    app, study = demo
    context = browser.new_context(viewport={"width": 1024, "height": 768})
    page = context.new_page()
    page.goto(f"{app.url}/matches?study={study}")
    picture = page.locator(".gallery img").first
    expect(picture).to_be_visible(timeout=FILLED)
    settle(page)  # until then things move
    foot = page.get_by_test_id("stBottom").bounding_box()["y"]
    names = ("None of these", "Mixed: split it", "Undo", "Next", "neutrophil", "Another type")
    buttons = [page.get_by_role("button", name=re.compile(name)).last for name in names]
    for one in (picture, *buttons):
        box = one.bounding_box()
        assert box["y"] > 0
        assert box["y"] + box["height"] < foot, one
        assert box["x"] + box["width"] <= 1024
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 1024
    context.close()
