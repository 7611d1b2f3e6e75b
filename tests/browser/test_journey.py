import re

from playwright.sync_api import expect

SOON, FILLED = 60_000, 240_000  # ms, on a machine with other work
STEPS = ("data", "embeddings", "clusters", "matches", "classify", "cells", "review", "export")


def look_at(tab, app, study, step):
    """Open a page and see that it is whole."""
    tab.goto(f"{app.url}/{step}?study={study}")
    expect(tab.locator("h1")).to_be_visible(timeout=SOON)
    tab.wait_for_function(
        "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
    )
    expect(tab.get_by_text("For research use only").first).to_be_visible()
    for wrong in ("stException", "stAlertContentError"):
        expect(tab.get_by_test_id(wrong)).to_have_count(0)


def test_the_demo_through_a_killed_server_to_two_readers(start_app, tmp_path, browser, page):
    app = start_app(tmp_path)
    page.goto(app.url)
    page.wait_for_url(re.compile("study="), timeout=SOON)
    study = app.space.studies()[0].id
    expect(page.get_by_text(re.compile("^Embedding"))).to_be_visible(timeout=FILLED)
    app.kill()
    app.start()
    page.goto(f"{app.url}/?study={study}")
    expect(page.get_by_text("cells reviewed")).to_be_visible(timeout=FILLED)
    (job,) = app.space.jobs(study)  # the one from before: nobody had to begin again
    assert job.state == "done"

    for step in (*STEPS, "studies", "help"):
        look_at(page, app, study, step)
        if step in STEPS:
            expect(page.get_by_text("not photographed")).to_be_visible()

    other = browser.new_context().new_page()
    for tab in (page, other):
        look_at(tab, app, study, "matches")
        expect(tab.get_by_text("4 of 9 clusters are settled")).to_be_visible()
    page.get_by_role("button", name=re.compile(r"Confirm (?!several)")).first.click()
    for tab in (page, other):
        expect(tab.get_by_text("5 of 9 clusters are settled")).to_be_visible(timeout=SOON)
    assert len(app.space.decisions(study, "match")) == 5
    other.context.close()
