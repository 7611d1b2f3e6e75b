import os
from dataclasses import replace

import pytest

from celltransfer_core.config import DEFAULT, SETTINGS, panel, setting
from celltransfer_core.outputs import differential_table
from celltransfer_core.pipeline import shorten_hashes
from celltransfer_core.studies import bring_up_to, load_run, states, study_config
from celltransfer_core.studies.owners import owner_of
from celltransfer_core.types import silent


def text_of(app):
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


def button(app, label):
    return next(one for one in app.button if one.label == label)


def radio(app, option):
    return next(one for one in app.radio if one.key.startswith(f"{option} "))


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def look_at(app, kind):
    part = "agreement" if kind == "agreement" else "expert"
    app = next(one for one in app.button_group if one.key == "kind").set_value(part).run()
    if kind == part:
        return app
    return next(one for one in app.button_group if one.key == "expert").set_value(kind).run()


def test_what_came_out_is_shown(finished, open_page):
    space, study = finished
    app = open_page("classify", study.id)
    assert not app.exception
    run = load_run(space, study.id)
    assert metrics(app)["Query cells"] == str(run.query.n_cells)
    assert metrics(app)["Clusters confirmed"] == f"0 of {len(run.matches)}"
    assert metrics(app)["Types found"] == f"{len(set(run.predicted))} of {len(run.types)}"
    assert len(app.get("plotly_chart")) == 2
    assert app.dataframe[0].value.equals(differential_table(run))


@pytest.mark.parametrize(("kind", "figures"), [("agreement", 1), ("voters", 2), ("alignment", 2)])
def test_every_side_of_the_result_can_be_shown(transported, open_page, kind, figures):
    app = look_at(open_page("classify", transported[1].id), kind)
    assert not app.exception
    assert len(app.get("plotly_chart")) == figures
    assert "Compute it anyway" not in {one.label for one in app.button}


def test_a_first_vote_is_announced_where_it_comes_much_sooner(transported, open_page, monkeypatch):
    space, study = transported
    space.change_options(study.id, draws=7)
    assert "a first vote" not in text_of(open_page("classify", study.id))  # it takes seconds
    monkeypatch.setattr("celltransfer_core.pipeline.estimate._TRANSPORT", 1.0)
    assert "a first vote, without transport, after about 10 seconds" in text_of(
        open_page("classify", study.id)
    )


def confirm_all(space, study):
    cells = shorten_hashes(space.pooled(study.id, "query").cells)
    space.decide(study.id, "match", {"cells": cells, "type": "lymphocyte", "cluster": 0}, "Ann")


def test_transport_that_weighs_nothing_is_offered_quietly(finished, open_page, monkeypatch):
    space, study = finished
    started = []
    monkeypatch.setattr(
        "parts.work.start", lambda _, study, target: started.append((study, target))
    )
    app = open_page("classify", study.id)
    why = "Transport was not computed: it has no weight until a cluster is confirmed."
    assert why in [one.value for one in app.caption]
    assert [one.value for one in look_at(app, "alignment").info] == [why]
    button(app, "Compute it anyway").click().run()
    assert not app.exception
    assert started == [(study.id, "classify")]
    assert space.study(study.id).options["transport"] == "always"
    # Until it is there, the vote without it is shown and named so.
    said = text_of(app)
    assert "the vote without transport" in said
    assert "First result" in said
    assert "out of date" not in said
    assert metrics(app)["Query cells"] == str(space.pooled(study.id, "query").n_cells)


def test_without_an_alignment_none_is_offered(finished, open_page):
    space, study = finished
    space.change_options(study.id, alignment="none")
    app = open_page("classify", study.id)
    assert states(space, study.id)["classify"] == "done"  # it decides nothing yet
    assert "Compute it anyway" not in {one.label for one in app.button}
    assert "The selected alignment adds no voters" in text_of(look_at(app, "alignment"))


@pytest.mark.parametrize("page", ["classify", "cells", "review", "export"])
def test_a_first_vote_is_shown_while_transport_is_computed(finished, open_page, page):
    space, study = finished
    confirm_all(space, study)
    app = open_page(page, study.id)
    assert "Transport is being computed" not in text_of(app)
    assert "not been computed yet" in text_of(app)
    if page != "classify":
        assert "Compute the transport" in {one.label for one in app.button}

    def look(phase, done, total):
        if phase.startswith("aligning") and not shown:
            shown.append(open_page(page, study.id))
            shown[0].run()

    shown = []
    owner = owner_of(os.getpid())
    job = space.add_job(study.id, "classify")
    assert space.begin_job(job.id, owner, os.getpid())
    bring_up_to(space, study.id, "classify", look)
    said = text_of(shown[0])
    assert not shown[0].exception
    assert "Transport is being computed; the vote will be updated." in said
    assert "Compute the transport" not in {one.label for one in shown[0].button}
    if page == "classify":
        assert "First result" in said
        assert metrics(shown[0])["Clusters confirmed"] != "0"
    space.end_job(space.job(job.id), "done", "")
    said = text_of(open_page(page, study.id))
    assert "Transport is being computed" not in said
    assert "not computed" not in said


def test_any_two_opinions_can_be_compared(finished, open_page):
    app = look_at(open_page("classify", finished[1].id), "voters")
    first, second = (next(s for s in app.selectbox if s.key == key) for key in ("first", "second"))
    first.set_value(second.value).run()
    assert not app.exception
    assert "Choose two different ones" in text_of(app)


def test_the_threshold_flags_without_computing_again(finished, open_page):
    space, study = finished
    app = look_at(open_page("classify", study.id), "agreement")
    next(one for one in app.slider if one.key == "flag_threshold").set_value(1.0).run()
    assert not app.exception
    assert states(space, study.id)["classify"] == "done"
    run = load_run(space, study.id)
    assert run.flagged.sum() >= (run.vote.agreement < 1).sum()
    waiting = int((run.flagged & ~run.flags.typed).sum())
    assert metrics(app)["Flagged"] == str(waiting)
    assert f"{waiting} of " in text_of(app)
    space.change_options(study.id, flag_threshold=0.25)  # in another browser
    app.run()
    assert next(one for one in app.slider if one.key == "flag_threshold").value == 0.25


def test_every_setting_of_the_panel_is_offered(finished, open_page):
    app = open_page("classify", finished[1].id)
    keys = {one.key for kind in ("radio", "number_input") for one in app.get(kind)}
    assert keys == {
        f"{one.name} {getattr(DEFAULT, one.name) if one.choices else 1}"
        for one in panel("classify")
    }
    for one in panel("classify"):
        if one.choices:
            assert radio(app, one.name).label == one.label
            assert len(radio(app, one.name).options) == len(one.choices)
    assert "Like any other (the paper's)" in radio(app, "class_weight").options
    assert radio(app, "filtering").options == ["Leave them out", "Keep them"]


def test_a_new_setting_appears_by_its_metadata(finished, open_page, monkeypatch):
    more = {
        name: replace(setting(name), page="classify", label=name, shown=(1, 9))
        for name in ("scale_blocks", "n_clusters", "subset_size")
    }
    more["subset_size"] = replace(more["subset_size"], shown=(10, 4000))
    monkeypatch.setattr("celltransfer_core.config.config.SETTINGS", {**SETTINGS, **more})
    app = open_page("classify", finished[1].id)
    assert not app.exception
    app.checkbox[0].uncheck()
    next(one for one in app.number_input if one.key == "n_clusters auto").set_value(3)
    next(one for one in app.button_group if one.key == "rule of n_clusters auto").set_value(
        "number"
    )
    button(app, "Use these choices").click().run()
    assert not app.exception
    options = finished[0].study(finished[1].id).options
    assert options == {**finished[1].options, "scale_blocks": False, "n_clusters": 3}
    assert "with 3 changed by you" in text_of(app)  # the draws are the third


def test_choices_are_kept_and_an_old_result_is_said_to_be_old(finished, open_page):
    space, study = finished
    app = open_page("classify", study.id)
    radio(app, "filtering").set_value("none")
    button(app, "Use these choices").click().run()
    assert not app.exception
    assert space.study(study.id).options == {**study.options, "filtering": "none"}
    said = text_of(app)
    assert "out of date" in said
    assert "Latest result" in said
    assert "**What runs:** 3 voters on 30 query cells" in said
    assert "No match is confirmed yet" in said
    button(app, "What measured best").click().run()
    assert space.study(study.id).options == {"encoders": study.options["encoders"]}


def test_the_papers_preset_keeps_the_encoders_and_the_threshold(finished, open_page):
    space, study = finished
    encoders = study.options["encoders"]
    space.change_options(study.id, clusters="louvain", flag_threshold=0.5, colour="lab")
    app = open_page("classify", study.id)
    button(app, "The paper's preset").click().run()
    assert not app.exception
    options = space.study(study.id).options
    assert options == {"preset": "paper", "encoders": encoders, "flag_threshold": 0.5}
    config = study_config(space, space.study(study.id))
    assert (config.framing, config.clusters, config.features) == ("none", "node-degree", "raw")
    assert "Settings: As in the paper." in text_of(app)


def test_the_work_is_begun_from_here(finished, open_page, monkeypatch):
    space, study = finished
    started = []
    monkeypatch.setattr(
        "parts.work.start", lambda _, study, target: started.append((study, target))
    )
    confirm_all(space, study)
    app = open_page("classify", study.id)
    assert "Your confirmations already count in the vote" in text_of(app)
    button(app, "Compute the transport").click().run()
    assert started == [(study.id, "classify")]


@pytest.mark.parametrize(
    ("pays", "label"), [(-1, "Run the transport again"), (2, "Run it again anyway")]
)
def test_answers_after_the_transport_make_no_result_old(
    finished, open_page, monkeypatch, pays, label
):
    space, study = finished
    started = []
    monkeypatch.setattr("celltransfer_core.pipeline.updates.PAYS", pays)
    monkeypatch.setattr(
        "parts.work.start", lambda _, study, target: started.append((study, target))
    )
    confirm_all(space, study)
    bring_up_to(space, study.id, "classify", silent)
    confirm_all(space, study)
    app = open_page("classify", study.id)
    said = text_of(app)
    assert states(space, study.id)["classify"] == "stale"
    assert "already count in the vote" in said
    assert "out of date" not in said
    assert "Latest result" not in said
    button(app, label).click().run()
    assert started == [(study.id, "classify")]


def test_a_signed_study_keeps_its_choices(finished, open_page):
    space, study = finished
    space.sign(study.id, "Ann")
    app = open_page("classify", study.id)
    assert not app.exception
    assert button(app, "Use these choices").disabled
    assert button(app, "The paper's preset").disabled
    look_at(app, "agreement")
    assert next(one for one in app.slider if one.key == "flag_threshold").disabled


def test_it_leads_on_to_what_is_next(finished, open_page):
    app = open_page("classify", finished[1].id)
    next(one for one in app.button if one.key == "following").click().run()
    assert not app.exception
    assert app.title[0].value == "Matches"
