import numpy as np
import pytest

from celltransfer_core.pipeline import cluster_purity, shorten_hashes
from celltransfer_core.studies import (
    Workspace,
    bring_up_to,
    load_clusters,
    load_current,
    load_named,
    load_opinion,
    stage_keys,
    study_config,
)
from celltransfer_core.types import silent
from celltransfer_core.vocabulary import NONE_TYPE, QUERY


def text_of(app):
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error", "success")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def button(app, name):
    return next(one for one in app.button if name in (one.key, one.label))


def matched(finished):
    space, study = finished
    return load_named(space, study.id)[0].matches


def at(app):
    return app.session_state["cluster"]


def name_all_but_neutrophils(app, finished):
    """Call the clusters by the first two of three types in turn."""
    for position in range(len(matched(finished))):
        app.session_state["cluster"] = position
        app.run()
        button(app, f"type {position % 2} {position}").click().run()


@pytest.fixture
def shown_cells(monkeypatch):
    """Collect what galleries are given to show, by role."""
    found = {"query": [], "reference": []}

    def keep(here, key, cells, *, role="query", **_):
        found[role].append([*cells])

    monkeypatch.setattr("parts.whole_cluster.gallery", keep)
    monkeypatch.setattr("parts.one_cluster.gallery", keep)
    return found


def test_the_largest_cluster_comes_first_with_what_there_is_to_know(
    finished, open_page, shown_cells
):
    space, study = finished
    app = open_page("matches", study.id)
    assert not app.exception
    matches = matched(finished)
    assert at(app) == max(range(len(matches)), key=lambda n: matches[n].cells)
    first = matches[at(app)]
    said = text_of(app)
    assert "proposed, not confirmed yet" in said
    labels = load_clusters(space, study.id).labels
    inside = np.flatnonzero(labels == at(app)).tolist()
    assert sorted(shown_cells["query"][-1]) == inside
    reference = space.pooled(study.id, "reference")
    of_type = np.flatnonzero(reference.cell_labels == first.matched_type).tolist()
    assert shown_cells["reference"][0] == of_type
    table = app.dataframe[0].value
    assert set(table["Cluster"]) == {str(match.cluster) for match in matches}
    assert set(table["State"]) == {"proposed"}
    score = load_named(space, study.id)[0].scores[QUERY]
    compared = next(one for one in app.selectbox if one.label.startswith("Compare"))
    assert compared.options[0] == f"{first.matched_type} in the reference"
    assert len(compared.options) == len(score.types)


def test_all_cells_of_a_cluster_are_shown_in_the_order_that_is_asked_for(
    finished, open_page, shown_cells
):
    space, study = finished
    app = open_page("matches", study.id)
    central = shown_cells["query"][-1]
    order = next(one for one in app.button_group if one.key == "order of cells")
    order.set_value("marginal").run()
    assert shown_cells["query"][-1] == central[::-1]
    order = next(one for one in app.button_group if one.key == "order of cells")
    order.set_value("disagreeing").run()
    assert not app.exception
    cells = shown_cells["query"][-1]
    assert sorted(cells) == sorted(central)
    opinion = load_opinion(space, study.id)
    taken = matched(finished)[at(app)].matched_type
    agree = [opinion.types[opinion.winner[cell]] == taken for cell in cells]
    assert agree == sorted(agree)  # those that disagree come first


def test_confirming_goes_to_disk_and_on_to_the_next_cluster(finished, open_page):
    space, study = finished
    app = open_page("matches", study.id)
    shown = at(app)
    proposed = matched(finished)[shown].matched_type
    button(app, f"confirm {shown}").click().run()
    assert not app.exception
    (word,) = space.decisions(study.id, "match")
    assert (word.payload["type"], word.payload["cluster"], word.who) == (proposed, shown, "Ann")
    query = space.pooled(study.id, "query")
    labels = load_clusters(space, study.id).labels
    inside = [query.cells[c] for c in np.flatnonzero(labels == shown)]
    assert word.payload["cells"] == shorten_hashes(inside)
    assert matched(finished)[shown].confirmed
    assert at(app) != shown
    assert f"confirm {shown}" not in {one.key for one in app.button}


def test_another_type_none_undo_and_take_back(finished, open_page):
    study = finished[1]
    app = open_page("matches", study.id)
    shown = at(app)
    button(app, f"type 0 {shown}").click().run()
    assert matched(finished)[shown].matched_type == "eosinophil"
    app = open_page("matches", study.id, cluster=shown)
    button(app, f"none {shown}").click().run()
    assert matched(finished)[shown].matched_type == NONE_TYPE
    assert "match none of the types" in text_of(app)
    button(app, "undo").click().run()
    assert matched(finished)[shown].matched_type == "eosinophil"
    assert at(app) == shown
    button(app, f"take back {shown}").click().run()
    assert not matched(finished)[shown].confirmed
    assert not app.exception


def test_several_at_one_stroke_are_undone_at_one_stroke(finished, open_page):
    space, study = finished
    app = open_page("matches", study.id)
    next(one for one in app.slider if one.key == "least").set_value(0.0).run()
    button(app, "confirm all").click().run()
    assert not app.exception
    assert all(match.confirmed for match in matched(finished))
    assert "Every cluster has an answer" in text_of(app)
    button(app, "undo").click().run()
    assert space.decisions(study.id, "match") == ()


def test_one_reader_does_not_undo_what_another_said(finished, open_page):
    space, study = finished
    cells = shorten_hashes(space.pooled(study.id, "query").cells)
    space.decide(study.id, "match", {"cells": cells, "type": "lymphocyte", "cluster": 0}, "Ben")
    app = open_page("matches", study.id)
    assert button(app, "undo").disabled
    assert "by Ben" in text_of(app)


def test_a_word_that_was_said_of_most_cells_is_carried_over(finished, open_page):
    space, study = finished
    query, clusters = space.pooled(study.id, "query"), load_clusters(space, study.id)
    inside = np.flatnonzero(clusters.labels == 0)
    most = inside[: -(-3 * len(inside) // 4)]
    cells = shorten_hashes([query.cells[c] for c in most])
    payload = {"cells": cells, "type": "neutrophil", "cluster": 7}
    space.decide(study.id, "match", payload, "Ben")
    app = open_page("matches", study.id, cluster=0)
    assert not app.exception
    assert f"{100 * len(most) / len(inside):.1f} % of its cells were confirmed" in text_of(app)
    assert "carried over" in set(app.dataframe[0].value["State"])
    button(app, "confirm 0").click().run()
    standing = load_named(space, study.id)[1]
    assert [(one.confirmation.by, one.share) for one in standing] == [("Ann", 1.0)]


def test_steps_go_round(finished, open_page):
    study = finished[1]
    app = open_page("matches", study.id)
    shown = at(app)
    for _ in matched(finished):
        button(app, "next").click().run()
    assert at(app) == shown
    button(app, "previous").click().run()
    assert at(app) != shown or len(matched(finished)) == 1


def test_what_is_filtered_out_is_counted(finished, open_page, shown_cells):
    space, study = finished
    app = open_page("matches", study.id)
    name_all_but_neutrophils(app, finished)
    assert "no query cell can get one of them" in text_of(app)
    neutrophils = np.flatnonzero(
        space.pooled(study.id, "reference").cell_labels == "neutrophil"
    ).tolist()
    assert neutrophils in shown_cells["reference"]
    assert "No cluster is matched to neutrophil, so no cell will get this type" in text_of(app)
    space.change_options(study.id, filtering="none")
    assert "Filtering is switched off" in text_of(open_page("matches", study.id))


def test_a_type_without_a_cluster_is_kept_and_left_out_again(finished, open_page):
    space, study = finished
    app = open_page("matches", study.id)
    name_all_but_neutrophils(app, finished)
    before = stage_keys(space, study.id)
    button(app, "keep neutrophil").click().run()
    assert not app.exception
    assert study_config(space, space.study(study.id)).keep == ("neutrophil",)
    after = stage_keys(space, study.id)
    changed = [stage for stage in after if after[stage] != before[stage]]
    assert changed == ["unaligned", "classify"]
    assert "kept] by Ann, " in text_of(app)
    assert "It is included, with at least 3 %" in text_of(app)
    assert "No cluster is matched to neutrophil" not in text_of(app)
    button(app, "keep neutrophil").click().run()
    assert stage_keys(space, study.id) == before
    assert "No cluster is matched to neutrophil" in text_of(app)
    said = [(one.payload["kept"], one.who) for one in space.decisions(study.id, "keep")]
    assert said == [(True, "Ann"), (False, "Ann")]
    # What the reference no longer has is forgotten.
    space.change_options(study.id, keep=["cells of old"])
    assert study_config(space, space.study(study.id)).keep == ()


def test_who_kept_a_type_is_said_after_it_was_renamed(finished, open_page):
    space, study = finished
    name_all_but_neutrophils(open_page("matches", study.id), finished)
    space.decide(study.id, "keep", {"type": "neutrophil", "kept": True}, "Ann")
    (reference,) = space.sets(study.id, "reference")
    space.change_set(reference.id, mapping={"neutrophil": "neut"})
    bring_up_to(space, study.id, "matches", silent)
    app = open_page("matches", study.id)
    assert not app.exception
    assert "kept] by Ann, " in text_of(app)


def test_all_the_evidence_can_be_shown(finished, open_page):
    app = open_page("matches", finished[1].id)
    matrix = next(one for one in app.selectbox if one.key == "matrix")
    for which in ("count_row", "score_col", "cosine shape"):
        matrix.set_value(which).run()
        assert not app.exception
        assert len(app.get("plotly_chart")) == 1
    assert "signal-to-noise ratio" in text_of(app)
    for kind in ("plane", "sets"):
        next(one for one in app.button_group if one.key == "evidence").set_value(kind).run()
        assert not app.exception
        assert len(app.get("plotly_chart")) == 1


def test_a_signed_study_cannot_be_changed(finished, open_page):
    space, study = finished
    app = open_page("matches", study.id)
    space.sign(study.id, "Dr. Ann")
    button(app, f"none {at(app)}").click().run()  # from a page that was open before
    assert "signed off by Dr. Ann" in text_of(app)
    assert space.decisions(study.id, "match") == ()
    assert button(app, f"none {at(app)}").disabled


def test_it_leads_on_to_the_review(finished, open_page):
    app = open_page("matches", finished[1].id)
    button(app, "following").click().run()
    assert app.title[0].value == "Review"


@pytest.mark.parametrize("page", ["matches", "classify", "cells"])
def test_without_images_the_page_says_where_to_go(home, open_page, page):
    app = open_page(page, Workspace().create("Empty").id)
    assert not app.exception
    assert "Add images first" in text_of(app)


def test_a_cluster_may_be_of_a_type_that_the_reference_lacks(finished, open_page):
    space, study = finished
    app = open_page("matches", study.id)
    number = int(load_named(space, study.id)[0].clusters.names[at(app)])
    field = next(one for one in app.text_input if one.key == f"new type {number}")
    field.set_value("plasma cell")
    button(app, "This cluster is that").click().run()
    assert not app.exception
    (match,) = [one for one in matched(finished) if one.confirmed]
    assert (match.matched_type, match.by) == ("plasma cell", "Ann")
    assert "plasma cell" in text_of(app)
    assert any(one.label == "plasma cell" for one in app.button)
    assert "plasma cell" in load_current(space, study.id).run.types


def test_a_typed_name_is_that_of_a_type_in_any_case_and_a_close_one_is_asked_about(
    finished, open_page
):
    space, study = finished
    app = open_page("matches", study.id)
    number = int(load_named(space, study.id)[0].clusters.names[at(app)])

    def give(name):
        field = next(one for one in app.text_input if one.key == f"new type {number}")
        field.set_value(name)
        button(app, "This cluster is that").click().run()
        assert not app.exception
        return {one.cluster: one.matched_type for one in matched(finished) if one.confirmed}

    assert give("Lymphocytes") == {}
    assert "Did you mean lymphocyte? If Lymphocytes is a separate type" in app.error[0].value
    (name,) = give("Lymphocytes").values()
    assert name == "Lymphocytes"
    button(app, "undo").click().run()
    (name,) = give(" LYMPHOCYTE").values()
    assert name == "lymphocyte"


def test_a_name_that_the_encoders_speak_against_is_to_be_looked_at_again(finished, open_page):
    space, study = finished
    app = open_page("matches", study.id)
    button(app, "confirm all").click().run()
    shown = at(app)
    assert "Look again" not in text_of(app)
    types = load_named(space, study.id)[0].scores[QUERY].types
    right = matched(finished)[shown].matched_type
    slip = next(place for place, name in enumerate(types) if name != right)
    button(app, f"type {slip} {shown}").click().run()
    app = open_page("matches", study.id, cluster=shown)
    assert not app.exception
    assert load_current(space, study.id).run.updated.doubted_clusters == (shown,)
    assert f"Check this answer: is this {types[slip]}?" in text_of(app)
    assert f"these cells look like {right}" in text_of(app)
    assert "look again" in set(app.dataframe[0].value["State"])
    assert f"Check the type of cluster {shown}: it may be wrong" in text_of(app)
    app = open_page("review", study.id)
    assert f"On the Matches page, check the type of cluster {shown}: it may be wrong" in text_of(
        app
    )


def split_edits(space, study):
    return [one.payload for one in space.decisions(study.id, "cluster")]


def test_a_mixed_cluster_is_split_matched_and_asked_again(finished, open_page, monkeypatch):
    space, study = finished
    started = []
    monkeypatch.setattr("parts.work.start", lambda _, __, target: started.append(target))
    app = open_page("matches", study.id)
    other = at(app)
    button(app, f"type 0 {other}").click().run()  # what was said of another cluster stands
    mixed = at(app)
    before = load_clusters(space, study.id)
    button(app, f"split {mixed}").click().run()
    assert not app.exception
    edits = split_edits(space, study)
    assert {(one["what"], one["cluster"], one["to"]) for one in edits} == {("split", mixed, None)}
    after = load_clusters(space, study.id)
    assert len(after.names) == len(before.names) + len(edits)
    named = load_named(space, study.id)[0]  # matched at once, by no job
    assert started == []
    assert {match.cluster: match.matched_type for match in named.matches if match.confirmed} == {
        other: "eosinophil"
    }
    parts = [mixed, *range(before.names.max() + 1, after.names.max() + 1)]
    assert at(app) == mixed
    seen = []
    while at(app) in parts and at(app) not in seen:  # the parts come before any other cluster
        seen.append(at(app))
        button(app, f"type {len(seen)} {at(app)}").click().run()
    assert sorted(seen) == sorted(parts)
    assert not app.exception


def test_a_split_is_taken_back_by_undo(finished, open_page):
    space, study = finished
    before = load_clusters(space, study.id)
    app = open_page("matches", study.id)
    shown = at(app)
    button(app, f"confirm {shown}").click().run()
    app = open_page("matches", study.id, cluster=shown)
    button(app, f"split {shown}").click().run()
    # What was said of the whole is not said of its parts.
    assert not any(match.confirmed for match in matched(finished))
    assert "proposed, not confirmed yet" in text_of(app)
    button(app, "undo").click().run()
    assert not app.exception
    np.testing.assert_array_equal(load_clusters(space, study.id).labels, before.labels)
    assert split_edits(space, study) == []
    assert at(app) == shown
    assert matched(finished)[shown].confirmed  # one act, one undo
    app = open_page("matches", study.id, cluster=shown)
    button(app, f"split {shown}").click().run()
    button(open_page("clusters", study.id), "undo").click().run()
    assert matched(finished)[shown].confirmed  # from the other page too


def test_who_splits_without_a_name_is_asked_for_it_first(finished, open_page):
    space, study = finished
    app = open_page("matches", study.id, reader="")
    shown = at(app)
    button(app, f"split {shown}").click().run()
    assert split_edits(space, study) == []
    next(one for one in app.text_input if one.key == "name asked").set_value("Ben")
    button(app, "Save my name").click().run()
    assert not app.exception
    assert {one.who for one in space.decisions(study.id, "cluster")} == {"Ben"}
    assert at(app) == shown
    button(app, f"confirm {shown}").click().run()
    assert at(app) > shown  # a part, which has a new number


def test_a_larger_study_is_matched_by_a_job_after_a_split(finished, open_page, monkeypatch):
    _, study = finished
    started = []
    monkeypatch.setattr("parts.work.start", lambda _, __, target: started.append(target))
    monkeypatch.setattr("celltransfer_core.studies.rematched.AT_ONCE", 10)
    app = open_page("matches", study.id)
    button(app, f"split {at(app)}").click().run()
    assert not app.exception
    assert started == ["matches"]
    app.run()
    assert started == ["matches"]  # once


def test_it_says_how_pure_a_cluster_seems(finished, open_page, monkeypatch):
    space, study = finished
    app = open_page("matches", study.id)
    purity = cluster_purity(load_opinion(space, study.id), load_clusters(space, study.id).labels)
    first = purity[at(app)]
    assert first.cells == matched(finished)[at(app)].cells
    said = " ".join(one.proto.body for one in app.get("html"))
    assert f"Of {first.cells} cells the encoders predict {first.counts[0][1]} (" in said
    says = app.dataframe[0].value.set_index("Cluster")["Encoders say"]
    assert says[str(at(app))] == f"{100 * first.share:.1f} % {first.counts[0][0]}"
    assert ("may be mixed" in text_of(app)) == first.mixed
    monkeypatch.setattr("celltransfer_core.pipeline.purity.MIXED", 1.0)
    assert "may be mixed: look through all its cells" in text_of(open_page("matches", study.id))


@pytest.mark.parametrize("page", ["matches", "clusters"])
def test_a_cluster_has_an_address(finished, open_page, page):
    study = finished[1]
    last = int(min(matched(finished), key=lambda match: match.cells).cluster)
    app = open_page(page, study.id, address={"cluster": str(last)})
    assert at(app) == last
    app = open_page(page, study.id, address={"cluster": "999"})
    assert not app.exception
    assert at(app) != 999
    assert "There is no cluster 999 here" in text_of(app)
    assert app.query_params["cluster"] in (str(at(app)), [str(at(app))])
    for written in ("<b>", "9" * 5000):
        assert not open_page(page, study.id, address={"cluster": written}).exception
