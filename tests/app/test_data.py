import io

import numpy as np
import pytest
from PIL import Image

from celltransfer_core.studies import Workspace


def said(page):
    kinds = (page.markdown, page.caption, page.info, page.warning, page.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def png(value):
    file = io.BytesIO()
    pixels = np.full((24, 24, 3), 255, np.uint8)
    pixels[8:16, 8:16] = (90, value, 150)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def space(home):
    return Workspace()


@pytest.fixture
def study(space):
    return space.create("Cells")


def fill(space, study, files, role="reference"):
    made = space.add_set(study.id, role, role)
    space.receive(made.id, files)
    return made


def test_a_new_study_has_a_place_for_both_sets(space, study, open_page):
    page = open_page("data", study.id)
    assert not page.exception
    assert [s.role for s in space.sets(study.id)] == ["reference", "query"]
    assert "Next: add images to the reference and to the query." in said(page)
    open_page("data", study.id)
    assert len(space.sets(study.id)) == 2


def test_a_filled_study_leads_on(finished, open_page):
    _, study = finished
    page = open_page("data", study.id)
    assert not page.exception
    assert "42 cells in 42 files" in said(page)
    assert "Reference**: nucleus found in" in said(page)
    assert "Fewer than 20 cells: eosinophil (14), lymphocyte (14), neutrophil (14)" in said(page)
    assert page.button("following").label == "Continue: confirm the types of the clusters"


def test_one_button_types_the_cells_and_leads_to_the_matches(finished, open_page, monkeypatch):
    space, study = finished
    space.change_options(study.id, framing="none")
    started = []
    monkeypatch.setattr("parts.work.start", lambda _, *asked: started.append(asked))
    page = open_page("data", study.id)
    page.button("type my cells").click().run()
    assert not page.exception
    assert started == [(study.id, "classify")]
    assert page.title[0].value == "Matches"


def test_types_that_the_query_names_are_told_of_and_not_shown(finished, space, study, open_page):
    told = "They are not used for typing"
    assert told not in said(open_page("data", finished[1].id))
    fill(space, study, [("lymphocyte/1.png", png(1)), ("monocyte/2.png", png(2))])
    fill(space, study, [("lymphocyte/3.png", png(3)), ("other/4.png", png(4))], "query")
    page = open_page("data", study.id)
    assert told in said(page)


def test_few_cells_one_type_and_unusable_files_are_said(space, study, open_page):
    files = [*((f"mono*cyte/{n}.png", png(n)) for n in range(3)), ("mono*cyte/bad.png", b"text")]
    fill(space, study, [*files, ("mono*cyte/copy.png", png(0))])
    page = open_page("data", study.id)
    assert not page.exception
    assert "only one type (mono\\*cyte)" in said(page)
    assert "Fewer than 20 cells: mono\\*cyte (3)" in said(page)
    labels = [expander.label for expander in page.expander]
    assert {"Files left out (1)", "Duplicates (1)"} <= set(labels)


def test_a_type_named_like_an_answer_is_said(space, study, open_page):
    fill(space, study, [("none/1.png", png(1)), ("monocyte/2.png", png(2))])
    assert "Reserved name used as a cell type: none." in said(open_page("data", study.id))


def test_query_names_are_not_shown_unasked(space, study, open_page):
    made = fill(space, study, [("neutrophil/1.png", png(1)), ("neutrophil/bad.png", b"x")], "query")
    page = open_page("data", study.id)
    assert "neutrophil" not in said(page)
    assert all("neutrophil" not in str(table.value) for table in page.dataframe)
    page.toggle(f"names Files left out {made.id}").set_value(True).run()
    assert any("neutrophil/bad.png" in str(table.value) for table in page.dataframe)


def test_a_set_can_be_named_scaled_and_removed(space, study, open_page):
    made = fill(space, study, [("a/1.png", png(1))])
    page = open_page("data", study.id)
    name = next(entry for entry in page.text_input if entry.value == "reference")
    name.set_value("Site <b>")
    page.number_input[0].set_value(0.25)
    next(b for b in page.button if b.label == "Save").click().run()
    changed = space.image_set(made.id)
    assert (changed.name, changed.um_per_px) == ("Site <b>", 0.25)
    assert "**Site \\<b\\>**" in said(page)
    assert page.button(f"remove {made.id}").disabled
    page.checkbox(f"sure {made.id}").check().run()
    page.button(f"remove {made.id}").click().run()
    assert made.id not in [s.id for s in space.sets(study.id)]


def test_framing_is_kept_at_once(space, study, open_page):
    page = open_page("data", study.id)
    page.radio("framing auto").set_value("none").run()
    assert space.study(study.id).options == {"framing": "none"}
    assert page.radio("colour balanced").options == [
        "Each cell",
        "Each set",
        "Unchanged",
    ]
    page.radio("colour balanced").set_value("none").run()
    assert space.study(study.id).options == {"framing": "none", "colour": "none"}


def test_what_another_browser_chose_is_shown_and_not_written_back(space, study, open_page):
    page = open_page("data", study.id)
    space.change_options(study.id, framing="nucleus")
    page.run()
    assert page.radio("framing nucleus").value == "nucleus"
    assert space.study(study.id).options == {"framing": "nucleus"}


def test_a_damaged_table_is_an_error_and_no_crash(space, study, open_page):
    fill(space, study, [("1.png", png(1)), ("labels.csv", b"name,kind\n1.png,x\n")])
    page = open_page("data", study.id)
    assert not page.exception
    assert "needs the columns file, label" in said(page)


def test_a_signed_study_cannot_be_changed(finished, open_page):
    space, study = finished
    space.sign(study.id, "Ann")
    page = open_page("data", study.id)
    assert not page.exception
    assert "Signed off by Ann" in said(page)
    assert page.radio("framing auto").disabled
    assert all(b.disabled for b in page.button if b.label.startswith("Save"))


def test_a_damaged_table_is_mended_or_taken_out(space, study, open_page):
    made = fill(space, study, [("a/1.png", png(1)), ("labels.csv", b"file\na/1.png\n")])
    page = open_page("data", study.id)
    assert "Correct labels.csv and add it again, or remove it." in said(page)
    page.button(f"out labels.csv {made.id}").click().run()
    assert "1 cells in 1 files" in said(page)
    assert space.known_tables(made.id) == {}


TWO_SLIDES = [
    (f"s{slide}/{kind}/1.png", png(10 * slide + ord(kind))) for slide in (1, 2) for kind in "xy"
]


def test_the_level_of_the_types_is_asked_and_can_be_changed(space, study, open_page):
    made = fill(space, study, TWO_SLIDES)
    page = open_page("data", study.id)
    assert not page.exception
    assert "Which folders name the types?" in said(page)
    choice = page.radio(f"levels {made.id}")
    assert choice.value is None
    assert choice.options == ["Level 1: s1, s2", "Level 2: x, y"]
    next(b for b in page.button if b.label == "These are the types").click().run()
    assert "First choose one of the levels." in said(page)
    page.radio(f"levels {made.id}").set_value(1)
    next(b for b in page.button if b.label == "These are the types").click().run()
    assert space.image_set(made.id).types_at == "2"
    assert "Which folders name the types?" not in said(page)
    assert "Fewer than 20 cells: x (2), y (2)" in said(page)
    other = next(box for box in page.selectbox if box.label == "Folders that name the types")
    other.set_value(0).run()
    assert space.image_set(made.id).types_at == "1"
    assert "Fewer than 20 cells: s1 (2), s2 (2)" in said(page)


def test_a_query_s_level_is_chosen_without_a_name(space, study, open_page):
    made = fill(space, study, TWO_SLIDES, "query")
    page = open_page("data", study.id)
    other = next(box for box in page.selectbox if box.label == "Folders that name the types")
    assert other.options == ["Level 1", "Level 2"]
    other.set_value(1).run()
    assert space.image_set(made.id).types_at == "2"
    assert not page.exception


def test_what_is_wrong_with_one_set_hides_no_other(space, study, open_page):
    fill(space, study, TWO_SLIDES)
    fill(space, study, [("1.png", png(1)), ("labels.csv", b"name,kind\n1.png,x\n")])
    fill(space, study, [("a/1.png", png(7)), ("b/1.png", png(8))])
    fill(space, study, [("1.png", png(2)), ("2.png", png(3))], "query")
    page = open_page("data", study.id)
    assert not page.exception
    words = said(page)
    assert "Which folders name the types?" in words
    assert "needs the columns file, label" in words
    assert words.count("2 cells in 2 files") == 2
    sections = {"Reference", "Query", "Extra sets", "Framing and colour"}
    assert sections <= {header.value for header in page.header}
    assert "**Query**: nucleus found in" in words
    assert "Next: resolve the problem shown above for the set" in words


def test_what_was_passed_over_is_counted_by_reason_kind_and_folder(space, study, open_page):
    names = [*(f"a/{n}.txt" for n in range(8)), *(f"b/{n}.gif" for n in range(3)), "a/cut.png"]
    for role in ("reference", "query"):
        fill(space, study, [*TWO_SLIDES[:1], *((name, b"") for name in names)], role)
    page = open_page("data", study.id)
    assert not page.exception
    labels = [expander.label for expander in page.expander]
    assert labels.count("Files left out (12)") == 2
    counted = [
        table.value for table in page.dataframe if "Why" in table.value and "Files" in table.value
    ]
    assert counted[0].to_numpy().tolist() == [
        [8, ".txt", "a", "is no image by its name"],
        [3, ".gif", "b", "is a GIF image by its name; save it as PNG or TIFF"],
        [1, ".png", "a", "the file is empty"],
    ]
    assert list(counted[1]) == ["Files", "Kind", "Why"]  # folders can tell a query's types
    listed = [t.value for t in page.dataframe if {"File", "Why"} <= {*t.value}]
    assert len(listed) == 1  # the reference's
    assert set(listed[0]["File"]) == set(names)


def test_very_many_types_are_shortened(space, study, open_page):
    fill(
        space,
        study,
        [(f"-type, {n:03}/1.png", png(n)) for n in range(20)],
    )
    page = open_page("data", study.id)
    assert not page.exception
    assert "-type, 008 (1) and 11 more. Types this small" in said(page).replace("\\", "")
    assert "All types (20)" in [expander.label for expander in page.expander]


@pytest.mark.parametrize("page", ["data", "embeddings", "clusters", "cells", "evaluate"])
def test_a_page_shows_work_under_way_once(finished, open_page, page):
    space, study = finished
    job = space.add_job(study.id, "check")
    app = open_page(page, study.id)
    assert not app.exception
    assert [one.key for one in app.button].count("cancel work") <= 1
    assert space.job(job.id).active
