"""Every page, in both themes and with every tab open, against axe's rules (WCAG 2 A and AA)."""

import tomllib
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.driving import STEPS, look_at, settle

EXCEPTIONS = tomllib.loads((Path(__file__).parent / "axe_exceptions.toml").read_text())[
    "exceptions"
]
EXCUSED = "([selector, within]) => document.querySelector(selector)?.closest(within) != null"


def faults(page, where):
    """List what axe finds and no exception covers; note the exceptions that were used."""
    found, used = [], set()
    for violation in Axe().run(page).response["violations"]:
        for node in violation["nodes"]:
            target = node["target"][0]
            covers = [
                number
                for number, one in enumerate(EXCEPTIONS)
                if one["rule"] == violation["id"]
                and page.evaluate(EXCUSED, [target, one["within"]])
            ]
            used.update(covers)
            if not covers:
                found.append(f"{where}: {violation['id']} ({violation['help']}) at {node['html']}")
    return found, used


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_passes_axe(demo, browser, scheme):
    app, study = demo
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    found, used = [], set()
    for step in ("", *STEPS, "studies", "compare", "answers", "help"):
        look_at(page, app, study, step)
        tabs = page.get_by_role("tab").all()
        for number in range(max(1, len(tabs))):
            if tabs:
                tabs[number].click()
                settle(page)
            more, excused = faults(page, step or "start")
            found += more
            used |= excused
    context.close()
    assert found == []
    assert used == set(range(len(EXCEPTIONS))), "an exception is not needed any more"
