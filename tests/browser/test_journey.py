import os
import re
import signal
import struct
import time
import zlib

import pandas as pd
from playwright.sync_api import expect

from celltransfer_core.demo import REFERENCE_TYPES, draw_demo
from tests.browser.driving import FILLED, SOON, STEPS, again, drop, look_at, see_whole, settle

PER_TYPE, QUERY_CELLS = 40, 90


def give_name(page, name):
    """Say whose answers these are: the first one asks."""
    asked = page.get_by_role("dialog").get_by_role("textbox", name="Your name")
    expect(asked).to_be_focused(timeout=SOON)
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def test_the_demo_through_a_killed_server_to_two_readers(start_app, tmp_path, browser, page):
    app = start_app(tmp_path)
    page.goto(app.url)
    page.wait_for_url(re.compile("study="), timeout=SOON)
    study = app.space.studies()[0].id
    expect(page.get_by_text(re.compile("^Embedding"))).to_be_visible(timeout=FILLED)
    app.kill()
    app.start()
    page.goto(f"{app.url}/?study={study}")
    expect(page.get_by_text("clusters answered")).to_be_visible(timeout=FILLED)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=FILLED)
    (job,) = app.space.jobs(study)  # the one from before: nobody had to begin again
    assert job.state == "done"

    for step in (*STEPS, "studies", "help"):
        look_at(page, app, study, step)
        if step in STEPS:
            expect(page.get_by_text("not photographed")).to_be_visible()

    other = browser.new_context().new_page()
    said = len(app.space.decisions(study, "match"))
    assert said
    for tab in (page, other):
        look_at(tab, app, study, "matches")
        expect(
            tab.get_by_text(re.compile(f"^{said} of .* clusters have an answer"))
        ).to_be_visible()
    page.get_by_role("button", name=re.compile(r"Confirm (?!several)")).first.click()
    give_name(page, "Ann")
    for tab in (page, other):
        more = tab.get_by_text(re.compile(f"^{said + 1} of .* clusters have an answer"))
        expect(more).to_be_visible(timeout=SOON)
    assert len(app.space.decisions(study, "match")) == said + 1
    other.context.close()


def test_the_mouse_on_a_point_of_a_map_shows_the_cell(demo, page):
    app, study = demo
    look_at(page, app, study, "clusters")
    page.locator(".js-plotly-plot").first.scroll_into_view_if_needed()
    chart = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    picture = page.locator("img.hovered")
    expect(page.get_by_text("WebGL is not supported")).to_have_count(0)
    page.wait_for_function("document.querySelector('.js-plotly-plot')?.shows != null")
    # Where the first cell lies, as the chart itself says.
    x, y = page.evaluate(
        """() => {
          const { _fullLayout: plot, data } = document.querySelector(".js-plotly-plot");
          const [x, y] = [data[0].x, data[0].y].map((v) => (v.bdata ? decode(v) : v)[0]);
          function decode({ bdata }) {
            const bytes = Uint8Array.from(atob(bdata), (c) => c.charCodeAt(0));
            return new Float32Array(bytes.buffer);
          }
          return [plot.xaxis.d2p(x), plot.yaxis.d2p(y)];
        }"""
    )
    page.mouse.move(chart["x"] + x, chart["y"] + y)
    expect(picture).to_be_visible()
    page.wait_for_function(
        "image => image.complete && image.naturalWidth > 0", arg=picture.element_handle()
    )
    page.mouse.move(chart["x"] - 40, chart["y"])
    expect(picture).to_be_hidden()


def bomb():
    """Write a PNG of 30,000 × 30,000 pixels in a few bytes."""

    def chunk(kind, body):
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def lay_out(folder):
    """Draw several hundred cells, and put among them what does not belong there."""
    draw_demo(folder, seed=23, reference_per_type=PER_TYPE, query_cells=QUERY_CELLS)
    some = folder / "reference" / "monocyte"
    (some / "bomb.png").write_bytes(bomb())
    (some / "text.png").write_text("<script>alert(1)</script>")
    (some / "<img src=x onerror=alert(1)>.png").write_bytes(b"\x89PNG\r\n\x1a\n truncated")
    (some / "a\\..\\..\\escape.png").write_bytes(b"MZ")
    return folder / "reference", folder / "query"


def add(page, role):
    return page.get_by_role("group", name=f"Add images to {role}")


def step(page, name):
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name.split()[-1], timeout=SOON)
    see_whole(page)


def headline(page):
    return page.locator(".headline").first


def kill_while(app, study, phase):
    """Kill the process that types the cells as soon as it is in a phase."""
    until = time.monotonic() + SOON / 1000
    while True:
        job = app.space.jobs(study)[0]
        if job.target == "classify" and job.phase.startswith(phase):
            os.kill(job.pid, signal.SIGKILL)
            return
        assert time.monotonic() < until, job


def test_dropped_folders_to_a_reviewed_table(start_app, tmp_path, page):
    reference, query = lay_out(tmp_path / "drawn")
    (tmp_path / "home").mkdir()
    app = start_app(tmp_path / "home")
    app.space.create("Another study")  # so that the first visit does not fill the demo
    page.goto(app.url)
    page.get_by_role("textbox", name="Name", exact=True).fill("My cells")
    page.get_by_role("button", name="New study").click()
    page.wait_for_url(re.compile(r"data\?study="), timeout=SOON)
    study = re.search("study=([^&]+)", page.url)[1]

    # The server dies while the reference comes in; the upload goes on with the next one.
    sent, held = [], []

    def only_one(route):
        if route.request.method == "POST":
            (held if sent else sent).append(route)
        if route not in held:
            route.continue_()

    page.route("**/ct/files/*", only_one)
    drop(page, add(page, "Reference"), reference)
    expect(headline(page)).to_have_text(re.compile("^100 of"), timeout=SOON)
    app.kill()
    for route in held:
        route.continue_()
    page.unroute("**/ct/files/*")
    expect(page.get_by_text("trying again")).to_be_visible(timeout=SOON)
    app.start()
    expect(headline(page)).to_have_text(re.compile("^Done"), timeout=SOON)
    expect(page.get_by_text("4 files left out")).to_be_visible()
    cells = PER_TYPE * len(REFERENCE_TYPES)
    expect(headline(page)).to_have_text(re.compile("^Done"), timeout=SOON)
    expect(page.get_by_text(f"{cells} cells in {cells} files")).to_be_visible(timeout=SOON)
    again(page)
    drop(page, add(page, "Query"), query)
    expect(page.get_by_text(f"{QUERY_CELLS} cells in {QUERY_CELLS} files")).to_be_visible(
        timeout=SOON
    )
    again(page)
    (stored,) = app.space.sets(study, "reference")
    reasons = {remark.file: remark.reason for remark in app.space.dataset(stored).left_out}
    assert "pixels" in reasons["monocyte/bomb.png"]
    assert not (tmp_path / "escape.png").exists()

    # One button for all that is computed: a reload while it runs shows the same work.
    page.get_by_role("button", name="Type my cells").click()
    expect(page.get_by_role("heading", name="Matches")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=SOON)
    again(page)
    assert len(app.space.jobs(study)) == 1

    # Matches by keyboard alone, with a reload on the way.
    settled = page.get_by_text(re.compile(r"\d+ of \d+ clusters have an answer"))
    expect(settled).to_have_text(re.compile("^0 of"), timeout=FILLED)
    clusters = int(settled.inner_text().split()[2])
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=FILLED)
    for key, number in (("n", 1), ("z", 0)):
        settle(page)
        page.keyboard.press(key)
        if number:  # the first answer asks whose it is
            give_name(page, "Ann")
        expect(settled).to_have_text(re.compile(f"^{number} of"), timeout=SOON)
    for number in range(1, clusters + 1):
        settle(page)
        page.keyboard.press("a")
        expect(settled).to_have_text(re.compile(f"^{number} of"), timeout=SOON)
        if number == 2:
            again(page)
    expect(page.get_by_text("Every cluster has an answer")).to_be_visible()
    reader = page.get_by_role("textbox", name="Your name")
    # What was confirmed calls for a transport, which is computed while one reviews.
    page.get_by_role("button", name="Continue: review the uncertain cells").click()
    kill_while(app, study, "aligning")
    expect(page.get_by_role("heading", name="Review")).to_be_visible(timeout=SOON)
    settle(page)
    page.get_by_role("link", name="Classify").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Classify", timeout=SOON)
    settle(page)
    expect(reader).to_have_value("Ann")
    page.reload()
    settle(page)
    expect(reader).to_have_value("Ann", timeout=SOON)

    # It survives its own end, then the server's.
    expect(page.get_by_text("stopped").first).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Compute the transport", exact=True).click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=SOON)
    app.kill()
    app.start()
    again(page)
    expect(page.get_by_text("Mean agreement")).to_be_visible(timeout=FILLED)
    # Of the first vote, perhaps; the one with transport follows.
    expect(page.get_by_text("Transport is being computed")).to_have_count(0, timeout=FILLED)
    assert [job.state for job in app.space.jobs(study)][:2] == ["done", "stopped"]
    step(page, "Cells")
    expect(page.get_by_role("listbox", name="Matching cells")).to_be_visible(timeout=SOON)
    again(page)

    # Review by keyboard, with a reload on the way.
    step(page, "3 · Review")
    for number in range(1, 7):
        settle(page)
        page.keyboard.press("1")
        reviewed = page.get_by_test_id("stMetric").first
        told = re.compile(f"^Reviewed of {QUERY_CELLS}\\s*{number}$")
        expect(reviewed).to_have_text(told, timeout=SOON)
        if number == 3:
            again(page)
    assert len(app.space.decisions(study, "review")) == 6

    step(page, "4 · Export")
    again(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    table = pd.read_csv(download.value.path())
    assert len(table) == QUERY_CELLS
    assert [*table][:5] == ["file", "final_type", "decided_by", "confidence", "flagged"]
    assert table["reviewed_type"].notna().sum() == 6
    page.get_by_role("checkbox", name="have looked at the results").check(force=True)
    page.get_by_role("button", name="Sign off").click()
    expect(page.get_by_text("Signed off by").first).to_be_visible()
    again(page)
    assert app.space.study(study).signed
