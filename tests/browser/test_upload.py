import re
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from celltransfer_core.demo import draw_cell
from tests.browser.driving import drop

TYPES = ("eosinophil", "lymphocyte", "neutrophil")
PER_TYPE = 90


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Folder of several hundred freshly drawn cells of three types, and what else lies about."""
    rng = np.random.default_rng(11)
    root = tmp_path_factory.mktemp("dropped") / "my reference"
    for name in TYPES:
        (root / name).mkdir(parents=True)
        drawn = [draw_cell(name, rng) for _ in range(6)]
        for number in range(PER_TYPE):
            image = drawn[number % 6].copy()
            image[0, 0] = (number, TYPES.index(name), 0)  # its own content
            Image.fromarray(image).save(root / name / f"{number}.png")
    (root / "neutrophil" / "broken.png").write_text("only text")
    (root / "neutrophil" / "<img src=x onerror=alert(1)>.png").write_bytes(b"")
    (root / ".DS_Store").write_bytes(b"x")
    (root / "notes.txt").write_text("x")
    return root


@pytest.fixture
def study(app):
    return app.space.create("Dropped").id


def open_data(page, app, study):
    page.goto(f"{app.url}/data?study={study}")
    expect(page.get_by_role("heading", name="Framing and colour")).to_be_visible(timeout=30_000)
    return page.get_by_role("group", name="Add images to Reference")


def choose(zone, folder):
    zone.locator("input[webkitdirectory]").set_input_files(folder)


def headline(page):
    return page.locator(".headline").first


def types_kept(app, study):
    (image_set,) = app.space.sets(study, "reference")
    labels = app.space.dataset(image_set).cell_labels.tolist()
    return {name: labels.count(name) for name in sorted(set(labels))}


def test_a_folder_is_taken_and_shown(page, app, study, folder):
    zone = open_data(page, app, study)
    choose(zone, folder)
    expect(headline(page)).to_have_text("Done: 270 files taken.", timeout=60_000)
    expect(page.get_by_text("270 cells in 270 files")).to_be_visible(timeout=30_000)
    assert types_kept(app, study) == dict.fromkeys(TYPES, PER_TYPE)
    page.get_by_text("3 files left out").click()
    refused = page.locator("details li")
    expect(refused.filter(has_text="broken.png")).to_contain_text("not a PNG")
    expect(refused.filter(has_text="onerror")).to_contain_text("the file is empty")
    first = page.get_by_role("img", name="eosinophil").first
    expect(first).to_be_visible()
    page.wait_for_function(
        "image => image.complete && image.naturalWidth > 0", arg=first.element_handle()
    )
    expect(page.get_by_text("Files left out (3)")).to_be_visible()


def test_a_folder_chosen_on_the_start_page_begins_a_study(page, app, study, folder):
    page.goto(app.url)
    zone = page.get_by_role("group", name="Your reference")
    with page.expect_file_chooser() as chooser:  # one click to the system's dialog
        zone.get_by_role("button", name="Choose a folder").click(timeout=60_000)
    chooser.value.set_files(folder)
    page.wait_for_url(re.compile(r"data\?study="), timeout=60_000)
    made = re.search("study=([^&]+)", page.url)[1]
    assert made != study
    expect(headline(page)).to_have_text("Done: 270 files taken.", timeout=60_000)
    assert types_kept(app, made) == dict.fromkeys(TYPES, PER_TYPE)
    # It is of that study alone, which the next visit opens by itself.
    page.goto(f"{app.url}/data?study={study}")
    expect(page.get_by_text("No images yet.").first).to_be_visible(timeout=60_000)
    page.goto(app.url)
    expect(page.get_by_text("waits for images")).to_be_visible(timeout=60_000)


def test_a_reload_in_the_middle_sends_nothing_twice(page, app, study, folder):
    sent = []
    held = []

    def hold_after_the_first(route):
        if route.request.method != "POST":
            route.continue_()
        elif sent:
            held.append(route)
        else:
            sent.append(route)
            route.continue_()

    page.route("**/ct/files/*", hold_after_the_first)
    zone = open_data(page, app, study)
    choose(zone, folder)
    expect(headline(page)).to_have_text("100 of 273 files", timeout=30_000)
    (image_set,) = app.space.sets(study, "reference")
    assert len(app.space.known_files(image_set.id)) == 100

    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.unroute("**/ct/files/*")
    expect(headline(page)).to_contain_text("An upload was interrupted", timeout=30_000)
    posted = []
    page.on("request", lambda one: posted.append(one) if one.method == "POST" else None)
    choose(page.get_by_role("group", name="Add images to Reference"), folder)
    # The two that cannot be used may have been among the first hundred.
    rest = re.compile(r"Done: 17[0-2] files taken\.")
    expect(headline(page)).to_have_text(rest, timeout=60_000)
    already = re.compile(r"(98|99|100) were here already")
    expect(page.locator(".more").first).to_contain_text(already)
    assert len([one for one in posted if "/ct/files/" in one.url]) == 2
    assert types_kept(app, study) == dict.fromkeys(TYPES, PER_TYPE)


def test_an_upload_can_be_cancelled_and_goes_on(page, app, study, folder):
    page.route("**/ct/files/*", lambda r: r.continue_() if r.request.method == "GET" else None)
    zone = open_data(page, app, study)
    choose(zone, folder)
    expect(headline(page)).to_have_text("0 of 273 files", timeout=30_000)
    page.get_by_role("button", name="Cancel").first.click()
    expect(headline(page)).to_contain_text("Cancelled")
    page.unroute("**/ct/files/*")
    choose(zone, folder)
    expect(headline(page)).to_have_text("Done: 270 files taken.", timeout=60_000)


def test_an_upload_goes_on_while_another_page_is_looked_at(page, app, study, folder):
    held = []
    let_go = []

    def hold(route):
        if route.request.method == "GET" or let_go:
            route.continue_()
        else:
            held.append(route)

    page.route("**/ct/files/*", hold)
    zone = open_data(page, app, study)
    choose(zone, folder)
    expect(headline(page)).to_have_text("0 of 273 files", timeout=30_000)
    page.get_by_role("link", name="Help").click()
    expect(zone).to_have_count(0)
    let_go.append(True)
    for route in held:
        route.continue_()
    page.get_by_role("link", name="1 · Data").click()
    expect(headline(page)).to_have_text("Done: 270 files taken.", timeout=60_000)
    expect(page.get_by_text("270 cells in 270 files")).to_be_visible(timeout=30_000)


def test_a_lost_connection_is_tried_again(page, app, study, folder):
    failed = []

    def fail_once(route):
        if route.request.method == "POST" and not failed:
            failed.append(route)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/ct/files/*", fail_once)
    choose(open_data(page, app, study), folder)
    expect(headline(page)).to_have_text("Done: 270 files taken.", timeout=60_000)
    assert len(failed) == 1


def test_folders_can_be_dropped(page, app, study, folder, tmp_path):
    zone = open_data(page, app, study)
    for name in TYPES:
        (tmp_path / "outer" / name).mkdir(parents=True)
        for number in range(5):
            shutil.copy(folder / name / f"{number}.png", tmp_path / "outer" / name)
    drop(page, zone, tmp_path / "outer")
    expect(headline(page)).to_have_text("Done: 15 files taken.", timeout=30_000)
    assert types_kept(app, study) == dict.fromkeys(TYPES, 5)


def test_a_zip_is_unpacked_on_the_server(page, app, study, folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "cells.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder.parent))
        archive.writestr("../../outside.png", b"x")
    zone = open_data(page, app, study)
    zone.locator("input[accept='.zip']").set_input_files(tmp_path / "cells.zip")
    expect(headline(page)).to_have_text("Done: 270 files taken.", timeout=60_000)
    page.get_by_text("3 files left out").click()
    refused = page.locator("details li")
    expect(refused.filter(has_text="outside.png")).to_contain_text("points outside its folder")
    assert not (app.home.parent / "outside.png").exists()


def test_a_study_signed_off_meanwhile_says_so(page, app, study, folder):
    zone = open_data(page, app, study)

    def sign_first(route):
        if route.request.method == "POST" and not app.space.study(study).signed:
            app.space.sign(study, "Ann")
        route.continue_()

    page.route("**/ct/files/*", sign_first)
    choose(zone, folder)
    expect(page.get_by_text("signed off by Ann").first).to_be_visible(timeout=30_000)
    assert types_kept(app, study) == {}


def test_the_page_works_by_keyboard(page, app, study):
    zone = open_data(page, app, study)
    button = zone.get_by_role("button", name="Choose a folder")
    with page.expect_file_chooser() as chooser:
        button.press("Enter")
    assert chooser.value.is_multiple()
    page.keyboard.press("Tab")
    expect(zone.get_by_role("button", name="Choose a zip")).to_be_focused()


def test_files_that_cannot_be_used_are_not_nothing_new(page, app, study, tmp_path):
    folder = tmp_path / "others"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.txt").write_text("x")
    (folder / "a.gif").write_bytes(b"x")
    zone = open_data(page, app, study)
    choose(zone, folder)
    expect(headline(page)).to_have_text("Nothing was added; the reasons are listed below.")
    page.get_by_text("9 files left out").click()
    expect(page.locator("details li").first).to_contain_text("8 .txt: is no image by its name (")
    expect(page.get_by_text("Files left out (9)")).to_be_visible(timeout=30_000)
