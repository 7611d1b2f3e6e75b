"""Measure how smoothly a gallery of ten thousand cells scrolls, and how fast its images load.

    python tests/benchmarks/gallery.py [--cells 10000] [--port PORT]

Cells are different noise images of 160 px in a separate study, shown by Chromium at 1440 × 900. The
gallery is scrolled as by a wheel (24 px per frame), by dragging the scroll bar (2,000 px per
frame), and in jumps. For each: frames per second, the longest frame, and the processor time per
frame for scripts and layout; then the wait until all images in view are loaded, including images
seen before. The last line is the headline.
"""

from __future__ import annotations

import argparse
import io
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import CDPSession, Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from celltransfer_core.studies import Workspace
from tests.browser.driving import App, free_port

SIDE = 160  # px
A_BATCH = 500
FRAMES = 600  # at most, of one way to scroll
JUMPS = (0.31, 0.62, 0.13, 0.94, 0.47, 0.78, 0.22, 0.55, 0.86)  # of the height

FIND = """
  const root = [...document.querySelectorAll("*")]
    .map((one) => one.shadowRoot)
    .find((one) => one?.querySelector(".gallery .box"));
  const box = root.querySelector(".box");
"""
SCROLL = (
    "async ([by, most]) => {"
    + FIND
    + """
  const times = [];
  box.scrollTop = 0;
  await new Promise((resolve) => setTimeout(resolve, 500));
  let last = await new Promise(requestAnimationFrame);
  while (times.length < most && box.scrollTop + box.clientHeight < box.scrollHeight - 2) {
    box.scrollTop += by;
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  return times;
}"""
)
WAIT = (
    "async (share) => {"
    + FIND
    + """
  const began = performance.now();
  box.scrollTop = share * box.scrollHeight;
  const seen = box.getBoundingClientRect();
  for (;;) {
    await new Promise(requestAnimationFrame);
    const tiles = [...root.querySelectorAll(".tile")].filter((tile) => {
      const { top, bottom } = tile.getBoundingClientRect();
      return bottom > seen.top && top < seen.bottom;
    });
    const there = ({ picture }) => picture.complete && picture.naturalWidth;
    if (tiles.length && tiles.every(there)) return [performance.now() - began, tiles.length];
  }
}"""
)


def pictures(count: int) -> Iterator[tuple[str, bytes]]:
    """Make images, each another one."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.integers(60, 255, (12, 12, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(coarse).resize((SIDE, SIDE)).save(file, "JPEG", quality=90)
        yield f"{number}.jpg", file.getvalue()


def fill(folder: Path, count: int) -> None:
    """Put them into a study."""
    space = Workspace(folder)
    images = space.add_set(space.create("Many").id, "query", "Query").id
    batch: list[tuple[str, bytes]] = []
    for one in pictures(count):
        batch.append(one)
        if len(batch) == A_BATCH:
            space.receive(images, batch)
            batch = []
    space.receive(images, batch)


def own_work(cdp: CDPSession) -> float:
    """Return the processor's time that scripts and layout have taken so far, s."""
    found = {one["name"]: one["value"] for one in cdp.send("Performance.getMetrics")["metrics"]}
    return sum(found[f"{what}Duration"] for what in ("Script", "Layout", "RecalcStyle"))


def scroll(page: Page, cdp: CDPSession, name: str, by: int) -> str:
    """Scroll in steps of ``by`` px, print how it went, and return it in short."""
    before = own_work(cdp)
    times = page.evaluate(SCROLL, [by, FRAMES])
    own = 1000 * (own_work(cdp) - before) / len(times)
    rate = 1000 / statistics.mean(times)
    print(
        f"{name}, {by:,} px a frame: {rate:.0f} frames/s over {len(times)} frames, "
        f"median {statistics.median(times):.1f} ms, longest {max(times):.0f} ms, "
        f"own work {own:.1f} ms a frame"
    )
    return f"{name} {rate:.0f} frames/s (longest {max(times):.0f} ms, own work {own:.1f} ms)"


def jump(page: Page, name: str) -> float:
    """Jump through the gallery; print and return the median wait in ms."""
    found = [page.evaluate(WAIT, share) for share in JUMPS]
    waits = sorted(wait for wait, _ in found)
    middle = statistics.median(waits)
    print(f"{name}: {found[0][1]} pictures in {middle:.0f} ms, at most {waits[-1]:.0f} ms")
    return middle


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        fill(Path(folder), given.cells)
        app = App(Path(folder), given.port or free_port(), script="tests/browser/gallery_app.py")
        app.start()
        try:
            chromium = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            page = chromium.new_page(viewport={"width": 1440, "height": 900})
            page.goto(app.url)
            expect(page.get_by_role("option").first).to_be_visible(timeout=60_000)
            page.wait_for_timeout(3000)
            cdp = page.context.new_cdp_session(page)
            cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
            wheel = scroll(page, cdp, "wheel", 24)
            bar = scroll(page, cdp, "bar", 2000)
            first = jump(page, "jump")
            again = jump(page, "jump to what was seen")
            chromium.close()
        finally:
            app.kill(signal.SIGTERM)
    print(
        f"{given.cells:,} cells: {wheel}; {bar}; pictures after a jump in {first:.0f} ms, "
        f"seen before in {again:.0f} ms"
    )


if __name__ == "__main__":
    main()
