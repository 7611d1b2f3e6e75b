import re

import pytest
from playwright.sync_api import expect

from tests.browser.driving import SOON

PAGE = "tests/browser/gallery_page.py"


@pytest.fixture(scope="module")
def many(start_app, tmp_path_factory):
    """The address of a page with a gallery of ten thousand cells."""
    return start_app(tmp_path_factory.mktemp("many"), script=PAGE).url


class Shown:
    """A gallery in the page, and what the server was told."""

    def __init__(self, page):
        self.page = page
        self.box = page.get_by_role("listbox", name="Many cells")
        expect(self.box).to_be_visible(timeout=SOON)
        self.tiles = self.box.get_by_role("option")
        expect(self.tiles.first).to_be_visible()

    def tile(self, number):
        return self.box.locator(f"[aria-posinset='{number}']")

    @property
    def columns(self):
        """Tiles of the first row."""
        tops = self.tiles.evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)")
        return tops.count(tops[0])

    def has_picked(self, *numbers):
        picked = self.box.locator("[aria-selected=true]")
        expect(picked).to_have_count(len(numbers))
        found = picked.evaluate_all("all => all.map((one) => Number(one.ariaPosInSet))")
        assert sorted(found) == sorted(numbers)

    def has_done(self, *what):
        expect(self.page.get_by_text(re.compile("^Did: "))).to_have_text(
            f"Did: {'; '.join(what)}.", timeout=SOON
        )

    def has_told(self, *cells):
        expect(self.page.get_by_text(re.compile("^Picked: "))).to_have_text(
            f"Picked: {list(cells)}.", timeout=SOON
        )


@pytest.fixture
def shown(many, page):
    page.goto(many)
    return Shown(page)


def test_tiles_in_view_alone_are_in_the_page(shown, page):
    assert 20 < shown.tiles.count() < 300
    expect(shown.tiles.first).to_have_attribute("aria-setsize", "10000")
    expect(shown.tile(1)).to_have_accessible_name("basophil, cell 0")
    expect(shown.tile(2)).to_have_accessible_name("basophil, cell 1, flagged")
    expect(shown.tile(3)).to_have_accessible_name("basophil, cell 2, reviewed")
    shown.box.focus()
    page.keyboard.press("End")
    expect(shown.tile(10_000)).to_be_in_viewport()
    assert 20 < shown.tiles.count() < 300
    assert shown.box.get_attribute("aria-activedescendant") == shown.tile(10_000).get_attribute(
        "id"
    )
    # The row fills the width.
    row = shown.box.evaluate("(box) => box.clientWidth")
    tile = shown.tile(9_990).bounding_box()["width"]
    assert row - shown.columns * (tile + 6) < shown.columns + 6


def test_the_mouse_picks_one_some_a_range_and_all_in_a_frame(shown, page):
    shown.tile(3).click()
    shown.has_picked(3)
    shown.tile(6).click(modifiers=["Shift"])
    shown.has_picked(3, 4, 5, 6)
    shown.tile(5).click(modifiers=["Control"])
    shown.tile(1).click(modifiers=["Control"])
    shown.has_picked(1, 3, 4, 6)
    across = shown.columns
    first, last = shown.tile(2).bounding_box(), shown.tile(across + 3).bounding_box()
    page.mouse.move(first["x"] + 20, first["y"] + 20)
    page.mouse.down()
    page.mouse.move(last["x"] + 20, last["y"] + 20, steps=4)
    shown.has_picked(2, 3, across + 2, across + 3)
    page.mouse.up()
    shown.has_picked(2, 3, across + 2, across + 3)
    shown.has_told(1, 2, across + 1, across + 2)


def test_keys_pick_open_answer_and_undo(shown, page):
    shown.box.focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight", "Space"):
        page.keyboard.press(key)
    shown.has_picked(3)
    page.keyboard.press("Control+a")
    expect(page.get_by_text("10,000 cells, 10,000 picked")).to_be_visible()
    page.keyboard.press("Escape")
    shown.has_picked()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("2")
    expect(shown.tile(3)).to_have_accessible_name("monocyte, cell 2, reviewed")
    page.keyboard.press("z")
    shown.has_done("open 3", "monocyte [2]", "undo")


def test_quick_answers_are_all_kept_and_cells_that_go_leave_the_rest_in_place(shown, page):
    shown.tile(40).click()
    shown.tile(42).click(modifiers=["Shift"])
    page.keyboard.press("n")
    expect(shown.box.locator("[aria-setsize='9997']").first).to_be_visible(timeout=SOON)
    shown.box.evaluate("(box) => box.scrollTo(0, 3000)")
    shown.box.focus()
    page.keyboard.press("Home")
    for _ in range(5):
        page.keyboard.press("n")
    for _ in range(3):
        page.keyboard.press("2")
    shown.has_done(
        "none [39, 40, 41]",
        *(f"none [{n}]" for n in range(5)),
        "monocyte [5]",
        "monocyte [6]",
        "monocyte [7]",
    )
    expect(shown.tile(1)).to_have_accessible_name("monocyte, cell 5")
    expect(shown.box.locator(".cursor")).to_have_attribute("aria-posinset", "4")


def test_an_answer_counts_though_the_clock_was_set_back(shown, page):
    shown.tile(1).click()
    page.keyboard.press("1")
    shown.has_done("basophil [0]")
    switch = page.get_by_text("Without it")
    switch.click()
    expect(shown.box).to_have_count(0)
    page.clock.set_fixed_time("2020-01-01T00:00:00Z")
    switch.click()
    shown.tile(2).click()
    page.keyboard.press("2")
    shown.has_done("basophil [0]", "monocyte [1]")


def test_place_and_picks_stay_while_the_page_is_drawn_anew(shown, page):
    shown.box.evaluate("(box) => box.scrollTo(0, 50000)")
    here = shown.tiles.nth(30)
    expect(here).not_to_have_attribute("aria-posinset", "31")  # that of the first screen
    number = int(here.get_attribute("aria-posinset"))
    here.click()
    place = shown.box.evaluate("(box) => box.scrollTop")
    page.get_by_role("button", name="Draw anew").click()
    shown.has_told(number - 1)
    assert shown.box.evaluate("(box) => box.scrollTop") == place > 40000
    shown.has_picked(number)


def test_keys_belong_to_the_field_that_is_typed_into_and_to_the_gallery_with_picks(shown, page):
    page.get_by_label("A field").fill("1")
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    page.mouse.click(5, 500)  # the focus leaves the field
    page.keyboard.press("1")
    shown.has_done("button")
    shown.tile(2).click()
    page.mouse.click(5, 500)
    page.keyboard.press("1")
    shown.has_done("button", "basophil [1]")


def test_a_loupe_shows_what_the_mouse_rests_on_and_tiles_grow(shown, page):
    loupe = page.locator(".loupe")
    shown.tile(5).hover()
    expect(loupe).to_be_visible()
    expect(loupe).to_contain_text("basophil, cell 4")
    page.mouse.move(2, 2)
    expect(loupe).to_be_hidden()
    page.get_by_label("Magnifier").uncheck()
    before = shown.columns
    page.get_by_label("Size").fill("160")
    assert shown.columns < before
    page.reload()
    again = Shown(page)
    assert again.columns < before
    again.tile(2).hover()
    page.wait_for_timeout(500)
    expect(loupe).to_be_hidden()
