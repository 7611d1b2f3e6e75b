import numpy as np
import pytest

from celltransfer_core.pipeline import shorten_hashes
from celltransfer_core.studies import load_clusters, load_named, stage_keys


def text_of(app):
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def button(app, name):
    return next(one for one in app.button if name in (one.key, one.label))


def edits(space, study):
    return [decision.payload for decision in space.decisions(study.id, "cluster")]


@pytest.fixture
def shown(monkeypatch):
    """Collect the cells that galleries are given to show."""
    found = []

    def keep(here, key, cells, **_):
        found.append([*cells])

    monkeypatch.setattr("parts.whole_cluster.gallery", keep)
    return found


def test_every_cluster_is_listed_and_one_is_shown_whole(open_page, finished, shown):
    space, study = finished
    app = open_page("clusters", study.id)
    assert not app.exception
    clusters = load_clusters(space, study.id)
    labels = {one.key: one.label for one in app.button}
    for number, size in zip(clusters.names, clusters.sizes, strict=True):
        assert labels[f"open {number}"].startswith(f"Cluster {number} · {size:,} cells")
    largest = int(clusters.names[clusters.sizes.argmax()])
    assert app.session_state["cluster"] == largest
    last = int(clusters.names[clusters.sizes.argmin()])
    button(app, f"open {last}").click().run()
    assert app.session_state["cluster"] == last
    inside = np.flatnonzero(clusters.names[clusters.labels] == last)
    assert sorted(shown[-1]) == inside.tolist()
    assert f"**Cluster {last}**" in text_of(app)
    assert len(app.get("plotly_chart")) == 1


def test_cells_that_are_picked_in_the_gallery_move(open_page, finished, shown):
    space, study = finished
    app = open_page("clusters", study.id, cluster=0)
    moved = sorted(shown[-1][:2])
    app.session_state["picked of 0"] = moved
    app.run()
    assert "Move 2 selected cells to" in {one.label for one in app.selectbox}
    button(app, "Move").click().run()
    assert not app.exception
    (edit,) = edits(space, study)
    query = space.pooled(study.id, "query").cells
    assert (edit["what"], edit["to"]) == ("move", None)
    assert edit["cells"] == shorten_hashes([query[cell] for cell in moved])
    assert "edited manually" in text_of(app)


def test_split_and_undo(open_page, finished):
    space, study = finished
    before = load_clusters(space, study.id)
    app = open_page("clusters", study.id, cluster=0)
    button(app, "split 0").click().run()
    assert not app.exception
    made = edits(space, study)
    assert {(edit["what"], edit["to"]) for edit in made} == {("split", None)}
    after = load_clusters(space, study.id)
    assert len(after.names) == len(before.names) + len(made)
    moved = sum(len(edit["cells"]) for edit in made)
    assert after.sizes[0] == before.sizes[0] - moved > 0
    assert "edited manually" in text_of(app)
    assert "These clusters have not been matched to types yet." in text_of(app)
    button(app, "undo").click().run()
    assert edits(space, study) == []
    np.testing.assert_array_equal(load_clusters(space, study.id).labels, before.labels)


def test_merge(open_page, finished):
    space, study = finished
    before = load_clusters(space, study.id)
    app = open_page("clusters", study.id, cluster=0)
    into = next(one for one in app.selectbox if one.key == "into 0")
    into.set_value(1)
    button(app, "merge 0").click().run()
    assert not app.exception
    after = load_clusters(space, study.id)
    assert after.names.tolist() == before.names.tolist()[1:]
    assert after.sizes[0] == before.sizes[0] + before.sizes[1]


def test_rename_follows_the_cells_and_is_escaped(open_page, finished):
    _, study = finished
    app = open_page("clusters", study.id, cluster=0)
    name = next(one for one in app.text_input if one.label == "Name")
    name.set_value("*bands* <i>")
    button(app, "Rename").click().run()
    assert not app.exception
    assert r"**Cluster 0 · \*bands\* \<i\>**" in text_of(app)
    button(app, "undo").click().run()
    assert "bands" not in text_of(app)


def test_one_reader_does_not_undo_what_another_did(open_page, finished):
    space, study = finished
    key = stage_keys(space, study.id)["clusters"]
    cell = space.pooled(study.id, "query").cells[0]
    space.decide(
        study.id,
        "cluster",
        {"key": key, "cells": shorten_hashes([cell]), "to": 1, "what": "move"},
        "Ben",
    )
    app = open_page("clusters", study.id)
    assert "1 manual edits" in text_of(app)
    assert "undo" not in {one.key for one in app.button}


def test_settings_are_kept_and_used(open_page, finished, monkeypatch):
    space, study = finished
    started = []
    monkeypatch.setattr("parts.work.start", lambda _, __, target: started.append(target))
    app = open_page("clusters", study.id)
    app.radio[0].set_value("node-degree")
    app.slider[0].set_value(1.5)
    button(app, "Use these settings").click().run()
    assert not app.exception
    options = space.study(study.id).options
    assert (options["clusters"], options["resolution"]) == ("node-degree", 1.5)
    assert "sigma" not in options  # what was not changed is left as it is
    assert options["draws"] == 1
    assert started == ["clusters"]
    assert "out of date" in text_of(app)


def test_edited_clusters_are_matched_anew(open_page, finished, monkeypatch):
    space, study = finished
    started = []
    monkeypatch.setattr("parts.work.start", lambda _, __, target: started.append(target))
    app = open_page("clusters", study.id, cluster=0)
    assert button(app, "following").label == "Continue to matches"
    button(app, "split 0").click().run()
    button(app, "Match the clusters to types").click().run()
    assert not app.exception
    assert app.title[0].value == "Matches"
    matched = load_named(space, study.id)[0].matches
    assert len(matched) == len(load_clusters(space, study.id).names)
    assert started == []  # so few cells are matched at once


def test_a_signed_study_can_only_be_looked_at(open_page, finished):
    space, study = finished
    app = open_page("clusters", study.id, cluster=0)
    space.sign(study.id, "Ann")
    button(app, "split 0").click().run()  # from a page that was open before it was signed
    assert "Signed off by Ann" in text_of(app)
    assert not app.exception
    assert button(app, "Use these settings").disabled
    assert edits(space, study) == []
