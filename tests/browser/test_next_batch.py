import re

import pandas as pd
from playwright.sync_api import expect

from celltransfer_core.studies import Workspace, batches_of, bring_up_to
from celltransfer_core.types import silent
from tests.browser.driving import SOON, drop, look_at, see_whole
from tests.browser.test_journey import give_name
from tests.studies.samples import files_below


def laid_out(space, drawn):
    """A study of drawn cells that are typed; nobody has signed it off."""
    study = space.create("Slides of May").id
    for role in ("reference", "query"):
        space.receive(space.add_set(study, role, role).id, files_below(drawn / role))
    space.change_options(study, encoders=[["shape", "colour"]], alignment="none")
    bring_up_to(space, study, "classify", silent)
    return study


def kept(space, study):
    """Every result and file of the study's own, byte by byte."""
    folder = space.result_path(study, "embed", "").parent
    own = (path for path in folder.glob("*") if "batch" not in path.name)
    return {path.name: path.read_bytes() for path in own if path.suffix in (".joblib", ".html")}


def saved(page, name, into):
    """Press a button that gives a file, and keep the file."""
    with page.expect_download() as began:
        page.get_by_role("button", name=name).first.click()
    began.value.save_as(into)
    return pd.read_csv(into, dtype=str, keep_default_na=False)


def test_from_sign_off_to_the_next_batch(start_app, tmp_path, drawn, page):
    home = tmp_path / "home"
    home.mkdir()
    study = laid_out(Workspace(home), drawn)
    app = start_app(home)

    look_at(page, app, study, "export")
    page.get_by_text("have looked at the results and sign them off").click()
    page.get_by_role("button", name="Sign off").click()
    give_name(page, "Ann")
    expect(page.get_by_text("Signed off by Ann on").first).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Prepare the report", exact=True).click()
    expect(page.get_by_role("link", name=re.compile(r"Report \("))).to_be_visible(timeout=SOON)
    own = saved(page, "CSV", tmp_path / "signed.csv")
    before, signed = kept(app.space, study), app.space.study(study)

    look_at(page, app, study, "data")
    page.get_by_text("Add cells to this study").click()
    page.get_by_role("textbox", name="Name of the next batch").fill("June")
    page.get_by_role("button", name="Add a batch").click()
    zone = page.get_by_role("group", name="Add images to June")
    expect(zone).to_be_visible(timeout=SOON)
    drop(page, zone, drawn / "reference")
    new = len(list((drawn / "reference").rglob("*.png")))
    expect(page.get_by_text(f"{new} cells in {new} files").last).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Type the new cells").click()
    expect(page.get_by_text("Drift per slide")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("Stain or proportions of June have drifted")).to_be_visible()
    (batch,) = batches_of(app.space, study)
    assert batch.fresh
    assert batch.typed.query.n_cells == new

    look_at(page, app, study, "export")
    expect(page.get_by_role("heading", name="Cells added later")).to_be_visible(timeout=SOON)
    whole = saved(page, "Old and new cells (CSV)", tmp_path / "whole.csv")
    old = whole[whole["batch"] == ""]
    assert old["final_type"].tolist() == own["final_type"].tolist()
    assert (whole["batch"] == "June").sum() == new
    saved(page, "CSV", tmp_path / "after.csv")
    assert (tmp_path / "after.csv").read_bytes() == (tmp_path / "signed.csv").read_bytes()
    assert {name: data for name, data in kept(app.space, study).items() if name in before} == before
    assert app.space.study(study).signed == signed.signed
    page.get_by_role("button", name="Prepare the report of these cells").click()
    report = page.get_by_role("link", name=re.compile("^Report of these cells"))
    expect(report).to_be_visible(timeout=SOON)

    look_at(page, app, study, "data")
    page.get_by_role("button", name=re.compile(r"Review June \(")).click()
    expect(page.get_by_text("Typed with what this study taught")).to_be_visible(timeout=SOON)
    page.get_by_role("button", name=re.compile("^Accept")).click()
    answered = page.get_by_test_id("stMetric").filter(has_text=f"Answered of {new}")
    expect(answered.get_by_test_id("stMetricValue")).to_have_text("1", timeout=SOON)
    (batch,) = batches_of(app.space, study)
    assert [one.reader for one in batch.typed.reviews] == ["Ann"]
    assert {name: data for name, data in kept(app.space, study).items() if name in before} == before

    look_at(page, app, study, "data")
    page.get_by_role("button", name="Review June as a study of its own").click()
    page.wait_for_url(lambda url: study not in url, timeout=SOON)
    see_whole(page)
    (made,) = (one for one in app.space.studies() if one.id != study)
    assert made.name == "June after Slides of May"
    assert app.space.pooled(made.id, "query").n_cells == new
