import html
import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from celltransfer_core.cli.sentences import describe_run
from celltransfer_core.config import DEFAULT
from celltransfer_core.matching import Confirmation
from celltransfer_core.outputs import (
    About,
    Pseudonyms,
    data_uri,
    report_html,
)
from celltransfer_core.people import (
    Review,
    sample_order,
)
from celltransfer_core.pipeline import (
    FIGURES,
    CellClassifier,
    CellMap,
    drift_between_slides,
    run,
    slide_drift,
)
from celltransfer_core.plots import CAPTIONS
from celltransfer_core.runtime import Cache
from celltransfer_core.vocabulary import ARTEFACT, NONE_TYPE, QUERY, REFERENCE


@pytest.fixture(scope="module")
def result(reference, query, tmp_path_factory):
    config = replace(DEFAULT, encoders=(("colour",), ("shape",)), draws=1)
    cache = Cache(tmp_path_factory.mktemp("c"))
    return run(
        reference,
        query,
        config,
        cache=cache,
        workers=1,
        confirmations=[Confirmation(0, "lymphocyte", "<b>Ann</b>")],
    )


@pytest.fixture(scope="module")
def reviews(result):
    cells, order = result.query.cells, sample_order(result.query.cells, 0).tolist()
    answers = [
        Review(cells[cell], result.predicted[cell], "Ann", "2025-01-01T00:00:00", True)
        for cell in order[:4]
    ]
    return [*answers, Review(cells[order[5]], ARTEFACT, "Ben", "2025-01-01T00:00:09", False)]


@pytest.fixture(scope="module")
def plane(result):
    sizes = {REFERENCE: result.reference.n_cells, QUERY: result.query.n_cells}
    sets = [name for name, size in sizes.items() for _ in range(size)]
    cells = np.concatenate([np.arange(size) for size in sizes.values()])
    return CellMap(np.random.default_rng(0).random((len(cells), 2)), tuple(sets), cells)


@pytest.fixture(scope="module")
def page(result, reviews, plane):
    return report_html(result, reviews, About("<script>alert(1)</script>", True), plane=plane)


def test_it_holds_every_figure_and_asks_nobody(page):
    body = page.split("</script>", 1)[1]
    shown = set(re.findall(r"<figcaption>(.*?)</figcaption>", body))
    of_evaluation = {
        "accuracy_figure",
        "error_matrix_figure",
        "agreement_worth_figure",
        "reliability_figure",
        "low_label_figure",
        "reader_figure",
    }
    of_slides = {"between_slides_figure", "drift_figure"}  # of studies with slides or batches
    without = {"types_figure", "sizes_figure", *of_slides, *of_evaluation}
    told = {kind: html.escape(text) for kind, text in CAPTIONS.items() if kind not in without}
    assert all(any(one.startswith(text) for one in shown) for text in told.values())
    assert all(one.startswith(tuple(told.values())) for one in shown)
    assert page.count("plotly.js v") == 1
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?!data:)[a-z/]""", body)
    assert "default-src 'none'" in page
    assert body.count("data:image/jpeg;base64,") >= 2 * 6
    assert "For research use only" in body
    assert "synthetic, not photographed" in body


def visible(page):
    """Take the markup out of a report."""
    body = re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


def rows_of(page, after):
    """Read the table after a heading: a list of texts for each row."""
    table = page.split(f">{after}</h", 1)[1].split("<table", 1)[1].split("</table>", 1)[0]
    return [
        [" ".join(visible(cell).split()) for cell in re.findall(r"<t[dh].*?</t[dh]>", row)]
        for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    ]


def test_the_differential_stands_first_before_and_after_review(result, reviews, plane):
    cell = result.query.cells.index(reviews[0].cell)
    was = result.predicted[cell]
    other = next(name for name in result.types if name != was)
    changed = [replace(reviews[0], answer=other), *reviews[1:]]
    page = report_html(result, changed, About("x"), plane=plane)
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[:2] == ["Differential count", "Answers by readers"]
    head, *rows, total = rows_of(page, "Differential count")
    assert head[1:6] == ["Predicted", "Percent", "After review", "Percent", "Change"]
    found = {row[0]: row[1:] for row in rows}
    counts = Counter(result.predicted)
    artefact = result.predicted[result.query.cells.index(reviews[-1].cell)]
    for name in result.types:
        change = (name == other) - (name == was) - (name == artefact)
        now = counts[name] + change
        assert found[name][0] == str(counts[name])
        assert found[name][1] == f"{100 * counts[name] / result.query.n_cells:.1f} %"
        assert found[name][2:4] == [str(now), f"{100 * now / (result.query.n_cells - 1):.1f} %"]
        assert found[name][4] == (f"{change:+}".replace("-", "−") if change else "0")
    assert total[:2] == ["All cells", str(result.query.n_cells)]
    assert total[3] == str(result.query.n_cells - 1)
    assert "1 artefact is not counted" in page
    assert "Final composition" in page
    predicted = report_html(result, [], About("x"), plane=plane)
    assert rows_of(predicted, "Differential count")[0] == [
        "Type",
        "Predicted",
        "Percent",
        "95 % interval",
    ]


def test_reviewed_types_are_set_against_predicted_ones_and_the_sample_is_told(result, reviews):
    cell = result.query.cells.index(reviews[0].cell)
    was = result.predicted[cell]
    other = next(name for name in result.types if name != was)
    changed = [replace(reviews[0], answer=other), *reviews[1:]]
    page = report_html(result, changed, About("x"))
    assert f"5 of {result.query.n_cells} cells: 4 drawn at random (4 of them blind" in page
    head, *rows = rows_of(page, "Predicted and reviewed types")
    matrix = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    assert int(matrix[was][other]) >= 1
    assert sum(int(row["Cells"]) for row in matrix.values()) == 5
    assert sum(int(row[ARTEFACT] or 0) for row in matrix.values()) == 1


def test_it_bears_the_day_that_it_is_given_or_that_of_the_signature(result):
    draft = report_html(result, [], About("x", date="2026-11-29"))
    assert "Report of 2026-11-29, CellTransfer" in draft
    assert "Not signed off." in draft
    signed = About("x", signed_by="Dr K", signed="2025-02-03T04:05:06")
    first = report_html(result, [], signed)
    assert "Report of 2025-02-03, CellTransfer" in first
    assert report_html(result, [], replace(signed, date="2026-11-29")) == first


def test_nothing_in_it_needs_the_app(page):
    told = visible(page)
    assert not re.search(r"lasso|click|the \w+ page|mouse", told, re.IGNORECASE)
    body = page.split("</script>", 1)[1]
    assert body.count('"displayModeBar": false') == body.count("Plotly.newPlot(") > 0
    assert '"dragmode":"lasso"' not in page


def test_it_is_laid_out_for_a_sheet_of_paper(page):
    style = page.split("<style>", 1)[1].split("</style>", 1)[0]
    assert "size: A4" in style
    assert re.search(r"thead \{ display: table-header-group", style)
    assert re.search(r"tr, .*break-inside: avoid", style)
    # Figures that are higher than a sheet are made smaller.
    for fit in re.findall(r"--fit:([\d.]+)", page):
        assert 0 < float(fit) <= 1


def test_cells_are_shown_in_original_colours_or_as_encoders_see_them(result, monkeypatch):
    crops = dict(result.framing.crops)
    stained = replace(crops[QUERY], white=(255, 250, 245))
    assert not np.array_equal(stained[0], stained.field(0))
    assert data_uri(stained, 0) == data_uri(crops[QUERY], 0)
    assert data_uri(stained, 0, original=False) != data_uri(stained, 0)
    asked = []
    monkeypatch.setattr(
        "celltransfer_core.outputs.page.data_uri",
        lambda _, __, original: asked.append(original) or "data:,",
    )
    report_html(result, [], About("x"), original=False)
    assert asked
    assert not any(asked)


def test_types_without_a_cluster_stand_with_the_cells_most_like_them(result, plane):
    every = sorted(set(result.reference.labels))
    called, out = every[0], every[1:]
    one = replace(
        result,
        matches=tuple(replace(match, matched_type=called) for match in result.matches),
        filtered={out[0]: 4},
        config=replace(result.config, keep=tuple(out[1:2])),
    )
    body = report_html(one, [], About("study"), plane=plane)
    assert body.count(f'alt="query cell most similar to {out[0]}"') == result.alike.shape[1]
    assert body.count(f'alt="query cell most similar to {out[1]}"') == result.alike.shape[1]
    assert body.count("<td>left out</td>") == body.count("<td>kept by a person</td>") == 1
    assert f"query cell most similar to {called}" not in body


def test_what_people_typed_is_no_markup(page):
    body = page.split("</script>", 1)[1]
    assert "<script>alert" not in page
    assert "confirmed by &lt;b&gt;Ann&lt;/b&gt;" in body


def test_a_type_that_is_called_like_markup(result, plane):
    odd = "</script><img src=x onerror=alert(1)>"
    types = tuple(odd if name == "lymphocyte" else name for name in result.types)
    matches = tuple(
        replace(m, matched_type=odd) if m.matched_type == "lymphocyte" else m
        for m in result.matches
    )
    labels = tuple(odd if name == "lymphocyte" else name for name in result.reference.labels)
    named = replace(
        result,
        types=types,
        matches=matches,
        reference=replace(result.reference, labels=labels),
        scores={
            name: replace(score, types=tuple(odd if t == "lymphocyte" else t for t in score.types))
            for name, score in result.scores.items()
        },
    )
    page = report_html(named, [], About("x"), plane=plane)
    assert "<img src=x" not in page
    assert page.count("</script>") == page.count("<script")


def test_the_same_study_gives_the_same_bytes(page, result, reviews, plane):
    again = report_html(result, reviews, About("<script>alert(1)</script>", True), plane=plane)
    assert again == page


def test_the_manifest_can_be_read_again(page, result):
    text = re.search(r"<summary>Manifest.*?<pre>(.*?)</pre>", page, re.DOTALL).group(1)
    assert json.loads(html.unescape(text))["inputs"]["query"]["cells"] == result.query.n_cells


def test_who_ruled_types_out_is_told_and_stands_in_the_manifest(result):
    config = replace(result.config, absent=("basophil", "platelet"))
    said = [{"type": "platelet", "state": "absent", "reader": "Ann", "time": "2025-01-01T00:00"}]
    page = report_html(replace(result, config=config), [], About("x", said=said))
    assert "ruled out in the query: basophil (by a person), platelet (by Ann)." in page
    text = re.search(r"<summary>Manifest.*?<pre>(.*?)</pre>", page, re.DOTALL).group(1)
    assert json.loads(html.unescape(text))["said_of_types"] == said


def test_pseudonyms_reach_the_report(result, reviews, query):
    slides = replace(query, slide=("Slide of Jo",) * len(query.files))
    named = replace(result, query=slides)
    hidden = Pseudonyms(b"key")
    assert "Slide of Jo" in report_html(named, reviews, About("x"))
    page = report_html(named, reviews, About("x"), pseudonyms=hidden)
    assert "Slide of Jo" not in page
    assert hidden.of("slide", "Slide of Jo") in page
    assert not any(file in page for file in query.files)


@pytest.fixture
def on_slides(result, monkeypatch):
    """The run with its cells on three slides, the last of which has all the eosinophils."""
    monkeypatch.setattr(slide_drift, "LEAST_SLIDE", 5)
    predicted = np.array(result.predicted)[result.query.cell_index]
    others = np.cumsum(predicted != "eosinophil") % 2
    slides = np.where(predicted == "eosinophil", "Jo 3", np.where(others, "Jo 2", "Jo 1"))
    return replace(result, query=replace(result.query, slide=tuple(slides.tolist())))


def test_slides_of_the_query_are_compared_with_one_another(on_slides, result, reviews, page):
    assert "Drift between slides" not in page
    of_two = replace(on_slides.query, slide=tuple("Jo 1" for _ in on_slides.query.slide))
    assert drift_between_slides(replace(on_slides, query=of_two)) == ()
    found = {(one.slide, one.figure): one for one in drift_between_slides(on_slides, reviews)}
    assert {slide for slide, _ in found} == {"Jo 1", "Jo 2", "Jo 3"}
    assert {figure for _, figure in found} == {*FIGURES}
    assert found["Jo 3", "proportions"].drifted
    assert found["Jo 3", "proportions"].distance > 0.9
    body = report_html(on_slides, reviews, About("x"))
    said = visible(body).split("Drift between slides", 1)[1].split("Jo 3: ", 1)[1]
    assert "the proportions of the types differ by" in said.split("\n", 1)[0][:500]
    assert body.count(CAPTIONS["between_slides_figure"]) == 1
    assert report_html(on_slides, reviews, About("x")) == body
    private = report_html(on_slides, reviews, About("x"), pseudonyms=Pseudonyms(b"key"))
    assert "Drift between slides" in private
    assert "Jo 3" not in private
    assert "drift between slides: Jo 3: " in describe_run(on_slides, reviews)
    assert "drift between slides" not in describe_run(result, reviews)


def test_cells_without_a_type_are_unknown_and_artefacts_do_not_count(on_slides, reviews):
    cells = on_slides.query.cells
    slide = on_slides.query.cell_slides
    own = [cells[number] for number in np.flatnonzero(slide == "Jo 1").tolist()]

    def answered(answer):
        given = [Review(cell, answer, "Ann", "2025-01-02T00:00:00", False) for cell in own[1:]]
        return {
            one.figure: one for one in drift_between_slides(on_slides, given) if one.slide == "Jo 1"
        }

    assert answered(NONE_TYPE)["unknown cells"].drifted
    assert not answered(ARTEFACT)
    old = replace(on_slides, blocks=None)  # typed by an earlier version
    assert "unknown cells" not in {one.figure for one in drift_between_slides(old, reviews)}


def test_cells_added_later_stand_in_the_report(result, reviews, page):
    assert "Cells added later" not in page
    batch = CellClassifier().fit(result, reviews).type_batch(result.query)
    body = report_html(result, reviews, About("x"), batches={"<i>June</i>": batch})
    (row,) = rows_of(body, "Cells added later")[1:]
    assert row[:3] == ["<i>June</i>", f"{result.query.n_cells}", "0"]
    given = Review(result.query.cells[0], batch.types[0], "Ann", "2026-01-01T00:00:00", blind=False)
    taught = {"June": replace(batch, reviews=(given,))}
    told = report_html(result, reviews, About("x"), batches=taught)
    (row,) = rows_of(told, "Cells added later")[1:]
    assert row[2] == "1"
    assert "<i>June" not in body
    assert body.count(html.escape(CAPTIONS["drift_figure"])) == 1
    assert "No slide differs from the training cells more than usual." in body
    assert report_html(result, reviews, About("x"), batches={}) == report_html(
        result, reviews, About("x")
    )


def test_what_reviews_say(page, result, reviews):
    body = page.split("</script>", 1)[1]
    assert "20 blind cells are needed, at most 6 are possible." in body
    assert "Not counted: " in body
    assert "Reclassified: " in body
    assert "The intervals cover only chance in counting" in body
    without = report_html(result, [], About("x", signed_by="Dr K", signed="2025-02-03T04:05:06"))
    assert "No cell has been reviewed" in without
    assert "Signed off by Dr K, 2025-02-03 04:05 UTC." in without
