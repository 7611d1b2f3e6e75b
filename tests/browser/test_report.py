import re

import pytest
from playwright.sync_api import expect

from celltransfer_core.outputs import About, report_html
from celltransfer_core.people import Review
from celltransfer_core.studies import load_current, load_map
from tests.browser.driving import FILLED, SOON

SHEET = 703  # px between the margins of A4
WIDER = """
sheet => [...document.body.querySelectorAll("table, img, p, h1, h2, h3, .main-svg, .note")]
  .filter((one) => one.getBoundingClientRect().width > sheet)
  .map((one) => one.outerHTML.slice(0, 90))
"""


@pytest.fixture(scope="module")
def report(demo, tmp_path_factory):
    """The report of the demo study, as a file."""
    app, study = demo
    current = load_current(app.space, study)
    about = About("Demo", date="2026-11-29")
    answers = [
        Review(cell, f"rare type number {n % 12}", "Ann", "2026-01-01T00:00:00+00:00", blind=False)
        for n, cell in enumerate(current.run.query.cells[:30])
    ]
    page = report_html(current.run, answers, about, plane=load_map(app.space, study))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page)
    return path


def test_the_report_prints_on_a4_and_nothing_is_cut(report, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(report.as_uri())
    expect(page.locator(".main-svg").first).to_be_visible(timeout=SOON)
    pdf = page.pdf(prefer_css_page_size=True)
    sizes = {
        (round(float(width)), round(float(height)))
        for width, height in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    }
    assert sizes == {(595, 842)}
    page.emulate_media(media="print")
    # As a window prints: figures keep the width that they were drawn with.
    assert page.evaluate(WIDER, SHEET) == []
    kept = "all => all.map((one) => getComputedStyle(one).breakInside)"
    assert {*page.locator("tr, figure, .cells").evaluate_all(kept)} == {"avoid"}
    assert page.locator("thead").first.evaluate("one => getComputedStyle(one).display") == (
        "table-header-group"
    )
    context.close()


def test_the_preview_on_the_page_is_the_report_itself(demo, page):
    app, study = demo
    page.goto(f"{app.url}/export?study={study}")
    prepare = page.get_by_role("button", name="Prepare the report")
    expect(prepare).to_be_visible(timeout=SOON)
    prepare.click()
    frame = page.frame_locator("iframe[title='The report']")
    expect(frame.locator("h1")).to_be_visible(timeout=FILLED)
    expect(frame.get_by_role("heading", name="Differential count")).to_be_visible()
    expect(frame.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=SOON)
    # It is of no origin: it reaches neither cookies nor the page around it.
    reached = "() => { try { return String(document.cookie) } catch (error) { return error.name } }"
    (shown,) = [one for one in page.frames if "/ct/report/" in one.url]
    assert shown.evaluate(reached) == "SecurityError"
