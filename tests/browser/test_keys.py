"""Review at 1024 x 768 by keyboard alone: all in view, keys that work wherever the focus is."""

import pytest
from playwright.sync_api import expect

from celltransfer_core.studies import now, review_payloads
from tests.browser.driving import look_at, settle

LONG = (
    "polychromatophilic erythroblast",
    "immature reticulocyte, punctate",
    "large granular lymphocyte",
    "segmented neutrophil granulocyte",
    "orthochromatic erythroblast",
    "plasmacytoid dendritic cell",
)
# What is beside the window, or under its foot.
OUTSIDE = """
() => {
  const box = (one) => one.getBoundingClientRect();
  const top = box(document.querySelector("[data-testid=stHeader]")).bottom;
  const foot = document.querySelector("[data-testid=stBottom]");
  const end = foot ? box(foot).top : innerHeight;
  const wanted = [".st-key-proposal", ".st-key-accept button", ".st-key-types button",
    ".st-key-others button", "[class*='st-key-cells-viewer']"];
  const found = wanted.map((one) => [...document.querySelectorAll(one)]);
  const fits = (one) => one.width === 0 || (
    one.top >= top - 1 && one.bottom <= end && one.left >= 0 && one.right <= innerWidth);
  return [found.map((some) => some.length),
    found.flat().filter((one) => !fits(box(one))).map((one) => one.innerText || one.className)];
}
"""


def answers(space, study):
    return [one.payload["answer"] for one in space.decisions(study, "review")]


@pytest.fixture(scope="module")
def own(demo):
    """The app, and a copy of its study that may be changed."""
    app, study = demo
    return app, app.space.duplicate(study, "Keys").id


def test_all_that_an_answer_takes_is_in_view(own, page):
    app, study = own
    cells = app.space.pooled(study, "query").cells
    types = len({*app.space.pooled(study, "reference").labels})
    for count in (types, 12, 20):
        new = [f"{LONG[n % 6]}, {n}" for n in range(count - types)]
        said = [(cell, name, False) for cell, name in zip(cells, new, strict=False)]
        app.space.decide_all(study, "review", review_payloads(said, "Zoe", now()), "Zoe")
        for width, height in ((1024, 768), (1440, 900)):
            page.set_viewport_size({"width": width, "height": height})
            look_at(page, app, study, "review")
            expect(page.locator(".st-key-types button")).to_have_count(count)
            counts, outside = page.evaluate(OUTSIDE)
            assert counts[:3] == [1, 1, count]
            assert counts[3] >= 7  # none, unsure, artefact, skip, back, undo, a new type
            assert counts[4] >= 1
            assert outside == [], (count, width)


def test_keys_are_listed_and_work_wherever_the_focus_is(own, page):
    app, study = own
    page.context.add_cookies([{"name": "celltransfer_reader", "value": "Ann", "url": app.url}])
    look_at(page, app, study, "review")
    before = len(answers(app.space, study))
    page.keyboard.press("Shift+?")
    listed = page.get_by_role("dialog", name="All keys")
    expect(listed.get_by_role("heading", name="Matches")).to_be_visible()
    page.keyboard.press("1")  # gives no answer to a cell that the list hides
    page.keyboard.press("Escape")
    expect(listed).to_have_count(0)
    page.get_by_role("combobox", name="Order").click()
    page.get_by_role("option", name="Random", exact=True).click()
    page.wait_for_timeout(400)
    settle(page)
    assert len(answers(app.space, study)) == before
    assert page.evaluate("document.activeElement !== document.body")
    page.keyboard.press("u")
    expect(page.get_by_role("button", name="Back")).to_be_enabled()
    assert answers(app.space, study)[before:] == ["unsure"]
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Back")).to_be_disabled()
    assert len(answers(app.space, study)) == before
    page.get_by_role("button", name="All keys").click()
    expect(listed.get_by_role("heading", name="Review")).to_be_visible()
    listed.get_by_role("button", name="Close").click()
    expect(listed).to_have_count(0)
