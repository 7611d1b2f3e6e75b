import shutil

from playwright.sync_api import expect

from celltransfer_core.studies import Workspace, batches_of
from celltransfer_core.web import ROOTS
from tests.browser.driving import SOON, look_at
from tests.browser.test_journey import give_name
from tests.browser.test_next_batch import laid_out


def test_files_of_a_watched_folder_are_typed_while_nobody_does_anything(
    start_app, tmp_path, drawn, page, monkeypatch
):
    home, scope = tmp_path / "home", tmp_path / "root" / "scope"
    home.mkdir()
    scope.mkdir(parents=True)
    monkeypatch.setenv(ROOTS, str(tmp_path / "root"))
    study = laid_out(Workspace(home), drawn)
    app = start_app(home, script="tests/browser/watching_app.py")
    look_at(page, app, study, "data")
    page.get_by_text("Add cells to this study").click()
    # While the section unfolds, a list that opens closes again.
    page.wait_for_function("document.getAnimations().every((one) => one.playState !== 'running')")
    box = page.get_by_role("combobox", name="Folder on the server")
    box.scroll_into_view_if_needed()
    box.press_sequentially(str(scope))
    page.get_by_role("option", name=str(scope)).click()
    page.get_by_role("button", name="Watch this folder").click()
    give_name(page, "Ann")
    expect(page.get_by_text("by Ann · last checked")).to_be_visible(timeout=SOON)
    (scope / "slide 7").mkdir()
    for path in sorted((drawn / "reference").rglob("*.png"))[:12]:
        shutil.copy(path, scope / "slide 7" / f"{path.parent.name} {path.name}")
    expect(page.get_by_text("12 cells to slide 7")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("Drift per slide")).to_be_visible(timeout=SOON)
    (batch,) = batches_of(app.space, study)
    assert (batch.images.name, batch.fresh, batch.typed.query.n_cells) == ("slide 7", True, 12)
    page.get_by_role("button", name="Stop watching").click()
    expect(page.get_by_role("button", name="Watch this folder")).to_be_visible(timeout=SOON)
    assert app.space.watched(study) is None
