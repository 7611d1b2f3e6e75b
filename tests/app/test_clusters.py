import numpy as np

from celltransfer_core.pipeline import shorten_hashes
from celltransfer_core.studies import load_clusters, stage_keys


def text_of(app):
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def button(app, name):
    return next(one for one in app.button if name in (one.key, one.label))


def edits(space, study):
    return [decision.payload for decision in space.decisions(study.id, "cluster")]


def test_every_cluster_is_shown(open_page, finished):
    space, study = finished
    app = open_page("clusters", study.id)
    assert not app.exception
    clusters = load_clusters(space, study.id)
    for number, size in zip(clusters.names, clusters.sizes, strict=True):
        assert f"**Cluster {number}** — {size:,} cells, density" in text_of(app)
    assert len(app.get("plotly_chart")) == 1


def test_split_and_undo(open_page, finished):
    space, study = finished
    before = load_clusters(space, study.id)
    app = open_page("clusters", study.id)
    button(app, "split 0").click().run()
    assert not app.exception
    (edit,) = edits(space, study)
    assert (edit["what"], edit["to"]) == ("split", None)
    after = load_clusters(space, study.id)
    assert len(after.names) == len(before.names) + 1
    assert 0 < len(edit["cells"]) <= before.sizes[0] / 2
    assert "changed by hand" in text_of(app)
    assert "These clusters are not matched to types yet." in text_of(app)
    button(app, "undo").click().run()
    assert edits(space, study) == []
    np.testing.assert_array_equal(load_clusters(space, study.id).labels, before.labels)


def test_merge(open_page, finished):
    space, study = finished
    before = load_clusters(space, study.id)
    app = open_page("clusters", study.id)
    into = next(one for one in app.selectbox if one.key == "into 0")
    into.set_value(1)
    button(app, "merge 0").click().run()
    assert not app.exception
    after = load_clusters(space, study.id)
    assert after.names.tolist() == before.names.tolist()[1:]
    assert after.sizes[0] == before.sizes[0] + before.sizes[1]


def test_rename_follows_the_cells_and_is_escaped(open_page, finished):
    _, study = finished
    app = open_page("clusters", study.id)
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
    assert "1 edits by hand" in text_of(app)
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
    _, study = finished
    started = []
    monkeypatch.setattr("parts.work.start", lambda _, __, target: started.append(target))
    app = open_page("clusters", study.id)
    assert button(app, "following").label == "Go on to matches"
    button(app, "split 0").click().run()
    button(app, "Match the clusters to types").click().run()
    assert not app.exception
    assert started == ["matches"]
    assert app.title[0].value == "Matches"


def test_a_signed_study_can_only_be_looked_at(open_page, finished):
    space, study = finished
    space.sign(study.id, "Ann")
    app = open_page("clusters", study.id)
    assert not app.exception
    assert button(app, "Use these settings").disabled
    button(app, "split 0").click().run()  # from a page that was open before it was signed
    assert "signed off by Ann" in text_of(app)
    assert edits(space, study) == []
