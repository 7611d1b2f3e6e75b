import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.test_upload import choose, headline, open_data

SITES = {"site A": ("neutrophil", "lymphocyte"), "site B": ("monocyte", "eosinophil")}
CELLS = 10

WITHOUT_CRYPTO = "Object.defineProperty(crypto, 'subtle', { value: undefined })"


def bmp(number, site):
    """An image whose size in bytes is that of all others."""
    pixels = np.full((20, 20, 3), 240, np.uint8)
    pixels[5:15, 5:15] = (90 + number, 40 + 100 * list(SITES).index(site), 150)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "BMP")
    return file.getvalue()


@pytest.fixture
def sites(tmp_path):
    """Two folders of the same file names and sizes, but other cells of other types."""
    for site, kinds in SITES.items():
        (tmp_path / site).mkdir()
        for number in range(CELLS):
            (tmp_path / site / f"{number}.bmp").write_bytes(bmp(number, site))
        rows = [f"{number}.bmp,{kinds[number % 2]}" for number in range(CELLS)]
        (tmp_path / site / "labels.csv").write_text("\n".join(["file,label", *rows]))
    return [tmp_path / site for site in SITES]


@pytest.fixture
def study(app):
    return app.space.create("Two sites").id


def cells_by_site(app, study):
    """Number of cells with the type that their own site gave them, and with another one."""
    (image_set,) = app.space.sets(study, "reference")
    dataset = app.space.dataset(image_set)
    told = dict(zip(dataset.cells, dataset.cell_labels.tolist(), strict=True))
    found = {}
    for cell in range(dataset.n_cells):
        number, shade, _ = dataset.read(cell)[10, 10].tolist()
        site = list(SITES)[shade > 100]
        right = told[dataset.cells[cell]] == SITES[site][number % 2]
        found[site, right] = found.get((site, right), 0) + 1
    return found


def add_both(page, app, study, sites):
    zone = open_data(page, app, study)
    choose(zone, sites[0])
    expect(headline(page)).to_have_text("Done: 11 files taken.", timeout=30_000)
    choose(zone, sites[1])
    question = page.get_by_role("group", name="Files of the same name")
    lead = "10 images and labels.csv have the same names as existing ones"
    expect(question).to_contain_text(lead, timeout=30_000)
    assert cells_by_site(app, study) == {("site A", True): CELLS}
    return question


@pytest.mark.parametrize(
    ("answer", "taken", "kept"),
    [
        ("Keep both", "Done: 11 files taken.", {("site A", True): 10, ("site B", True): 10}),
        ("Replace", "Done: 11 files taken.", {("site B", True): 10}),
        (
            "Leave",
            "Done: nothing new was added; the existing images are unchanged.",
            {("site A", True): 10},
        ),
        ("Cancel", "Cancelled", {("site A", True): 10}),
    ],
)
def test_no_cell_gets_the_word_of_another_site(page, app, study, sites, answer, taken, kept):
    if answer == "Keep both":  # as over plain HTTP
        page.add_init_script(WITHOUT_CRYPTO)
    add_both(page, app, study, sites)
    page.get_by_role("button", name=answer, exact=True).first.click()
    expect(headline(page)).to_contain_text(taken, timeout=30_000)
    assert cells_by_site(app, study) == kept
    expect(page.get_by_role("group", name="Files of the same name")).to_have_count(0)


def test_a_zip_asks_too(page, app, study, sites, tmp_path):
    zone = open_data(page, app, study)
    choose(zone, sites[0])
    expect(headline(page)).to_have_text("Done: 11 files taken.", timeout=30_000)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for path in sorted(sites[1].iterdir()):
            archive.write(path, f"cells/{path.name}")
    zone.locator("input[accept='.zip']").set_input_files(tmp_path / "b.zip")
    page.get_by_role("button", name="Keep both").click(timeout=30_000)
    expect(headline(page)).to_have_text("Done: 11 files taken.", timeout=30_000)
    assert cells_by_site(app, study) == {("site A", True): 10, ("site B", True): 10}


def test_a_table_that_cannot_be_read_is_said_and_can_be_taken_out(page, app, study, sites):
    folder = sites[0]
    for kind in "ab":
        (folder / kind).mkdir()
        (folder / kind / "1.bmp").write_bytes(bmp(20 + ord(kind), "site A"))
    (folder / "labels.csv").write_bytes(
        "file,label\n1.bmp,Myelozytenähnlich\n".encode("utf-16")[:-1]
    )
    choose(open_data(page, app, study), folder)
    refused = page.locator("details li").filter(has_text="labels.csv")
    expect(refused).to_contain_text("not UTF-8 text", timeout=30_000)
    expect(page.get_by_role("alert").filter(has_text="not UTF-8 text").first).to_be_visible()
    page.get_by_role("button", name="Remove labels.csv").click()
    expect(page.get_by_text("2 cells in 2 files")).to_be_visible(timeout=30_000)
